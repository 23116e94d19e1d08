"""Ready-made published networks."""

from ranvier.models.antennal_lobe import Odor as Odor
from ranvier.models.antennal_lobe import antennal_lobe as antennal_lobe
