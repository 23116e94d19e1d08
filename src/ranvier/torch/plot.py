"""Figures of what layers computed. Every function draws into `ax`, or into a new figure, and returns the `Axes`.

Times are the engine's: a spike of step k is at k·dt, and the potential after that step at (k + 1)·dt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.plot import appearance
from ranvier.plot.over_time import traces
from ranvier.plot.spike_times import raster as spike_raster
from ranvier.torch import arguments
from ranvier.torch.arguments import checked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INPUT_COLOUR, MEMBRANE_COLOUR, THRESHOLD_COLOUR = appearance.COLORS[4], appearance.COLORS[0], appearance.COLORS[1]


@checked(v=arguments.values, spikes=arguments.values, threshold=arguments.values, dt=arguments.time_step, ax=arguments.axes)
def membrane(v: Tensor, spikes: Tensor, threshold: Any = 1.0, *, dt: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draws the potential of one neuron with its threshold, dashed, over its spikes.

    Args:
        v: the potential after each step, `[T]`: `states.v` of `rt.trace`.
        spikes: its spikes, `[T]`.
        threshold: a number, or `[T]` where it adapts: `states.threshold`.
        dt: the time step (ms).
        ax: where to draw.

    Returns:
        The axes of the potential; those of the spikes are the last of the figure.

    Raises:
        ParameterError: it is not one neuron, or the lengths differ.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, states = rt.trace(rt.LIF(), torch.full((100, 1), 1.2))
        >>> rt.plot.membrane(states.v, spikes).get_ylabel()
        'membrane potential'
    """
    potential, fired = _one_neuron(v=v, spikes=spikes)
    ax = appearance.axes_of(ax, height=3.2)
    _membrane(ax, potential, threshold, dt)
    _spikes(appearance.split_below(ax, 0.16), fired, dt)
    return ax


@checked(
    rectified=arguments.values,
    v=arguments.values,
    spikes=arguments.values,
    threshold=arguments.values,
    dt=arguments.time_step,
    ax=arguments.axes,
)
def relu_membrane(rectified: Tensor, v: Tensor, spikes: Tensor, threshold: Any = 1.0, *, dt: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draws what a ReLU gave one neuron, its potential with the threshold, and its spikes, one above the other.

    Args:
        rectified: the input of each step, `[T]`.
        v, spikes, threshold, dt: as of `membrane`.
        ax: where to draw.

    Returns:
        The axes of the ReLU's output; those of the potential and of the spikes are the last two of the figure.

    Raises:
        ParameterError: it is not one neuron, or the lengths differ.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> x = torch.relu(torch.linspace(-1, 3, 100))[:, None]
        >>> spikes, states = rt.trace(rt.LIF(), x)
        >>> ax = rt.plot.relu_membrane(x, states.v, spikes)
        >>> [panel.get_ylabel() for panel in ax.figure.axes]
        ['ReLU', 'membrane potential', 'spikes']
    """
    given, potential, fired = _one_neuron(rectified=rectified, v=v, spikes=spikes)
    ax = appearance.axes_of(ax, height=4.2)
    ax.stairs(given, np.arange(len(given) + 1) * dt, baseline=None, color=INPUT_COLOUR, linewidth=1.2)
    ax.set_ylabel("ReLU")
    middle, bottom = appearance.split(ax, (0.32, 0.54, 0.14))
    _membrane(middle, potential, threshold, dt)
    _spikes(bottom, fired, dt)
    return ax


@checked(
    v=arguments.values,
    spikes=arguments.values,
    inputs=arguments.optional(arguments.values),
    dt=arguments.time_step,
    ax=arguments.axes,
)
def membranes(v: Tensor, spikes: Tensor, inputs: Any = None, *, dt: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draws the potentials of some neurons one above the other, over their raster.

    Args:
        v: the potentials after each step, `[T, N]`.
        spikes: `[T, N]`.
        inputs: what each neuron was given, `[N]`, to label it with.
        dt: the time step (ms).
        ax: where to draw.

    Returns:
        The axes of the potentials; those of the raster are the last of the figure.

    Raises:
        ParameterError: the shapes differ or are not `[T, N]`.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> inputs = torch.linspace(1.1, 1.4, 10)
        >>> spikes, states = rt.trace(rt.LIF(), inputs.expand(100, 10))
        >>> rt.plot.membranes(states.v, spikes, inputs).get_ylabel()
        'input'
    """
    potentials, fired = _layer("v", v), _layer("spikes", spikes)
    _same_shape(v=potentials, spikes=fired)
    steps, n = fired.shape
    ax = appearance.axes_of(ax, height=min(8.0, 2.5 + 0.35 * n))
    traces(potentials, time=np.arange(1, steps + 1) * dt, neurons=np.arange(n), color=MEMBRANE_COLOUR, ax=ax)
    if inputs is not None:
        values = np.asarray(inputs)
        if values.shape != (n,):
            raise ParameterError(f"inputs has the shape {list(values.shape)}, but it must have one value for each of the {n} neurons.")
        ax.set_yticks(ax.get_yticks(), [f"{values[int(label.get_text())]:.3g}" for label in ax.get_yticklabels()])
        ax.set_ylabel("input")
    _raster(fired, dt, appearance.split_below(ax, 0.35))
    return ax


@checked(spikes=arguments.values, dt=arguments.time_step, ax=arguments.axes)
def raster(spikes: Tensor, *, dt: float = 1.0, ax: Axes | None = None) -> Axes:
    """Draws the spikes of a layer: time across, neuron up.

    Args:
        spikes: of one sample, `[T, N]`.
        dt: the time step (ms).
        ax: where to draw.

    Raises:
        ParameterError: the shape is not `[T, N]`.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, _ = rt.LIF()(torch.full((100, 5), 1.5))
        >>> len(rt.plot.raster(spikes).lines[0].get_xdata()) == spikes.sum()
        tensor(True)
    """
    return _raster(_layer("spikes", spikes), dt, ax)


@checked(
    sizes=arguments.values,
    values=arguments.values,
    label=arguments.text,
    fit_from=arguments.number(0.0),
    color=arguments.colour,
    ax=arguments.axes,
)
def scaling(sizes: Any, values: Any, *, label: str, fit_from: float = 0.0, color: Any = None, ax: Axes | None = None) -> Axes:
    """Draws a cost against the number of neurons on logarithmic axes, with the fitted slope in the legend.

    Args:
        sizes: numbers of neurons.
        values: what each of them cost; what is not above 0 is left out.
        label: what it is, for the legend.
        fit_from: the smallest size in the fit, from which on a fixed cost no longer shows; the dashed line goes on below it.
        color: of the line.
        ax: where to draw; several calls draw into the same axes.

    Raises:
        ParameterError: fewer than two points to fit.

    Example:
        >>> import ranvier.torch as rt
        >>> ax = rt.plot.scaling([10, 100, 1000], [1.0, 10.0, 100.0], label="time")
        >>> ax.get_legend().get_texts()[0].get_text()
        'time, slope 1.00'
    """
    n, cost = np.asarray(sizes, float), np.asarray(values, float)
    fitted = slope(n, cost, fit_from)
    ax = appearance.axes_of(ax, width=4.5)
    color = color or appearance.colour(sum(line.get_linestyle() == "-" for line in ax.lines))
    kept = cost > 0
    ax.loglog(n[kept], cost[kept], "o-", color=color, markersize=4, label=f"{label}, slope {fitted:.2f}")
    used = kept & (n >= fit_from)
    middle = np.log(n[used]).mean(), np.log(cost[used]).mean()
    line = np.exp(middle[1] + fitted * (np.log(n[kept]) - middle[0]))
    ax.loglog(n[kept], line, "--", color=color, linewidth=0.9, alpha=0.6)  # on to small sizes: what lies above it is the fixed cost
    ax.set_xlabel("neurons")
    ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax


@checked(sizes=arguments.values, values=arguments.values, fit_from=arguments.number(0.0))
def slope(sizes: Any, values: Any, fit_from: float = 0.0) -> float:
    """The power of the size that a cost grows with: the slope of a straight line through the logarithms.

    Args:
        sizes, values, fit_from: as of `scaling`.

    Raises:
        ParameterError: fewer than two points to fit.

    Example:
        >>> round(slope([1, 10, 100], [3.0, 300.0, 30000.0]), 6)
        2.0
    """
    n, cost = np.asarray(sizes, float), np.asarray(values, float)
    if n.ndim != 1 or n.shape != cost.shape:
        raise ParameterError(
            f"values has the shape {list(cost.shape)} and sizes {list(n.shape)}, but they must be lists of the same length."
        )
    used = (cost > 0) & (n >= fit_from) & (n > 0)
    if used.sum() < 2:
        raise ParameterError(
            f"A slope needs two points above 0 from n = {fit_from:g} (fit_from) on; sizes and values have {int(used.sum())}."
        )
    return float(np.polyfit(np.log(n[used]), np.log(cost[used]), 1)[0])


def _membrane(ax: Axes, potential: np.ndarray, threshold: Any, dt: float) -> None:
    times = np.arange(1, len(potential) + 1) * dt
    level = np.asarray(threshold).reshape(-1)
    if len(level) not in (1, len(potential)):
        raise ParameterError(f"threshold has {len(level)} values, but it must be a number or [{len(potential)}].")
    ax.plot(times, potential, color=MEMBRANE_COLOUR)
    ax.plot(times, np.broadcast_to(level, potential.shape), "--", color=THRESHOLD_COLOUR, label="threshold")
    ax.set_ylabel("membrane potential")
    ax.legend(fontsize=appearance.SMALL, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)


def _raster(fired: np.ndarray, dt: float, ax: Axes | None) -> Axes:
    ax = spike_raster([np.flatnonzero(train) * dt for train in fired.T], ax=ax)
    ax.set_xlim(0, len(fired) * dt)
    return ax


def _spikes(ax: Axes, fired: np.ndarray, dt: float) -> None:
    _raster(fired[:, None], dt, ax)
    ax.set_yticks([])
    ax.set_ylabel("spikes")


def _layer(name: str, values: Any) -> np.ndarray:
    """Values `[T, N]` of the neurons of a layer."""
    array = np.asarray(values)
    if array.ndim != 2:
        raise ParameterError(f"{name} has the shape {list(array.shape)}, but it must be [T, N]; {name}[:, 0] takes one sample of a batch.")
    return array


def _one_neuron(**values: Any) -> list[np.ndarray]:
    """Values `[T]` of one neuron; further dimensions of length 1 are dropped."""
    arrays = {}
    for name, value in values.items():
        array = np.asarray(value)
        if array.ndim == 0 or array.size != len(array):
            raise ParameterError(f"{name} has the shape {list(array.shape)}, but it must be [T]; {name}[:, 0] takes the first of several.")
        arrays[name] = array.reshape(-1)
    _same_shape(**arrays)
    return list(arrays.values())


def _same_shape(**arrays: np.ndarray) -> None:
    (first, reference), *others = arrays.items()
    for name, array in others:
        if array.shape != reference.shape:
            raise ParameterError(f"{name} has the shape {list(array.shape)}, but {first} has {list(reference.shape)}.")
