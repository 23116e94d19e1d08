"""When a neuron of one or two variables spikes, from its equations and reset alone, by SciPy's solver with event location."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import quad, solve_ivp

from ranvier.neurons.base import Inputs
from ranvier.random import Key


def interval_by_quadrature(model, current, upper):
    """The time (ms) that a neuron of one variable takes from its reset to `upper`: the integral of 1/(dV/dt)."""
    with jax.enable_x64(True):
        slope = lambda V: float(model.derivatives({"V": np.array([V])}, Inputs(0.0, current), 0.0)["V"][0])
        return quad(lambda V: 1.0 / slope(V), model.reset_potential, upper, limit=500, epsrel=1e-10)[0]


def exact_spike_times(model, current, duration):
    """The spike times of one neuron without refractory period under a constant current.

    Every interval is solved from time 0, for the upstrokes end on a scale far below the last digit of later times.
    """
    times, t = [], 0.0
    with jax.enable_x64(True):
        state = {name: float(np.asarray(x)[0]) for name, x in model.initial_state(1, Key(0)).items()}
        names = list(state)

        @jax.jit
        def rate(t, y):
            x = {name: y[i : i + 1] for i, name in enumerate(names)}
            d = model.derivatives(x, Inputs(0.0, current), t)
            return jnp.concatenate([d[name] for name in names])

        def reached_peak(t, y):
            return y[names.index("V")] - model.peak

        reached_peak.terminal, reached_peak.direction = True, 1
        while True:
            y = solve_ivp(
                lambda t, y: np.asarray(rate(t, y)),
                (0.0, duration - t),
                [state[n] for n in names],
                "DOP853",
                events=reached_peak,
                rtol=1e-9,
                atol=1e-9,
            )
            assert y.success, y.message
            if not y.t_events[0].size:
                return np.array(times)
            t += float(y.t_events[0][0])
            times.append(t)
            after = model.reset({n: np.array([x]) for n, x in zip(names, y.y_events[0][0], strict=True)}, np.array([True]))
            state = {n: float(after[n][0]) for n in names}
