"""All that evolves: what a checkpoint holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

NEVER = -(2**52)
"""The step of the last spike of a neuron that has not spiked."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SimulationState:
    """The state of a simulation between two steps.

    Attributes:
        step: the steps done, int64; the time is `step · dt`.
        neurons: `{population: {variable: [n]}}`.
        synapses: `{projection: {variable: [states]}}`; how many states there
            are depends on the synapse's site. Projections that share their states
            at the targets have them under one name that lists them.
        last_spike: `{population: int64 [n]}`, the step of the last spike, or `NEVER`.
        in_flight: `{"spikes": {"source": int32 [slots, neurons], "count": int32 [slots]}}`:
            the spikes of the last steps, those of step *k* the first `count[k mod slots]`
            of row `k mod slots`; for a projection with short-term plasticity
            also its own, with their `amplitude`.
        memory: what the integrator remembers between steps.
    """

    step: Any
    neurons: dict[str, dict[str, Any]]
    synapses: dict[str, dict[str, Any]]
    last_spike: dict[str, Any]
    in_flight: dict[str, Any]
    memory: Any = ()

    def on_host(self) -> SimulationState:
        """A copy in NumPy arrays, which later steps do not touch."""
        return jax.tree.map(lambda x: np.array(x), self)

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
        return f"<SimulationState at step {int(self.step)}: {', '.join(self.neurons)}>"
