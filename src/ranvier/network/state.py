"""All that evolves, in the user's order and under the user's names: what a checkpoint holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError
from ranvier.network.plan import FRACTION
from ranvier.surroundings import refuse_traced
from ranvier.words import MASK

NEVER = -(2**52)
"""The step of the last spike of a neuron that has not spiked."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SimulationState:
    """The state of a simulation between two steps.

    Every array is in the order of its population's neurons, or of its projection's targets, sources or
    edges. How the engine lays things out, how many cores there are, and what else is in the network is not in it.

    Attributes:
        step: the steps done, int64; the time is `step · dt`.
        neurons: `{population: {variable: [n]}}`.
        synapses: `{projection or Poisson input: {variable: [states]}}`: a state for each target neuron, source neuron
            or edge, by the synapse's site; of projections that learn the `"weight"` and the rule's own variables `[edges]`, sorted by
            target, then source. Where several share their states, the first of them holds the
            sum and the others nothing: all are linear, so only the sum matters.
        last_spike: `{population: int64 [n]}`, the step of the last spike, or `NEVER`.
        in_flight: `{population: bool [steps, n]}`: who spiked in the last steps, the last one first, as far back as the
            longest delay asks; for a projection with short-term plasticity `{projection: [steps, n]}`, its
            spikes' amplitudes.
        crossed: `{population: bool [n]}`, for models without a reset: who was kicked over the threshold at the end of the last
            step, and so spikes in the next.
        memory: what the integrator remembers between steps.
        dt: the step (ms), float64.
        seed: the seed of everything random in two words, uint32 `[2]`.
        traces: `{projection: {name: values}}`: of those that act continuously after a delay, what they sent in the last steps,
            `"sent …"` `[steps, states]`, the last step first; of projections that learn, `"pre …"` and `"before …"`
            `[steps, sources]`, the last step first; `"post …"` `[targets]`; `"third"` the modulator's value; `"reference"` the step
            as of which the edges' own decaying variables are said.
    """

    step: Any
    neurons: dict[str, dict[str, Any]]
    synapses: dict[str, dict[str, Any]]
    last_spike: dict[str, Any]
    in_flight: dict[str, Any]
    crossed: dict[str, Any]
    memory: Any
    dt: Any
    seed: Any
    traces: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    @property
    def time(self) -> float:
        """The time that it is of (ms)."""
        return int(self.step) * float(self.dt)

    @property
    def seed_number(self) -> int:
        """The seed, as `simulate` takes it."""
        low, high = (int(word) for word in np.asarray(self.seed))
        return low | high << 32

    def with_seed(self, seed: int) -> SimulationState:
        """The same state, from which everything random goes on with another seed (that also draws another network).

        Example:
            >>> import ranvier as rv
            >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), duration=1.0)
            >>> run.state.seed_number, run.state.with_seed(7).seed_number
            (0, 7)
        """
        return dataclasses.replace(self, seed=seed_words(seed))

    def on_host(self) -> SimulationState:
        """A copy in NumPy arrays, which later steps do not touch."""
        return jax.tree.map(lambda x: np.array(x), self)

    def check_one(self, what: str) -> None:
        """Refuses a state that is being traced, and one of many runs at once.

        Args:
            what: what it is, for the error.

        Raises:
            ParameterError, UnsupportedError: it is one of those.
        """
        refuse_traced({f"{what}.{field.name}": getattr(self, field.name) for field in dataclasses.fields(self)})
        if np.ndim(self.step):
            raise ParameterError(
                f"{what} holds the states of {np.shape(self.step)[0]} runs, as jax.vmap makes them. "
                "Take one of them: jax.tree.map(lambda x: x[0], states)."
            )

    def save(self, path: Any) -> None:
        """Writes the state into one file, an `.npz` with checksums that `numpy.load` opens too. Nothing is pickled.

        Example:
            >>> import pathlib, tempfile
            >>> import ranvier as rv
            >>> file = pathlib.Path(tempfile.mkdtemp()) / "state.npz"
            >>> cell = rv.neurons.HodgkinHuxley()
            >>> rv.simulate(cell, current=10.0, duration=20.0).state.save(file)
            >>> rv.simulate(cell, current=10.0, duration=5.0, initial=rv.SimulationState.load(file)).spikes.start
            20.0
        """
        from ranvier.store.checkpoint import save_tree

        self.check_one("The state to be saved")
        save_tree(Path(path), self.on_host(), {})

    @staticmethod
    def load(path: Any, any_streams: bool = False) -> SimulationState:
        """Reads what `save` wrote. It runs no code that the file may hold.

        Args:
            path: the file.
            any_streams: also reads a state whose random numbers another version of the streams drew: a network that goes on
                from it is drawn differently.

        Raises:
            StoreError: there is no such file, it is damaged, it holds something else, or it is of other random streams.
        """
        from ranvier.store.checkpoint import load_state

        return load_state(Path(path), any_streams)

    def __repr__(self) -> str:
        if isinstance(self.step, jax.core.Tracer):
            return f"<SimulationState, traced: {', '.join(self.neurons)}>"
        if np.ndim(self.step):
            return f"<SimulationState of {np.shape(self.step)[0]} runs: {', '.join(self.neurons)}>"
        return f"<SimulationState at {self.time:g} ms: {', '.join(self.neurons)}>"


def seed_words(seed: int) -> np.ndarray:
    """A seed as a state holds it."""
    return np.array([seed & MASK, seed >> 32 & MASK], np.uint32)


def with_step(state: SimulationState, dt: float) -> SimulationState:
    """A state on the host, said in steps of `dt`: its time is the same, and so are those of the spikes that it knows of.

    Raises:
        ParameterError: its time is no multiple of `dt`, or the integrator remembers steps.
    """
    before = float(state.dt)
    if before == dt:
        return state
    step = round(state.time / dt)
    if abs(step * dt - state.time) > 1e-6 * dt:
        raise ParameterError(
            f"The state is of t = {state.time:.12g} ms, in steps of {before:g} ms; that is no multiple of dt = {dt:g} ms. "
            "Go on with a dt that divides it."
        )
    if state.traces:
        raise ParameterError(
            f"{', '.join(state.traces)}: the traces of what learns, or acts after a delay, are kept in steps of {before:g} ms; it cannot "
            f"go on with dt = {dt:g} ms. Keep dt."
        )
    if any(FRACTION in values for values in state.neurons.values()):
        raise ParameterError(f"The state knows where in steps of {before:g} ms spikes were; it cannot go on with dt = {dt:g} ms.")
    if jax.tree.leaves(state.memory):
        raise ParameterError(f"The integrator remembers steps of {before:g} ms; it cannot go on with dt = {dt:g} ms.")
    scaled = lambda steps: np.rint(np.asarray(steps) * (before / dt)).astype(np.int64)
    last = {
        name: np.where(np.asarray(s) <= NEVER, NEVER, step - scaled(int(state.step) - np.asarray(s)))
        for name, s in state.last_spike.items()
    }
    in_flight = {}
    for name, rows in state.in_flight.items():
        rows = np.asarray(rows)
        # Row r is of the step `step − 1 − r`, whose start was r + 1 steps ago.
        ages = scaled(np.arange(1, len(rows) + 1)) - 1
        slots = 1 << max(0, int(np.ceil(len(rows) * before / dt)) - 1).bit_length() if len(rows) else 0
        moved = np.zeros((slots, *rows.shape[1:]), rows.dtype)
        for age, row in zip(ages, rows, strict=True):
            if 0 <= age < slots:
                moved[age] = np.maximum(moved[age], row)
            elif row.any():
                raise ParameterError(
                    f"A spike of the last step of {before:g} ms is on its way, and has no place in steps of {dt:g} ms. Keep dt, or go on "
                    "from a state at which no spike waits for its delay."
                )
        in_flight[name] = moved
    return dataclasses.replace(state, step=np.int64(step), last_spike=last, in_flight=in_flight, dt=np.float64(dt))
