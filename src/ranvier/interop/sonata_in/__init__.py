"""SONATA networks, in (Dai et al. 2020, PLoS Comput Biol 16:e1007696; github.com/AllenInstitute/sonata, the developer's guide)."""

from ranvier.interop.sonata_in.read import SonataModel as SonataModel
from ranvier.interop.sonata_in.read import read_sonata as read_sonata
