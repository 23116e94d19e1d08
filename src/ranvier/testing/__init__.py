"""Checks that a model keeps its promises: for your own models, and what Ranvier's tests use for its own.

Each takes one model (or integrator, or rule), tries everything that the engine relies on, and
raises `ConformanceError` that says what is wrong and where to look. They need pint.

Example:
    >>> import ranvier as rv
    >>> from ranvier.testing import check_channel
    >>> check_channel(rv.channels.HodgkinHuxleyPotassium())
"""

from ranvier.listing import listed as _listed
from ranvier.testing.channel import check_channel as check_channel
from ranvier.testing.channel import check_pool as check_pool
from ranvier.testing.common import ConformanceError as ConformanceError
from ranvier.testing.connection_rule import check_connection_rule as check_connection_rule
from ranvier.testing.integrator import check_integrator as check_integrator
from ranvier.testing.integrator import measured_order as measured_order
from ranvier.testing.neuron import check_neuron as check_neuron
from ranvier.testing.plasticity import check_plasticity_rule as check_plasticity_rule
from ranvier.testing.stimulus import check_stimulus as check_stimulus
from ranvier.testing.synapse import check_synapse as check_synapse


def __dir__() -> list[str]:
    return _listed(globals())
