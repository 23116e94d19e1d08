"""Figures. Every function draws into `ax`, or into a new figure, and returns the `Axes`.

Matplotlib is imported when the first figure is made, not before.
"""

from ranvier.listing import listed as _listed
from ranvier.plot.appearance import COLORS as COLORS
from ranvier.plot.appearance import style as style
from ranvier.plot.curves import fi_curve as fi_curve
from ranvier.plot.curves import spectrum as spectrum
from ranvier.plot.histograms import correlogram as correlogram
from ranvier.plot.histograms import intervals as intervals
from ranvier.plot.histograms import psth as psth
from ranvier.plot.histograms import weights as weights
from ranvier.plot.learning import receptive_fields as receptive_fields
from ranvier.plot.learning import stdp_window as stdp_window
from ranvier.plot.learning import weight_trajectories as weight_trajectories
from ranvier.plot.over_time import heat_map as heat_map
from ranvier.plot.over_time import traces as traces
from ranvier.plot.phase import phase_plane as phase_plane
from ranvier.plot.spike_times import population_rate as population_rate
from ranvier.plot.spike_times import raster as raster
from ranvier.plot.swept import sweep as sweep
from ranvier.plot.variation import variation as variation
from ranvier.plot.wiring import connectivity as connectivity


def __dir__() -> list[str]:
    return _listed(globals())
