"""How often one neuron fires so long after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.analysis.counts import steps_of
from ranvier.errors import ParameterError

if TYPE_CHECKING:
    import xarray

PAIRS_AT_ONCE = 2_000_000


def _one_or_several(value: Any, what: str) -> np.ndarray:
    """The numbers of some neurons, or of one."""
    return doors.indices([value] if isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64) else value, what)


@doors.checked(
    spikes=doors.spikes,
    first=doors.optional(_one_or_several),
    second=doors.optional(_one_or_several),
    bin_width=doors.interval,
    longest=doors.duration,
)
def correlogram(spikes: Any, first: Any = None, second: Any = None, *, bin_width: float = 1.0, longest: float = 50.0) -> xarray.DataArray:
    """How many pairs of spikes there are by the time from the first neuron's to the second's.

    Args:
        spikes: `run.spikes`, or those of one population.
        first, second: neurons; all when left out. Where a neuron is in both, a spike is not paired with itself.
        bin_width: of the lag (ms), a multiple of the time step. Bins are centred: the middle one is around 0.
        longest: the longest lag (ms).

    Returns:
        Counts over `lag` (ms), the middles of the bins; positive where the second fires after the first.

    Raises:
        ParameterError: a neuron that is not there, or a bin that is no multiple of the time step.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.from_trains([[10.0, 40.0], [13.0, 43.0]], duration=60.0)
        >>> counts = rv.analysis.correlogram(trains, 0, 1, longest=5.0)
        >>> float(counts.idxmax()), int(counts.max())
        (3.0, 2)
    """
    import xarray

    width = steps_of(bin_width, spikes.dt, "bin_width")
    if longest > 1e6 * bin_width:
        raise ParameterError(f"longest is {longest:g} ms, which is {longest / bin_width:.3g} bins: take less, or a longer bin_width.")
    bins = int(longest / bin_width * (1 + 1e-12))
    reach = bins * width + width // 2
    a, b = (_of(spikes, neurons, what) for neurons, what in ((first, "first"), (second, "second")))
    counts = np.zeros(2 * bins + 1, np.int64)
    steps_a, steps_b = a[0], b[0]
    low, high = np.searchsorted(steps_b, steps_a - reach), np.searchsorted(steps_b, steps_a + reach, side="right")
    ends = np.cumsum(high - low)
    start = 0
    while start < len(steps_a):
        base = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, base + PAIRS_AT_ONCE, side="right")), start + 1)
        number = (high - low)[start:stop]
        i = np.repeat(np.arange(start, stop), number)
        j = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(low[start:stop], number)
        lag = steps_b[j] - steps_a[i]
        paired = ~((lag == 0) & (a[1][i] == b[1][j]))
        which = (lag[paired] + width // 2) // width + bins
        counts += np.bincount(which[(which >= 0) & (which <= 2 * bins)], minlength=2 * bins + 1)
        start = stop
    lags = np.arange(-bins, bins + 1) * width * spikes.dt
    return xarray.DataArray(
        counts,
        dims="lag",
        coords={"lag": ("lag", lags, {"units": "ms", "long_name": "lag"})},
        name="pairs",
        attrs={"units": "1", "long_name": "pairs of spikes"},
    )


def _of(spikes: Any, neurons: Any, what: str) -> tuple[np.ndarray, np.ndarray]:
    if neurons is None:
        return spikes.steps, spikes.neurons
    wanted = doors.indices(neurons, what, spikes.n)
    mine = np.isin(spikes.neurons, wanted)
    return spikes.steps[mine], spikes.neurons[mine]
