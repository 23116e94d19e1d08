"""A state counted in other steps, for a branch with another dt."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from ranvier.errors import StoreError
from ranvier.network.state import NEVER, SimulationState


def in_steps_of(state: SimulationState, before: float, dt: float, own: SimulationState) -> SimulationState:
    """The state of a run with the step `before` as one with the step `dt`.

    Args:
        own: the initial state of the network that goes on.

    Raises:
        StoreError: the state cannot be said in these steps: its time is no multiple of them, spikes are on their way, or the
            integrator remembers steps.
    """
    if before == dt:
        return state
    step = round(int(state.step) * before / dt)
    if abs(step * dt - int(state.step) * before) > 1e-6 * dt:
        raise StoreError(f"The checkpoint is at t = {int(state.step) * before:g} ms, which is no multiple of dt = {dt:g} ms.")
    moving = [np.asarray(leaf) for leaf in jax.tree.leaves(history_counts(state))]
    if any(leaf.any() for leaf in moving):
        raise StoreError(
            f"Spikes are on their way, counted in steps of {before:g} ms: they cannot be said in steps of {dt:g} ms. "
            "Keep dt, or branch from a checkpoint at which no spike is waiting for its delay."
        )
    if jax.tree.leaves(state.memory):
        raise StoreError(f"The integrator remembers steps of {before:g} ms; a branch with dt = {dt:g} ms cannot go on from them.")
    last = {
        name: np.where(np.asarray(steps) <= NEVER, NEVER, np.rint(np.asarray(steps) * before / dt)).astype(np.int64)
        for name, steps in state.last_spike.items()
    }
    return dataclasses.replace(state, step=np.int64(step), last_spike=last, in_flight=own.in_flight)


def history_counts(state: SimulationState) -> list[np.ndarray]:
    """How many spikes each history holds, by slot."""
    return [np.asarray(history["count"]) for history in state.in_flight.values()]
