"""The lab: models that move under a reader's hand."""

from ranvier.lab.catalogue import of_channel as of_channel
from ranvier.lab.catalogue import of_neuron as of_neuron
from ranvier.lab.catalogue import of_plasticity as of_plasticity
from ranvier.lab.catalogue import of_rule as of_rule
from ranvier.lab.catalogue import of_stimulus as of_stimulus
from ranvier.lab.catalogue import of_synapse as of_synapse
from ranvier.lab.scene import Scene as Scene
from ranvier.lab.scene import scene as scene
from ranvier.lab.window import open as open
from ranvier.listing import listed as _listed


def __dir__() -> list[str]:
    return _listed(globals())
