"""What is measured of spikes, computed on the columns of all neurons at once; and spike trains made by themselves."""

from ranvier.analysis.correlograms import correlogram as correlogram
from ranvier.analysis.counts import correlation as correlation
from ranvier.analysis.counts import fano_factor as fano_factor
from ranvier.analysis.counts import spike_counts as spike_counts
from ranvier.analysis.distances import van_rossum_distance as van_rossum_distance
from ranvier.analysis.distances import victor_purpura_distance as victor_purpura_distance
from ranvier.analysis.intervals import coefficient_of_variation as coefficient_of_variation
from ranvier.analysis.intervals import cv2 as cv2
from ranvier.analysis.intervals import intervals as intervals
from ranvier.analysis.intervals import local_variation as local_variation
from ranvier.analysis.intervals import steady_rate as steady_rate
from ranvier.analysis.rates import psth as psth
from ranvier.analysis.rates import rate_over_time as rate_over_time
from ranvier.analysis.spectrum import power_spectrum as power_spectrum
from ranvier.analysis.synchrony import synchrony as synchrony
from ranvier.analysis.trains import correlated_trains as correlated_trains
from ranvier.analysis.trains import from_times as from_times
from ranvier.analysis.trains import from_trains as from_trains
from ranvier.analysis.trains import gamma_trains as gamma_trains
from ranvier.analysis.trains import jittered_trains as jittered_trains
from ranvier.analysis.trains import poisson_trains as poisson_trains
from ranvier.analysis.trains import regular_trains as regular_trains
from ranvier.listing import listed as _listed


def __dir__() -> list[str]:
    return _listed(globals())
