"""How much of each frequency there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError

if TYPE_CHECKING:
    import xarray

SEGMENT = 250.0  # ms: three cycles and more of everything from 12 Hz up


def _over_time(value: Any, what: str) -> Any:
    """A DataArray over time."""
    if not hasattr(value, "dims") or "time" not in value.dims:
        raise doors.refusal(what, value, "a DataArray over time, such as run.V")
    return value


@doors.checked(values=_over_time, start=doors.optional(doors.time), stop=doors.optional(doors.time), segment=doors.interval)
def power_spectrum(values: Any, *, start: float | None = None, stop: float | None = None, segment: float = SEGMENT) -> xarray.DataArray:
    """The power spectral density by Welch's method, of the mean over all neurons.

    Args:
        values: a DataArray over `time` (ms), evenly spaced; `(time, neuron)` is averaged over the neurons first.
        start, stop: the span to look at (ms); all of it when left out.
        segment: the length of a segment (ms). Segments overlap by half, have
            their linear trend taken out and a Hann window. Their inverse is the
            resolution; the curve is interpolated to 1 Hz (by zero padding).

    Returns:
        The density over `frequency` (Hz), in the square of the unit per Hz.

    Raises:
        ParameterError: fewer than eight values, or uneven times.

    Example:
        >>> import numpy as np, xarray
        >>> time = np.arange(0.0, 1000.0)
        >>> wave = xarray.DataArray(np.sin(2 * np.pi * 0.02 * time), dims="time", coords={"time": time})
        >>> float(power_spectrum(wave).idxmax())
        20.0
    """
    import xarray
    from scipy.signal import welch

    from ranvier.plot.series import as_series

    series = as_series(values)
    inside = (series.times >= (-np.inf if start is None else start)) & (series.times <= (np.inf if stop is None else stop))
    times, mean = (
        series.times[inside],
        np.asarray(series.values[inside], float).mean(axis=1) if series.values.shape[1] else np.zeros(int(inside.sum())),
    )
    if len(times) < 8:
        raise ParameterError(
            f"A spectrum needs at least 8 values, but {len(times)} are between start and stop. Record more often, or longer."
        )
    step = np.diff(times)
    if not np.allclose(step, step[0], rtol=1e-6):
        raise ParameterError("A spectrum needs evenly spaced times.")
    if not (np.isfinite(segment) and segment > 0):
        raise ParameterError(f"segment is {segment} ms, but it must be positive.")
    length = int(np.clip(round(segment / step[0]), 8, len(times)))
    frequency, power = welch(mean, fs=1000.0 / step[0], nperseg=length, nfft=max(length, round(1000.0 / step[0])), detrend="linear")
    unit = f"({series.unit})^2/Hz" if "/" in series.unit else f"{series.unit}^2/Hz" if series.unit not in ("", "1") else "1/Hz"
    return xarray.DataArray(
        power,
        dims="frequency",
        coords={"frequency": ("frequency", frequency, {"units": "Hz", "long_name": "frequency"})},
        name=series.name or "power",
        attrs={"units": unit, "long_name": f"power of {series.name}".strip()},
    )
