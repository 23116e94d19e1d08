"""Spike times as a function of the numbers, whose derivative is the adjoint's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.errors import UnsupportedError
from ranvier.network.spike_times.adjoint import gradient
from ranvier.network.spike_times.forward import Spikes, simulate
from ranvier.network.spike_times.wiring import NEVER, Numbers, Wiring, seen
from ranvier.network.step import Stepper
from ranvier.network.transfer import last_spikes
from ranvier.network.working import StepState


def spike_times(
    make: Callable[[Any], Stepper],
    constants: Any,
    entered: StepState,
    numbers: Numbers,
    wiring: Wiring,
    steps: int,
    dt: float,
    most: int,
) -> tuple[jax.Array, jax.Array, StepState]:
    """Runs, and gives the spikes' times.

    Args:
        make: makes a stepper of constants.
        constants, entered: what the engine runs with.
        numbers: the same, as the times depend on them; without those of the start.
        steps, dt: how many steps, of what length (ms).
        most: of how many spikes of each neuron there are times.

    Returns:
        The times, `[n, most]`: infinite where there is no spike, NaN after a spike that was one too many for its neuron; how many
        each neuron has, `[n]`; and the state at the end, through which no gradient passes.
    """
    V, currents = seen(make(constants), entered, wiring.own, wiring.receptors)
    numbers = numbers._replace(V=V, currents=currents)
    free = jnp.clip(last_spikes(entered) + 1 + wiring.refractory - entered.step, 0, NEVER).astype(jnp.int32)

    def run(numbers: Numbers, engine: Any, derivatives: bool) -> tuple[Any, Spikes]:
        constants, entered, free = engine
        spikes, final = simulate(lambda: make(constants), entered, numbers, wiring, steps, dt, most, free, derivatives)
        begins = (entered.step + spikes.step.astype(jnp.int64)) * dt
        times = jnp.where(spikes.step < NEVER, begins + spikes.within, jnp.inf)
        begun = [jnp.any(history["count"] > 0) for history in entered.in_flight.values()]
        unknown = jnp.stack(begun).any() if begun else jnp.zeros((), bool)
        times = jnp.where((spikes.step > spikes.lost) | unknown | jnp.isnan(numbers.delay).any(), jnp.nan, times)
        return (times, spikes.count, final), spikes

    @jax.custom_vjp
    def differentiable(numbers: Numbers, engine: Any) -> Any:
        return run(numbers, engine, False)[0]

    def forwards(numbers: Numbers, engine: Any) -> Any:
        found, spikes = run(numbers, engine, True)
        return found, (spikes, numbers, engine[2])

    def backwards(kept: Any, worth: Any) -> Any:
        spikes, numbers, free = kept
        found = gradient(spikes, numbers, wiring, free, dt, worth[0])
        # After a spike that was lost nothing is known.
        spoilt = jnp.where(spikes.lost < NEVER, jnp.nan, 0.0)
        return jax.tree.map(lambda x: x + spoilt, found), None

    differentiable.defvjp(forwards, backwards)
    times, counts, final = differentiable(numbers, (constants, entered, free))
    return times, counts, _without_gradient(final)


@jax.custom_vjp
def _without_gradient(state: Any) -> Any:
    """A state that is nobody's to differentiate."""
    return state


def _refuse(*_: Any) -> Any:
    raise UnsupportedError(
        "surrogate=SpikeTimes() gives the derivatives of spike times alone; the loss depends on the state at the end as well. "
        "Take a loss of recorded[…]['times'], or a surrogate such as rv.surrogates.FastSigmoid()."
    )


_without_gradient.defvjp(lambda state: (state, None), _refuse)
