"""What a rule of structural plasticity is: which synapses go and which come, now and then."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ranvier.errors import not_written
from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.numbers import OfProjection
from ranvier.plasticity.traces import Trace

NONE: Mapping[str, Any] = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses of a projection, as a rule of structural plasticity finds them; sorted by target, then source.

    Attributes:
        pre, post: their sources and targets, int64 `[synapses]`, counted among those that the projection is from and to.
        weight: `[synapses]`.
        sources, targets: how many neurons there are on each side.
        itself: the target that each source is, −1 where it is none of them, int64 `[sources]`.
    """

    pre: np.ndarray
    post: np.ndarray
    weight: np.ndarray
    sources: int
    targets: int
    itself: np.ndarray

    def __len__(self) -> int:
        return len(self.pre)

    @property
    def out_degree(self) -> np.ndarray:
        """How many synapses each source has, int64 `[sources]`."""
        return np.bincount(self.pre, minlength=self.sources)

    @property
    def in_degree(self) -> np.ndarray:
        """How many each target has, int64 `[targets]`."""
        return np.bincount(self.post, minlength=self.targets)

    def new_among(self, pre: np.ndarray, post: np.ndarray, keep: np.ndarray, *, autapses: bool = False, multapses: bool = False) -> Any:
        """Which of some pairs may get a synapse, bool `[pairs]`: by default none with itself, and none that has one.

        Args:
            pre, post: the pairs.
            keep: which synapses stay, bool `[synapses]`.
            autapses, multapses: whether a neuron may reach itself, and one target several times.
        """
        fits = np.ones(len(pre), bool) if autapses else self.itself[pre] != post
        if not multapses:
            number = np.asarray(pre, np.int64) * self.targets + post
            fits &= ~np.isin(number, self.pre[keep] * self.targets + self.post[keep])
            first = np.zeros(len(pre), bool)
            first[np.unique(number, return_index=True)[1]] = True
            fits &= first
        return fits


class Rewiring(NamedTuple):
    """What a rule of structural plasticity makes of synapses.

    Attributes:
        keep: which synapses stay, bool `[synapses]`.
        pre, post: sources and targets of those that come, whole numbers `[new]`.
        weight: theirs, a number or `[new]`; None for what the projection was given.
        outgoing, incoming: new values of what `source_state` and `target_state` name.

    Example:
        >>> Rewiring(np.ones(3, bool), [0], [1]).weight is None
        True
    """

    keep: Any
    pre: Any = ()
    post: Any = ()
    weight: Any = None
    outgoing: Mapping[str, Any] = NONE
    incoming: Mapping[str, Any] = NONE


class StructuralRule(OfProjection):
    """Base of rules by which synapses come and go while a network runs, `rv.Projection(…, structure=rule)`.

    Every `every` ms, after all that happens in that step, `rewire` is asked. Synapses that stay keep their weight and whatever a rule of
    plasticity keeps of them; those that come begin with the weight and the delay that the projection is given.

    Args:
        every: time between two changes (ms).

    Example:
        >>> import numpy as np, ranvier as rv
        >>> class OneEach(rv.StructuralRule):
        ...     def rewire(self, synapses, source, target, draws, interval):
        ...         pre = draws.integers(synapses.sources, size=synapses.targets)
        ...         return rv.plasticity.Rewiring(np.zeros(len(synapses), bool), pre, np.arange(synapses.targets))
        >>> cells = rv.Population(5, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> wires = rv.Projection(
        ...     cells, cells, rv.synapses.ExponentialCurrent(), rv.connect.pairwise_bernoulli(0.9), structure=OneEach(every=10.0)
        ... )
        >>> run = rv.simulate(rv.Network(cells, wires), duration=20.0, dt=0.1, seed=1)
        >>> run.edges(wires).post.tolist()
        [0, 1, 2, 3, 4]
    """

    every: Any = parameter(1000.0, "ms", POSITIVE, "time between two changes")

    def source_traces(self) -> Mapping[str, Trace]:
        """The traces of the sources' spikes, by name: the engine lets them decay exactly."""
        return {}

    def target_traces(self) -> Mapping[str, Trace]:
        """The traces of the targets' spikes, by name."""
        return {}

    def source_state(self) -> Mapping[str, float]:
        """What else is kept of each source, by name, with what it begins with."""
        return {}

    def target_state(self) -> Mapping[str, float]:
        """What else is kept of each target."""
        return {}

    def rewire(
        self,
        synapses: Synapses,
        source: Mapping[str, np.ndarray],
        target: Mapping[str, np.ndarray],
        draws: np.random.Generator,
        interval: float,
    ) -> Rewiring:
        """Which synapses go, and which come.

        Args:
            synapses: those that are there.
            source, target: the traces and states of the neurons, float64 `[sources]` and `[targets]`.
            draws: random numbers, which follow from the run's seed, the projection and the time.
            interval: the time since it was asked last (ms).
        """
        raise not_written(self, StructuralRule.rewire)
