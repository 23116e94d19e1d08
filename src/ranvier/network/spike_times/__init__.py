"""Spike times and their exact derivatives, by the adjoint of the equations between spikes (Wunderlich & Pehle 2021, Sci Rep 11:12829).

The run is the engine's: spikes act at the ends of steps. What is differentiated is that run in continuous time, with its
spikes in the order and number that they have: a spike is when the potential crosses the threshold within its step, and
what it does comes as much later as the grid has it. `adjoint` goes from spike to spike backwards and solves the adjoint
equations between them in closed form; what is kept of a run is one row for each spike, however many steps there are.
"""

from ranvier.network.spike_times.check import check as check
from ranvier.network.spike_times.check import check_start as check_start
from ranvier.network.spike_times.function import spike_times as spike_times
from ranvier.network.spike_times.wiring import wired as wired
