"""Several integrators in one network."""

from dataclasses import dataclass
from typing import Any

from ranvier.integrators.base import Integrator, State


@dataclass(frozen=True)
class PerPopulation(Integrator):
    """Each population by an integrator of its own, all from the state at the start of the step.

    What one part of the network does to another is held over the step, so continuous
    coupling between parts is of first order; spikes are as exact as ever.
    `simulate` makes this of a mapping: `integrator={fast: rv.RungeKutta4(), "relay": rv.ExactLinear()}`.

    Attributes:
        parts: integrators, each with the groups of populations and the synapses that it advances.
    """

    parts: tuple[tuple[Integrator, tuple[str, ...]], ...] = ()
    order = 1
    needs = ("part",)
    by_name = True

    def init(self, system: Any, state: State, t: Any) -> Any:
        memories = []
        for integrator, owners in self.parts:
            part, own = system.part(state, owners, integrator.by_name)
            memories.append(integrator.init(part, own, t))
        return tuple(memories)

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        result: dict[str, Any] = {}
        memories = []
        for (integrator, owners), own_memory in zip(self.parts, memory, strict=True):
            part, own = system.part(state, owners, integrator.by_name)
            moved, remembered = integrator.step(part, own, own_memory, t, t_next, None if key is None else key.within(part))
            result.update(part.unpack(moved))
            memories.append(remembered)
        return result, tuple(memories)
