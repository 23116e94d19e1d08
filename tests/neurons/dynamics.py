"""Rest, its stability and its bifurcations, from a neuron's equations alone: no simulation is involved."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from ranvier.neurons.base import Inputs
from ranvier.random import Key


@jax.jit
def _current_and_jacobian(model, V):
    """The current that holds the neuron at `V`, everything else at rest there, and the Jacobian of its equations."""
    state = model.replace(initial_potential=V).initial_state(1, Key(0))
    names = list(state)

    def rate(x, current):
        d = model.derivatives({name: x[i : i + 1] for i, name in enumerate(names)}, Inputs(0.0, current), 0.0)
        return jnp.concatenate([d[name] for name in names])

    x, row = jnp.concatenate([state[name] for name in names]), names.index("V")
    at_0, at_1 = rate(x, 0.0)[row], rate(x, 1.0)[row]
    current = -at_0 / (at_1 - at_0)
    return current, jax.jacfwd(rate)(x, current)


def steady_current(model, V):
    """The current that holds the neuron at the potential `V`."""
    with jax.enable_x64(True):
        return float(_current_and_jacobian(model, np.float64(V))[0])


def growth(model, V):
    """The largest real part of the eigenvalues of the equations around rest at `V` (1/ms)."""
    with jax.enable_x64(True):
        return float(np.linalg.eigvals(np.asarray(_current_and_jacobian(model, np.float64(V))[1])).real.max())


def resting_potential(model, low, high, current=0.0):
    """The potential between `low` and `high` at which the current is `current`."""
    return brentq(lambda V: steady_current(model, V) - current, low, high, xtol=1e-10)


def critical_current(model, low, high):
    """The current at which a rest between `low` and `high` (mV) changes its stability."""
    return steady_current(model, brentq(lambda V: growth(model, V), low, high, xtol=1e-9))


def fold_current(model, low, high):
    """The largest current that has a rest between `low` and `high` (mV): there the rest meets a saddle."""
    for _ in range(4):
        grid = np.linspace(low, high, 41)
        values = [steady_current(model, V) for V in grid]
        best = int(np.argmax(values))
        assert 0 < best < 40, "the fold is not between these potentials"
        low, high = grid[best - 1], grid[best + 1]
    return max(values)


def steady_rates(run, after):
    """The rate of each neuron (Hz) from its intervals after the time `after` (ms); 0 where there are fewer than two."""
    trains = [t[t > after] for t in run.spikes.trains]
    return np.array([1000 * (len(t) - 1) / (t[-1] - t[0]) if len(t) > 2 else 0.0 for t in trains])
