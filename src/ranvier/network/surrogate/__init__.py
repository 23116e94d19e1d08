"""The step whose spikes have a derivative: that of a surrogate.

What is simulated is the same; the step of `network.step` in which each spike is a number beside the flag, 1 or 0, that carries
the surrogate's derivative by the distance to the threshold. It passes on through what spikes do: resets, amplitudes on
their way, states at sources and edges.
"""

from ranvier.network.surrogate.closed import acting as acting
from ranvier.network.surrogate.closed import drawn_sources as drawn_sources
from ranvier.network.surrogate.closed import moment as moment
from ranvier.network.surrogate.closed import reason as reason
from ranvier.network.surrogate.closed import spiking as spiking
from ranvier.network.surrogate.closed import without_derivative as without_derivative
from ranvier.network.surrogate.step import SurrogateStepper as SurrogateStepper
from ranvier.network.surrogate.step import check_plan as check_plan
from ranvier.network.surrogate.step import without_whole_steps as without_whole_steps
