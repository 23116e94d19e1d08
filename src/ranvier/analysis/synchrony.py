"""How much the neurons of a population fire together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.steps import MOST_STEPS

BIN = 3.0  # ms


@doors.checked(spikes=doors.spikes, bin_width=doors.interval)
def synchrony(spikes: Any, bin_width: float = BIN) -> float:
    """The variance of the population's spike count in bins of time, divided by its mean.

    It is 1 for independent Poisson neurons, less where each is regular by itself, and grows with
    the number of neurons where they fire together.

    Args:
        spikes: `run.spikes`, or those of one population.
        bin_width: the length of a bin (ms). What is left of the run after the last whole bin is not counted.

    Returns:
        The quotient; NaN where there are no spikes, or fewer than two bins.

    Raises:
        ParameterError: `bin_width` is not positive.

    Source: Potjans & Diesmann 2014, Cereb Cortex 24:785, figure 8, with bins of 3 ms.

    Example:
        >>> import ranvier as rv
        >>> net = rv.models.brunel("A", scale=0.1)  # nearly all fire at once
        >>> rv.analysis.synchrony(rv.simulate(net, duration=50.0, dt=0.1).spikes) > 10
        True
    """
    if (spikes.stop - spikes.start) / bin_width > MOST_STEPS:
        raise ParameterError(f"bin_width is {bin_width:g} ms, but so many bins cannot be counted.")
    bins = int((spikes.stop - spikes.start) / bin_width * (1 + 1e-12))
    first = round(spikes.start / spikes.dt)
    which = ((spikes.steps - first) * (spikes.dt / bin_width) * (1 + 1e-12)).astype(np.int64)
    counts = np.bincount(which[which < bins], minlength=bins)
    return float(counts.var() / counts.mean()) if bins > 1 and counts.any() else float("nan")
