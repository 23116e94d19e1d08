"""The edges of a projection, for whoever wants to see them: the same for every kind of synapse, drawn when they are asked for."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.connect.base import Edges
from ranvier.connect.part import DrawnPart, Given, draw
from ranvier.errors import ParameterError, unknown
from ranvier.model import drawn, parameters
from ranvier.network.draw import coupled_synapse, each_edge, projection_key, projection_part
from ranvier.network.numbers import ProjectionNumbers
from ranvier.network.rewiring import part_with
from ranvier.network.spec import Network, Projection, weight_unit
from ranvier.network.state import SimulationState
from ranvier.network.transfer import WIRING, Wiring
from ranvier.random import Distribution, Key

if TYPE_CHECKING:
    import pandas
    import scipy.sparse

EDGES_AT_ONCE = 1 << 20  # of a piece, while a whole column is put together
KEPT = 1 << 20  # edges; of fewer, who is wired to whom is kept from column to column
SHORT_TERM = "short_term_plasticity"


class ProjectionEdges:
    """The edges of a projection, sorted by target, then source, then the order in the list that they were given in.

    Nothing is drawn before it is asked for, and a column is as large as it is: for more edges
    than fit into memory go through `pieces`, or look at some targets with `between`.

    Attributes:
        projection: its name.
        sources, targets: how many neurons there are on each side; `pre` and `post` count through them.
        source: the name of the population that the sources are; of several, all names.
        origins: how many sources are of which population, in their order.
        populations: by name, the first target and the number of targets in each population that is wired to.
        unit: of the weights.
        dt: the step (ms) that delays are rounded to, or None: then they are as they were given or drawn.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(100, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> wires = rv.Projection(
        ...     cells, cells, rv.synapses.ExponentialCurrent(), rv.connect.fixed_in_degree(5), weight=rv.normal(2.0, 0.1), delay=1.5
        ... )
        >>> edges = rv.Network(cells, wires).edges("cells→cells", seed=1)
        >>> edges
        <500 edges of 'cells→cells': 100 cells → 100 cells, weight Normal(mean=2.0, sd=0.1) pA, delay 1.5 ms>
        >>> edges.post[:7].tolist(), edges.weight.mean().round(1), edges.between(3, 5).pre.shape, edges.to_sparse().shape
        ([0, 0, 0, 0, 0, 1, 1], np.float64(2.0), (10,), (100, 100))
    """

    def __init__(self, net: Network, name: str, key: Key, dt: float | None = None, learnt: Mapping[str, np.ndarray] | None = None):
        projection = net.projections[name]
        self.projection = name
        self.source, self.sources = "+".join(map(net.name_of, projection.sources)), sum(s.n for s in projection.sources)
        self.origins = {net.name_of(s): s.n for s in projection.sources}
        self.populations: dict[str, tuple[int, int]] = {}
        self.targets = 0
        for target in projection.targets:
            self.populations[net.name_of(target)] = (self.targets, target.n)
            self.targets += target.n
        self.unit = weight_unit(name, projection.synapse, projection.targets)
        self.dt = dt
        self._learnt = dict(learnt or {})
        self._first, self._stop = 0, self.targets
        self._made, self._key = projection, key
        part = lambda: projection_part(name, projection, ProjectionNumbers.of(projection), key, dt if dt is not None else 0.1)
        if "pre" in self._learnt:  # they have come and gone
            wiring = Wiring(*(np.asarray(self._learnt[column]) for column in WIRING))
            self._drawn: Callable[[], DrawnPart] = functools.cache(lambda: draw(part_with(part(), wiring, self._learnt["weight"])))
        else:
            self._drawn = functools.cache(lambda: draw(part()))

    def __len__(self) -> int:
        begins = self._drawn().begins
        return int(begins[self._stop] - begins[self._first])

    @property
    def pre(self) -> np.ndarray:
        """The source of each edge, int32 `[edges]`."""
        return self._column(lambda edges, _: edges.pre, np.int32)

    @property
    def post(self) -> np.ndarray:
        """Its target, int32 `[edges]`, counted through all populations that the projection goes to."""
        return self._column(lambda edges, _: edges.post, np.int32)

    @property
    def weight(self) -> np.ndarray:
        """Its weight in `unit`, float64 `[edges]`; of a run's projection that learns, as it was at the end."""
        if "weight" in self._learnt:
            begins = self._drawn().begins
            return np.asarray(self._learnt["weight"][begins[self._first] : begins[self._stop]], np.float64)
        return self._column(self._drawn().weights, np.float64)

    @property
    def delay(self) -> np.ndarray:
        """From the spike to its arrival (ms), float64 `[edges]`."""
        if self.dt is None:
            return self._column(self._drawn().delays, np.float64)
        dt = self.dt
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the run has said what was rounded
            return self._column(lambda edges, start: self._drawn().steps(edges, start) * dt, np.float64)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters of the synapse, and of its short-term plasticity, that `parameter` gives one value an edge of."""
        own = [name for name, info, _ in parameters(self._made.synapse) if info.per != "sample"]
        rules = ((rule, getattr(self._made, rule)) for rule in (SHORT_TERM, "release"))
        return (*own, *(f"{rule}.{name}" for rule, made in rules if made is not None for name, _, _ in parameters(made)))

    def parameter(self, name: str) -> np.ndarray:
        """A parameter of the synapse at each edge, as given or drawn, float64 `[edges]`.

        Raises:
            UnknownNameError: there is none of that name.

        Example:
            >>> import ranvier as rv
            >>> cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), name="cells")
            >>> synapse = rv.synapses.ExponentialCurrent(tau=[1.0, 2.0, 3.0])  # one for each target
            >>> wires = rv.Projection(cells, cells, synapse, rv.connect.all_to_all(autapses=False))
            >>> rv.Network(cells, wires).edges(wires).parameter("tau").tolist()
            [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
        """
        if name not in self.parameters:
            raise unknown(f"parameter of {self.projection}", name, self.parameters)
        rule, _, within = name.rpartition(".")
        if rule == "release" or (rule == SHORT_TERM and self._made.short_term_site == "edge"):
            made, site, name, per = each_edge(getattr(self._made, rule), self._drawn().part, rule), "edge", within, "neuron"
        elif name.startswith(SHORT_TERM + "."):
            model, key = self._made.short_term_plasticity, self._key.child(SHORT_TERM)
            made = drawn(model, key, self.projection, {"neuron": (self.sources, "source")})
            name, site, per = name.removeprefix(SHORT_TERM + "."), "source", "neuron"
        else:
            made, site = self._synapse()
            per = next(info.per for known, info, _ in parameters(made) if known == name)
        value = np.asarray(next(value for known, _, value in parameters(made) if known == name), np.float64)
        if value.ndim == 0:
            return np.full(len(self), float(value))
        if per == "target" or site == "target":
            return value[self.post]
        begin, end = (int(self._drawn().begins[i]) for i in (self._first, self._stop))
        return value[self.pre] if site == "source" else value[begin:end]

    def pieces(self, targets_at_once: int | None = None) -> Iterator[ProjectionEdges]:
        """The edges onto a few targets at a time, one piece after the other, so that memory stays bounded.

        Args:
            targets_at_once: by default as many as have about a million edges.
        """
        if targets_at_once is None:
            for block in self._blocks(EDGES_AT_ONCE):
                yield self.between(block.start, block.stop)
            return
        if not isinstance(targets_at_once, int | np.integer) or isinstance(targets_at_once, bool) or targets_at_once < 1:
            raise ParameterError(f"pieces: targets_at_once must be a whole number of at least 1, not {targets_at_once!r}.")
        for first in range(self._first, self._stop, int(targets_at_once)):
            yield self.between(first, min(self._stop, first + int(targets_at_once)))

    def between(self, first: int, stop: int) -> ProjectionEdges:
        """The edges onto the targets `first` … `stop − 1` only; their numbers stay.

        Raises:
            ParameterError: there are no such targets.
        """
        if not self._first <= first <= stop <= self._stop:
            raise ParameterError(f"{self.projection}: the targets here are {self._first} to {self._stop}, not {first} to {stop}.")
        some = object.__new__(ProjectionEdges)
        some.__dict__.update(self.__dict__, _first=int(first), _stop=int(stop))
        some.__dict__.pop("_whole", None)
        return some

    def onto(self, population: str) -> ProjectionEdges:
        """The edges onto one of the populations that the projection goes to; the targets' numbers stay.

        Raises:
            UnknownNameError: it does not go there.
        """
        if population not in self.populations:
            raise unknown(f"target of {self.projection}", population, self.populations)
        first, n = self.populations[population]
        return self.between(first, first + n)

    def to_sparse(self) -> scipy.sparse.csr_array:
        """The weights as a SciPy matrix `[targets, sources]`, rows postsynaptic; those of several edges between one pair are added."""
        import scipy.sparse

        begins = self._drawn().begins
        rows = np.clip(begins, begins[self._first], begins[self._stop]) - begins[self._first]
        found = scipy.sparse.csr_array((self.weight, self.pre, rows), shape=(self.targets, self.sources))
        found.sum_duplicates()
        return found

    def to_pandas(self) -> pandas.DataFrame:
        """A table with the columns `pre`, `post`, `weight` and `delay`."""
        import pandas

        return pandas.DataFrame({name: getattr(self, name) for name in ("pre", "post", "weight", "delay")})

    def __repr__(self) -> str:
        onto = " + ".join(f"{n} {name}" for name, (_, n) in self.populations.items())
        some = "" if (self._first, self._stop) == (0, self.targets) else f", of targets {self._first} to {self._stop - 1} only"
        return (
            f"<{len(self)} edges of {self.projection!r}: {self.sources} {self.source} → {onto}{some}, "
            f"weight {_short(self._drawn().weight)} {self.unit}, delay {_short(self._drawn().delay)} ms>"
        )

    def _blocks(self, edges: int) -> Iterator[range]:
        """The targets in stretches with about so many edges each."""
        for block in self._drawn().blocks(edges):
            low, high = max(block.start, self._first), min(block.stop, self._stop)
            if low < high:
                yield range(low, high)

    def _column(self, values: Callable[[Edges, int], np.ndarray], dtype: np.typing.DTypeLike) -> np.ndarray:
        begins, before = self._drawn().begins, 0
        column = np.empty(len(self), dtype)
        if len(self) <= KEPT:
            column[:] = values(self._whole, int(begins[self._first]))
            return column
        for block in self._blocks(EDGES_AT_ONCE):
            edges = self._drawn().edges(block)
            column[before : before + len(edges)] = values(edges, int(begins[block.start]))
            before += len(edges)
        return column

    @functools.cached_property
    def _whole(self) -> Edges:
        return self._drawn().edges(range(self._first, self._stop))

    def _synapse(self) -> tuple[Any, str]:
        """The synapse with its parameters drawn, and the site of its states."""
        made, name = self._made, self.projection
        if made.site != "target":
            return coupled_synapse(name, made, made.synapse, self._drawn().edges(range(self.targets)), self._key)
        sizes = {"neuron": (self.targets, "target"), "target": (self.targets, "target")}
        return drawn(made.synapse, self._key, name, sizes), "target"


def edges_of(
    net: Network, projection: Projection | str, *, seed: int = 0, dt: float | None = None, state: SimulationState | None = None
) -> ProjectionEdges:
    """The edges of a projection, as a run with that seed (and step, in ms) has them, their weights as they are in its state.

    Raises:
        UnknownNameError: the network has no such projection.
        ParameterError: it is a population.
    """
    name, part = net.find(projection)
    if not isinstance(part, Projection):
        raise ParameterError(
            f"{name} is a population; edges are those of a projection. This network's: {', '.join(net.projections) or 'none'}."
        )
    learnt = state.synapses[name] if state is not None and part.plasticity is not None else None
    return ProjectionEdges(net, name, projection_key(Key(seed), name), dt, learnt)


def _short(given: Given) -> str:
    if isinstance(given, Distribution):
        return repr(given).replace(", low=-inf, high=inf", "").replace(", redraw=False", "")
    if not isinstance(given, np.ndarray):
        return "by a function"
    if given.ndim == 0:
        return f"{float(given):g}"
    return f"{given.min():g} … {given.max():g}" if given.size else "none"
