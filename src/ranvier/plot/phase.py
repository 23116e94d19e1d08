"""The phase plane of a model: trajectories, nullclines, flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.plot import appearance
from ranvier.plot.series import as_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranvier.neurons.base import NeuronModel

GRID = 201
TRAJECTORIES_AT_MOST = 10


def phase_plane(
    x: Any = None,
    y: Any = None,
    *,
    model: NeuronModel | None = None,
    current: float = 0.0,
    limits: Any = None,
    flow: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draws two variables against each other; for a model of two variables also its nullclines.

    Args:
        x, y: recorded variables, such as `run.V` and `run["cell"]["w"]`; left out, no trajectory is drawn.
        model: whose nullclines to draw; it must have exactly two variables.
        current: what is injected, for the nullclines, in the model's unit.
        limits: `((x_low, x_high), (y_low, y_high))`; by default around the trajectory.
        flow: whether arrows show the direction everywhere.
        ax: where to draw.

    Raises:
        ParameterError: neither a trajectory nor limits, or x and y of different shape.
        UnsupportedError: nullclines of a model with more than two variables.

    Example:
        >>> import jax.numpy as jnp
        >>> import ranvier as rv
        >>> class Oscillator(rv.NeuronModel):
        ...     def initial_state(self, n, key): return {"V": jnp.ones(n), "w": jnp.zeros(n)}
        ...     def derivatives(self, state, inputs, t): return {"V": -state["w"], "w": state["V"] - state["w"]}
        ...     def spiked(self, before, after): return jnp.zeros(before["V"].shape, bool)
        >>> run = rv.simulate(Oscillator(), duration=5.0)
        >>> ax = rv.plot.phase_plane(run.V, run.w, model=Oscillator())
        >>> ax.get_xlabel(), len(ax.lines) > 0
        ('V (mV)', True)
    """
    if (x is None) != (y is None):
        raise ParameterError("A trajectory needs both x and y.")
    if x is None and (model is None or limits is None):
        raise ParameterError("There is nothing to draw: give x and y, or model=… with limits=((x_low, x_high), (y_low, y_high)).")
    across = up = None
    names: list[str] = []
    if x is not None:
        across, up = as_series(x), as_series(y)
        if across.values.shape != up.values.shape:
            raise ParameterError(
                f"x and y must be of the same times and neurons, but they have the shapes {across.values.shape} and {up.values.shape}."
            )
        names = [across.name, up.name]
    ax = appearance.axes_of(ax, 4.6, 4.0)
    if across is not None and up is not None:
        _trajectories(ax, across, up)
    if limits is not None:
        ax.set_xlim(limits[0])
        ax.set_ylim(limits[1])
    if model is not None:
        names = _variables(model, names)
        _nullclines(ax, model, names, current, flow)
    ax.set_xlabel(across.label if across else appearance.labelled(names[0], model.unit_of(names[0]) if model else ""))
    ax.set_ylabel(up.label if up else appearance.labelled(names[1], model.unit_of(names[1]) if model else ""))
    return ax


def _trajectories(ax: Axes, across: Any, up: Any) -> None:
    n = across.values.shape[1]
    for i in np.unique(np.linspace(0, n - 1, min(n, TRAJECTORIES_AT_MOST)).round().astype(int)) if n else []:
        name = f"{across.one} {across.columns[i]}" if n > 1 else "trajectory"
        colour = "black" if n == 1 else appearance.colour(int(i))
        ax.plot(across.values[:, i], up.values[:, i], color=colour, linewidth=1.0, label=name)
        ax.plot(
            across.values[:1, i],
            up.values[:1, i],
            color=colour,
            marker="o",
            markersize=5,
            linestyle="none",
            label="start" if n == 1 else None,
        )


def _variables(model: NeuronModel, wanted: list[str]) -> list[str]:
    import jax

    from ranvier.random import Key

    with jax.enable_x64(True):
        own = list(model.initial_state(1, Key(0)))
    if len(own) != 2:
        raise UnsupportedError(
            f"{type(model).__name__} has {len(own)} variables ({', '.join(own)}); nullclines in a plane need exactly two. "
            "Leave model out to draw the trajectory alone."
        )
    if wanted and set(wanted) != set(own):
        raise ParameterError(
            f"The trajectory is of {wanted[0]} and {wanted[1]}, but {type(model).__name__} has the variables {own[0]} and {own[1]}."
        )
    return wanted or own


def _nullclines(ax: Axes, model: NeuronModel, names: list[str], current: float, flow: bool) -> None:
    import jax
    import jax.numpy as jnp

    from ranvier.neurons.base import Inputs

    low, high = ax.get_xlim()
    bottom, top = ax.get_ylim()
    X, Y = np.meshgrid(np.linspace(low, high, GRID), np.linspace(bottom, top, GRID))
    with jax.enable_x64(True):
        first = jax.tree.map(lambda p: p[0] if np.ndim(p) == 1 else p, model)
        flat = jnp.asarray(X.ravel())
        inputs = Inputs(jnp.zeros_like(flat), jnp.full_like(flat, current))
        rates = first.derivatives({names[0]: flat, names[1]: jnp.asarray(Y.ravel())}, inputs, jnp.zeros(()))
        dx, dy = (np.broadcast_to(np.asarray(rates.get(name, 0.0), float), X.size).reshape(X.shape) for name in names)
    if flow:
        some = slice(None, None, GRID // 15)
        u, v = dx[some, some] / (high - low), dy[some, some] / (top - bottom)
        length = np.hypot(u, v)
        length[length == 0] = 1.0
        ax.quiver(X[some, some], Y[some, some], u / length, v / length, color="#999999", angles="uv", scale=28, width=0.003, zorder=0)
    for slope, name, colour, line in ((dx, names[0], appearance.COLORS[0], "--"), (dy, names[1], appearance.COLORS[1], "-.")):
        if slope.min() <= 0 <= slope.max():
            ax.contour(X, Y, slope, levels=[0.0], colors=[colour], linestyles=[line], linewidths=1.3)
            ax.plot([], [], color=colour, linestyle=line, label=f"d{appearance.readable(name)}/dt = 0")
    ax.set_xlim(low, high)
    ax.set_ylim(bottom, top)
    ax.legend(fontsize=appearance.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
