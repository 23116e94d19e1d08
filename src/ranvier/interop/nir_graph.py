"""Networks of the engine as NIR graphs, and back (Pedersen et al. 2024, Nat Commun 15:8122).

A spike is a Dirac pulse in NIR, as its text has it: `τ v̇ = v_leak − v + r I` moves by `r w / τ` where a spike arrives with the weight w.
Layers of PyTorch, whose input is a current that holds over a step, go by `rt.to_nir` and `rt.from_nir`.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ranvier import doors
from ranvier.connect.lists import edge_list
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons.conductance_based import Passive
from ranvier.neurons.integrate_and_fire import LeakyIntegrateAndFire
from ranvier.neurons.sources import SpikeSource, SpikeTimes
from ranvier.plasticity.fixed import FixedWeights
from ranvier.random import Distribution
from ranvier.stimuli.base import Constant
from ranvier.synapses.alpha import AlphaCurrent
from ranvier.synapses.base import SynapseModel
from ranvier.synapses.delta import Delta
from ranvier.synapses.exponential import ExponentialCurrent

PER_MS = {"s": 1e-3, "ms": 1.0}
"""One millisecond in a graph's unit of time."""
LARGEST = 10**8
"""Entries of one matrix of weights."""


def library() -> Any:
    """The `nir` package.

    Raises:
        UnsupportedError: it is not installed.
    """
    try:
        return importlib.import_module("nir")
    except ImportError:
        raise UnsupportedError("NIR graphs need the nir package. Install it with: pip install 'ranvier[nir]'") from None


# -- out ---------------------------------------------------------------------------------------------


@doors.checked(
    network=lambda value, what: doors.instance(value, what, Network, "rv.Network(cells)"),
    dt=doors.optional(doors.interval),
    time_unit=doors.one_of(*PER_MS),
    seed=doors.seed,
)
def to_nir(network: Network, *, dt: float | None = None, time_unit: str = "s", seed: int = 0) -> Any:
    """A network of the engine as a NIR graph.

    A leaky integrate-and-fire population becomes an `LIF` node, or a `CubaLIF` where all that reaches it are exponential currents of one
    time constant; each further kinetics is an `LI` node before it (two for an alpha function). A passive population becomes an `LI` or
    `CubaLI`, a source of spikes an `Input`, a projection a `Linear`, with a `Delay` before it. A constant current goes into `v_leak`;
    initial potentials, which NIR has no field for, into a node's metadata, `"initial_v"`.

    Args:
        network: of `rv.neurons.LeakyIntegrateAndFire` without refractory period and `rv.neurons.Passive`, driven by sources of spikes or
            constant currents, with `rv.synapses.Delta`, `ExponentialCurrent` and `AlphaCurrent`.
        dt: the time step that it is meant for (ms), kept in the graph's metadata.
        time_unit: of the time constants in the graph, `"s"` or `"ms"`.
        seed: of the run whose parameters, edges and weights they are.

    Returns:
        An `nir.NIRGraph`, which `nir.write(path, graph)` saves. Every population that is no source is an output, `"NAME_output"`.

    Raises:
        UnsupportedError: what NIR has no field for, by name; nir is not installed.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(2, rv.neurons.SpikeTimes(times=[1.0]), name="source")
        >>> cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> currents = rv.synapses.ExponentialCurrent(tau=5.0)
        >>> wire = rv.Projection(source, cells, currents, [[1, 0], [0, 1], [1, 1]], weight=50.0, delay=2.0, name="w")
        >>> graph = rv.interop.to_nir(rv.Network(source, cells, wire), dt=0.1)
        >>> {name: type(node).__name__ for name, node in graph.nodes.items()}
        {'source': 'Input', 'cells': 'CubaLIF', 'cells_output': 'Output', 'w': 'Linear', 'w_delay': 'Delay'}
    """
    nir, unit = library(), PER_MS[time_unit]
    from ranvier.simulation import prepare

    if network.poisson:
        raise UnsupportedError(f"NIR has no node for the Poisson input {next(iter(network.poisson))!r}. Make it a population of sources.")
    _refuse(network)
    sim = prepare(network, dt=dt or 0.1, seed=seed)
    given, start = sim.parameters, sim.state().neurons
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    ports: dict[str, dict[Any, str]] = {}
    for name, population in network.populations.items():
        if isinstance(population.model, SpikeSource):
            nodes[name] = nir.Input(input_type={"input": np.array([population.n])})
            continue
        incoming = [p.synapse for p in network.projections.values() if population in p.targets]
        ports[name] = _write_cells(nir, name, population, incoming, given, unit, nodes, edges)
        nodes[name].metadata["initial_v"] = np.asarray(start[name]["V"], np.float64)
        nodes[f"{name}_output"] = nir.Output(output_type={"output": np.array([population.n])})
        edges.append((name, f"{name}_output"))
    for name, projection in network.projections.items():
        _write_projection(nir, network, name, projection, ports, unit, seed, nodes, edges)
    metadata = {"time_unit": time_unit, "engine": "ranvier", **({} if dt is None else {"dt": dt * unit})}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def _refuse(network: Network) -> None:
    """Refuses what no node has a field for."""
    for name, population in network.populations.items():
        model, kind = population.model, type(population.model).__name__
        if isinstance(model, SpikeSource):
            continue
        if not isinstance(model, LeakyIntegrateAndFire | Passive):
            raise UnsupportedError(
                f"NIR has no node for {kind} (population {name!r}). It has one for LeakyIntegrateAndFire, Passive and sources of spikes."
            )
        if isinstance(model, LeakyIntegrateAndFire) and (
            isinstance(model.refractory, Distribution) or np.any(np.asarray(model.refractory))
        ):
            raise UnsupportedError(f"NIR has no field for a refractory period (population {name!r}). Give refractory=0.")
        if population.current is not None and not isinstance(population.current, Constant):
            raise UnsupportedError(
                f"NIR has no node for the current of {name!r}, a {type(population.current).__name__}. "
                "A constant one has its place in v_leak."
            )
    for name, projection in network.projections.items():
        kind = type(projection.synapse).__name__
        if type(projection.synapse) not in (Delta, ExponentialCurrent, AlphaCurrent) or projection.site != "target":
            raise UnsupportedError(
                f"NIR has no node for {kind} (projection {name!r}). It has one for Delta, ExponentialCurrent and AlphaCurrent."
            )
        for what, has in {
            "short-term plasticity": projection.short_term_plasticity is not None,
            "plasticity": projection.plasticity is not None and not isinstance(projection.plasticity, FixedWeights),
            "structural plasticity": projection.structure is not None,
            "initial values": bool(projection.initial),
        }.items():
            if has:
                raise UnsupportedError(f"NIR has no field for {what} (projection {name!r}).")


def _kinetics(synapse: Any) -> Any:
    """What makes two synapses one node."""
    return (type(synapse), None if isinstance(synapse, Delta) else np.asarray(synapse.tau, np.float64).tobytes())


def _write_cells(
    nir: Any,
    name: str,
    population: Population,
    incoming: list[SynapseModel],
    given: Mapping[str, Any],
    unit: float,
    nodes: dict[str, Any],
    edges: list[tuple[str, str]],
) -> dict[Any, str]:
    """The node of a population and those of its synapses: into which of them each kinetics goes."""
    n, model = population.n, population.model
    full = lambda value: np.broadcast_to(np.asarray(value, np.float64), (n,)).copy()
    leak, capacitance, rest = (full(given[f"{name}.{key}"]) for key in ("leak", "capacitance", "rest"))
    if (leak <= 0).any():
        raise UnsupportedError(f"NIR's LIF has a leak; that of {name!r} is 0.")
    current = given.get(f"{name}.current", given.get(f"{name}.current.amplitude", 0.0))
    tau, rest = unit * capacitance / leak, rest + full(current) / leak
    kinds = {_kinetics(s): s for s in incoming}
    kicks = [k for k, s in kinds.items() if isinstance(s, Delta)]
    others: list[Any] = [s for s in kinds.values() if not isinstance(s, Delta)]
    if kicks and others:
        raise UnsupportedError(f"NIR: {name!r} has kicks (Delta) and currents ({type(others[0]).__name__}): a node has one kind of input.")
    fires = {}
    if isinstance(model, LeakyIntegrateAndFire):
        fires = {f"v_{key}": full(given[f"{name}.{key}"]) for key in ("threshold", "reset")}
    if len(others) == 1 and isinstance(others[0], ExponentialCurrent):
        synapse = unit * full(others[0].tau)
        kind = nir.CubaLIF if fires else nir.CubaLI
        nodes[name] = kind(tau_syn=synapse, tau_mem=tau, r=1 / leak, v_leak=rest, w_in=synapse.copy(), **fires)
        return {_kinetics(others[0]): name}
    kind = nir.LIF if fires else nir.LI
    nodes[name] = kind(tau=tau, r=tau.copy() if kicks else 1 / leak, v_leak=rest, **fires)
    nodes[name].metadata |= {"input": "impulse"} if kicks else {}
    ports = dict.fromkeys(kicks, name)
    for number, other in enumerate(others):
        own, taus = f"{name}_synapse_{number}", unit * full(other.tau)
        nodes[own] = nir.LI(tau=taus, r=taus.copy(), v_leak=np.zeros(n))
        ports[_kinetics(other)] = last = own
        if isinstance(other, AlphaCurrent):
            last = f"{own}_response"
            nodes[last] = nir.LI(tau=taus.copy(), r=np.full(n, math.e), v_leak=np.zeros(n))
            edges.append((own, last))
        edges.append((last, name))
    return ports


def _write_projection(
    nir: Any,
    network: Network,
    name: str,
    projection: Projection,
    ports: Mapping[str, Mapping[Any, str]],
    unit: float,
    seed: int,
    nodes: dict[str, Any],
    edges: list[tuple[str, str]],
) -> None:
    """Matrices of weights, and delays before them."""
    found = network.edges(name, seed=seed)
    first_source = np.cumsum([0, *(p.n for p in projection.sources)])
    first_target = np.cumsum([0, *(p.n for p in projection.targets)])
    several = len(projection.sources) * len(projection.targets) > 1
    for i, source in enumerate(projection.sources):
        for j, target in enumerate(projection.targets):
            if source.n * target.n > LARGEST:
                raise UnsupportedError(
                    f"NIR has no sparse matrix: projection {name!r} would be {target.n} × {source.n} numbers, more than {LARGEST:g}."
                )
            here, there = network.name_of(source), network.name_of(target)
            mine = (found.pre >= first_source[i]) & (found.pre < first_source[i + 1])
            mine &= (found.post >= first_target[j]) & (found.post < first_target[j + 1])
            pre, post = found.pre[mine] - first_source[i], found.post[mine] - first_target[j]
            weight, delay = (np.broadcast_to(values, found.pre.shape)[mine].astype(np.float64) for values in (found.weight, found.delay))
            own = f"{name}_{here}_{there}" if several else name
            matrix = np.zeros((target.n, source.n))
            np.add.at(matrix, (post, pre), weight)
            nodes[own] = nir.Linear(weight=matrix)
            delays = np.zeros(source.n)
            delays[pre] = delay
            if (delays[pre] != delay).any():
                raise UnsupportedError(f"NIR has a delay for each source, and projection {name!r} has one for each edge.")
            way = [here, own, ports[there][_kinetics(projection.synapse)]]
            if delays.any():
                nodes[f"{own}_delay"] = nir.Delay(delay=unit * delays)
                way.insert(1, f"{own}_delay")
            edges += itertools.pairwise(way)


# -- in ----------------------------------------------------------------------------------------------


class Way(NamedTuple):
    """How spikes of a node reach another.

    Attributes:
        source: whose they are.
        weights: `[targets, sources]`; None for one to one.
        delays: `[targets, sources]` (ms), or a number.
        filters: the `LI` nodes that they pass, in order.
    """

    source: str
    weights: np.ndarray | None
    delays: Any
    filters: tuple[Any, ...]


class _Graph:
    """A NIR graph that is being read."""

    def __init__(self, nir: Any, graph: Any, unit: float):
        self.nir, self.unit, self.nodes = nir, unit, graph.nodes
        self.into: dict[str, list[str]] = {}
        self.out_of: dict[str, list[str]] = {}
        for source, target in graph.edges:
            self.into.setdefault(target, []).append(source)
            self.out_of.setdefault(source, []).append(target)
        for name, node in self.nodes.items():
            kinds = (*self.cells, nir.Input, nir.Output, nir.Linear, nir.Affine, nir.Delay)
            if not isinstance(node, kinds):
                raise UnsupportedError(
                    f"The engine has nothing for the NIR node {type(node).__name__} ({name!r}). It reads "
                    f"{', '.join(kind.__name__ for kind in kinds)}; layers are read by ranvier.torch.from_nir."
                )

    @property
    def cells(self) -> tuple[Any, ...]:
        return (self.nir.LIF, self.nir.CubaLIF, self.nir.IF, self.nir.LI, self.nir.CubaLI)

    def is_filter(self, name: str) -> bool:
        """Whether an `LI` is a synapse: what it makes goes into another membrane."""
        onward = [n for n in self.out_of.get(name, []) if not isinstance(self.nodes[n], self.nir.Output)]
        return isinstance(self.nodes[name], self.nir.LI) and bool(onward)

    def populations(self) -> list[str]:
        return [n for n, node in self.nodes.items() if isinstance(node, (*self.cells, self.nir.Input)) and not self.is_filter(n)]

    def ways(self, name: str, seen: tuple[str, ...] = ()) -> list[Way]:
        """All ways from other populations into a node, through what carries spikes and currents."""
        found: list[Way] = []
        for before in self.into.get(name, []):
            node = self.nodes[before]
            if before in seen:
                raise UnsupportedError(f"The NIR graph goes in a circle without a neuron in it: {' → '.join((*seen, before))}.")
            if before in self.populations():
                found.append(Way(before, None, 0.0, ()))
            else:
                found += [self._after(before, node, way) for way in self.ways(before, (*seen, before))]
        return found

    def _after(self, name: str, node: Any, way: Way) -> Way:
        """A way, one node longer."""
        if isinstance(node, self.nir.Linear | self.nir.Affine):
            if way.weights is not None or way.filters:
                raise UnsupportedError(
                    f"The weights of the NIR node {name!r} come after other weights or an LI; the engine has them once, before."
                )
            if isinstance(node, self.nir.Affine) and np.any(node.bias):
                raise UnsupportedError(f"The NIR node {name!r} has a bias. Put it into the v_leak of what it reaches: v_leak + r · bias.")
            delays = way.delays if np.ndim(way.delays) == 0 else np.asarray(way.delays)[None, :]
            return way._replace(weights=np.asarray(node.weight, np.float64), delays=delays)
        if isinstance(node, self.nir.Delay):
            own = np.asarray(node.delay, np.float64).ravel() / self.unit
            return way._replace(delays=way.delays + (own if way.weights is None else own[:, None]))
        return way._replace(filters=(*way.filters, node))


@doors.checked(
    graph=lambda value, what: doors.instance(value, what, library().NIRGraph, "nir.read(path)"),
    time_unit=doors.optional(doors.one_of(*PER_MS)),
    spikes=doors.anything,
)
def from_nir(graph: Any, *, time_unit: str | None = None, spikes: Mapping[str, Any] | None = None) -> Network:
    """A NIR graph as a network of the engine: recurrent, with any number of inputs and outputs.

    `LIF`, `CubaLIF` and `IF` become leaky integrate-and-fire populations (`leak = 1/r`), `LI` and `CubaLI` passive ones, unless an `LI`
    goes into another membrane: then it is a synapse. An `Input` becomes a population of sources. Spikes are Dirac pulses.

    Args:
        graph: an `nir.NIRGraph` (`nir.read(path)`).
        time_unit: of the time constants in the graph, `"s"` or `"ms"`; None takes that of the metadata.
        spikes: for each `Input` by name, a list of spike trains (ms), one a neuron; without any it is silent.

    Raises:
        UnsupportedError: a node, or a wiring, that the engine has nothing for, by name; nir is not installed.
        ParameterError: no unit of time, or another one than the metadata's; spikes for an input that does not exist.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(1, rv.neurons.SpikeTimes(times=[1.0]), name="source")
        >>> cells = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> graph = rv.interop.to_nir(rv.Network(source, cells, rv.Projection(source, cells, rv.synapses.Delta(), [[1]], weight=12.0)))
        >>> again = rv.interop.from_nir(graph, spikes={"source": [[1.0, 9.0]]})
        >>> rv.simulate(again, duration=20.0, dt=0.1).spikes["cells"].times.round(1)
        array([1.1, 9.1])
    """
    nir = library()
    said = graph.metadata.get("time_unit")
    said = said.decode() if isinstance(said, bytes) else said
    if said is None and time_unit is None:
        raise ParameterError("from_nir: the graph's metadata has no time_unit: give time_unit='s' or 'ms'.")
    if None not in (said, time_unit) and str(said) != time_unit:
        raise ParameterError(f"from_nir: the graph's metadata says that its time_unit is {str(said)!r}, not {time_unit!r}.")
    unit = PER_MS[time_unit or doors.choice(str(said), "from_nir: time_unit in the graph's metadata", PER_MS)]
    read = _Graph(nir, graph, unit)
    given = {} if spikes is None else doors.mapping(spikes, "from_nir: spikes", "{'input': [[1.0, 5.0], []]}")
    doors.only(given, [n for n in read.populations() if isinstance(graph.nodes[n], nir.Input)], "from_nir: spikes")
    populations = {name: _population(read, name, given.get(name)) for name in read.populations()}
    projections = [p for name in populations for p in _projections(read, name, populations)]
    return Network(*populations.values(), *projections)


def _one(values: Any) -> Any:
    array = np.asarray(values, np.float64).ravel()
    return float(array[0]) if array.size and (array == array[0]).all() else array


def _population(read: _Graph, name: str, trains: Any) -> Population:
    """A node as a population."""
    node, nir = read.nodes[name], read.nir
    if isinstance(node, nir.Input):
        n = int(np.prod(node.input_type["input"]))
        times = SpikeTimes.of_trains([[] for _ in range(n)] if trains is None else trains)
        if trains is not None and len(trains) != n:
            raise ParameterError(f"from_nir: spikes of {name!r} has {len(trains)} trains, but it has {n} neurons.")
        return Population(n, times, name=_named(name))
    shape = np.shape(node.v_threshold if isinstance(node, nir.IF) else node.r)
    r = np.asarray(node.r, np.float64).ravel()
    if isinstance(node, nir.IF):
        membrane: dict[str, Any] = {"capacitance": _one(1 / r), "leak": 0.0, "rest": 0.0}
    else:
        tau = np.asarray(node.tau_mem if hasattr(node, "tau_mem") else node.tau, np.float64).ravel() / read.unit
        membrane = {"capacitance": _one(tau / r), "leak": _one(1 / r), "rest": _one(node.v_leak)}
    more: dict[str, Any] = {"name": _named(name)}
    if "initial_v" in node.metadata:
        more["initial"] = {"V": np.asarray(node.metadata["initial_v"])}
    if isinstance(node, nir.LI | nir.CubaLI):
        return Population(int(np.prod(shape)), Passive(**membrane), **more)
    fires = {"threshold": _one(node.v_threshold), "reset_potential": _one(node.v_reset)}
    return Population(int(np.prod(shape)), LeakyIntegrateAndFire(**membrane, **fires), **more)


def _named(name: str) -> str:
    """A node's name as a part's."""
    text = "".join(c if c.isalnum() else "_" for c in name)
    return text if text[:1].isalpha() else f"node_{text}"


def _projections(read: _Graph, name: str, populations: Mapping[str, Population]) -> list[Projection]:
    """What goes into a node."""
    node, nir, unit = read.nodes[name], read.nir, read.unit
    if isinstance(node, nir.Input):
        return []
    made = []
    target = populations[name]
    for number, way in enumerate(read.ways(name)):
        weights = np.eye(target.n) if way.weights is None else way.weights
        post, pre = np.nonzero(weights)
        delays = np.broadcast_to(way.delays, weights.shape)[post, pre]
        synapse, scale = _synapse(nir, name, node, way.filters, unit)
        strengths = weights[post, pre] * np.broadcast_to(scale, (target.n,))[post]
        wire = edge_list(pre, post, strengths, delays)
        made.append(Projection(populations[way.source], target, synapse, wire, name=f"{_named(way.source)}_to_{_named(name)}_{number}"))
    return made


def _synapse(nir: Any, name: str, node: Any, filters: tuple[Any, ...], unit: float) -> tuple[SynapseModel, Any]:
    """What spikes do that come through `LI` nodes into a membrane, and by what their weights are multiplied."""
    gains = [np.asarray(f.r, np.float64).ravel() / np.asarray(f.tau, np.float64).ravel() for f in filters]
    taus = [np.asarray(f.tau, np.float64).ravel() / unit for f in filters]
    if any(np.any(f.v_leak) for f in filters):
        raise UnsupportedError(f"An LI before the NIR node {name!r} has a v_leak other than 0, a current that always flows.")
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        if filters:
            raise UnsupportedError(f"The NIR node {name!r} has a synapse of its own and an LI before it; the engine has one of both.")
        return ExponentialCurrent(tau=_one(np.asarray(node.tau_syn) / unit)), np.asarray(node.w_in).ravel() / np.asarray(
            node.tau_syn
        ).ravel()
    r = np.asarray(node.r, np.float64).ravel()
    if not filters:
        return Delta(), r if isinstance(node, nir.IF) else r / np.asarray(node.tau, np.float64).ravel()
    if len(filters) == 1:
        return ExponentialCurrent(tau=_one(taus[0])), gains[0]
    if len(filters) == 2 and np.allclose(taus[0], taus[1], rtol=1e-9):
        return AlphaCurrent(tau=_one(taus[0])), gains[0] * np.asarray(filters[1].r).ravel() / math.e
    raise UnsupportedError(f"Spikes reach the NIR node {name!r} through {len(filters)} LI nodes; the engine has one, or two of one tau.")
