"""What is measured of spikes: computed on the columns of all neurons at once."""

from ranvier.analysis.intervals import coefficient_of_variation as coefficient_of_variation
from ranvier.analysis.intervals import intervals as intervals
from ranvier.analysis.synchrony import synchrony as synchrony
