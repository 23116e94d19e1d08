"""How much memory a network will take on each device, before its edges are drawn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ranvier import doors
from ranvier.connect.assemble import usable_cores
from ranvier.connect.base import RowRule
from ranvier.connect.by_source import BySource
from ranvier.connect.degrees import FixedOutDegree
from ranvier.connect.part import Part
from ranvier.devices.mesh import check_sizes
from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.memory import available_memory
from ranvier.network.draw import draw_population, projection_key, projection_part
from ranvier.network.explain import _size
from ranvier.network.facts import initial_state
from ranvier.network.numbers import ProjectionNumbers, numbers_of
from ranvier.network.receptors import BLOCKS_FROM, MOST_BLOCKS
from ranvier.network.spec import Network, Population
from ranvier.neurons.base import NeuronModel
from ranvier.random import Distribution, Key
from ranvier.record.record import Record
from ranvier.steps import in_steps
from ranvier.surroundings import inside

MOST_DEVICES = 2**20
SHARE = 0.9  # of a device's memory that may be taken


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """What a network takes on each of some devices, in bytes. Printing it shows a table.

    Attributes:
        devices: how many share it by target neuron.
        neurons: the state and parameters of a device's neurons and of the synaptic states at them.
        edges: targets, weights and what learning keeps, of the edges onto a device's neurons, with the tables to find them by.
        history: the spikes on their way; every device has all of them.
        records: what is recorded in memory, which the host keeps; not part of `device`.
        available: what a device has free.
        many_edges: how many edges there are in all, those that are not stored included.
        devices_needed: how few devices would do; None where no number would.
    """

    devices: int
    neurons: int
    edges: int
    history: int
    records: int
    available: int
    many_edges: int
    devices_needed: int | None

    @property
    def device(self) -> int:
        """What one device takes in all."""
        return self.neurons + self.edges + self.history

    @property
    def fits(self) -> bool:
        """Whether a device has room for it."""
        return self.device <= SHARE * self.available

    def require(self) -> None:
        """Refuses what does not fit.

        Raises:
            ParameterError: with what it takes, what there is, and how many devices would do.
        """
        if not self.fits:
            more = (
                f"{self.devices_needed} devices would do"
                if self.devices_needed
                else "no number of devices would do, as each has all spikes"
            )
            raise ParameterError(
                f"The network needs {_size(self.device)} on each of {self.devices} devices, and {_size(self.available)} are free there; "
                f"{more}. "
                "precision='single' takes about half, and edges that need not be stored (stored=False) none."
            )

    def _lines(self) -> Iterator[str]:
        yield f"on each of {self.devices} devices" if self.devices > 1 else "on one device"
        for what in ("neurons", "edges", "history"):
            yield f"  {what + ':':<10}{_size(getattr(self, what))}"
        yield f"  {'in all:':<10}{_size(self.device)} of {_size(self.available)}"
        yield f"records on the host: {_size(self.records)}"
        yield f"edges in all: {self.many_edges}"
        if not self.fits:
            yield (
                f"does not fit; {self.devices_needed} devices would do" if self.devices_needed else "does not fit on any number of devices"
            )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__


def plan_memory(
    network: Network | Population | NeuronModel,
    devices: int = 1,
    *,
    dt: Any = 0.1,
    duration: Any = None,
    record: Record | list[Record] | None = None,
    precision: str = "double",
    memory: int | None = None,
    seed: int = 0,
) -> MemoryPlan:
    """How much memory a network will take, before it is built. No edge is drawn whose rule tells how many there are.

    Args:
        network: what `rv.simulate` takes.
        devices: on how many devices it is to run, its neurons shared among them.
        dt: the step (ms), on which the length of the spikes' history depends.
        duration: how long it is recorded (ms); without it records count nothing.
        record: what is recorded besides spikes.
        precision: `"double"` or `"single"`.
        memory: bytes that a device has; without it, what this machine's has free.
        seed: of the numbers of edges that are drawn.

    Returns:
        A `MemoryPlan`; `.require()` refuses one that does not fit.

    Raises:
        ParameterError: something is no such number, or a device would be without neurons.

    Example:
        >>> import ranvier as rv
        >>> plan = rv.plan_memory(rv.models.microcircuit(), devices=4, precision="single", memory=2**30)
        >>> plan.fits, plan.many_edges > 2.9e8, round(plan.edges / 2**20, -2)
        (True, True, 600.0)
    """
    from ranvier.given import as_network, checked_precision, checked_records

    devices, dt = doors.count(devices, "devices", low=1, high=MOST_DEVICES), doors.interval(dt, "dt")
    net, single = as_network(network, None, None)
    many = {name: p.n for name, p in net.populations.items()}
    check_sizes(many, devices)
    real = {"double": 8, "single": 4}[checked_precision(precision)]
    length = None if duration is None else doors.duration(duration, "duration")
    if memory is not None:
        memory = doors.count(memory, "memory", low=1, high=2**62)
    records = checked_records(record, single) or []
    with inside():
        sizes = _sizes(net, dt, real, doors.seed(seed))
        free = int(_free()) if memory is None else memory
        each = lambda devices: _on_each(sizes, devices)
        kept = 0 if length is None else sum(_of_record(r, net, length, dt, real) for r in records)
    needed = next((d for d in _growing(devices, max(many.values(), default=1)) if sum(each(d)) <= SHARE * free), None)
    if needed is not None:
        needed = next(d for d in range(max(1, needed // 2), needed + 1) if sum(each(d)) <= SHARE * free)
    return MemoryPlan(devices, *each(devices), kept, free, sizes.many_edges, needed)


@dataclasses.dataclass
class _Sizes:
    """What is shared among devices, and what each has whole."""

    neurons: float = 0.0
    edges: float = 0.0
    tables: float = 0.0
    history: float = 0.0
    many_edges: int = 0


def _growing(devices: int, most: int) -> Iterator[int]:
    most = min(most, MOST_DEVICES)
    while devices < most:
        yield devices
        devices *= 2
    yield most


def _on_each(sizes: _Sizes, devices: int) -> tuple[int, int, int]:
    return math.ceil(sizes.neurons / devices), math.ceil(sizes.edges / devices + sizes.tables), math.ceil(sizes.history)


def _free() -> float:
    if dispatch.platform() == "cpu":
        return available_memory()
    stats = jax.devices()[0].memory_stats() or {}
    return float(stats.get("bytes_limit", 0)) - float(stats.get("bytes_in_use", 0))


def _sizes(net: Network, dt: float, real: int, seed: int) -> _Sizes:
    numbers, found, key = numbers_of(net), _Sizes(), Key(seed)
    total = sum(p.n for p in net.populations.values())
    for name, population in net.populations.items():
        own = draw_population(name, population.n, numbers[name], key.child("population").child(name), dt)
        each = sum(real for leaf in jax.tree.leaves((own.model, own.stimulus)) if np.ndim(leaf) == 1 and len(leaf) == population.n)
        # The state and its copy in the loop, the last spike, flags, and the list of spikes.
        found.neurons += population.n * (2 * real * len(own.values) + each + 4 + 2 + 48)
    longest, sharing = 0, _shared(net)
    for name, projection in net.projections.items():
        given = numbers[name]
        assert isinstance(given, ProjectionNumbers)
        part = projection_part(name, projection, given, projection_key(key, name), dt)
        edges = _count(part)
        found.many_edges += edges
        delays, most = _delays(part)
        longest = max(longest, most)
        targets = sum(t.n for t in projection.targets)
        states = len(initial_state(projection.synapse, 1, Key(0)))
        rule = projection.plasticity
        if isinstance(part.rule, BySource) and not part.rule.stored:
            found.tables += 12 * part.sources
            found.neurons += 2 * real * states * targets
            continue
        if projection.site != "target":
            found.edges += edges * (8 + real * (1 + (2 * states if projection.site == "edge" else 0)))
            found.neurons += 2 * real * states * (part.sources if projection.site == "source" else 0)
            continue
        apart = np.ndim(part.weight) or callable(part.weight) or isinstance(part.weight, Distribution) or sharing[name] or rule is not None
        of_rule = 0 if rule is None else 12 + real * len(rule.edge_state())
        found.edges += edges * (4 + (real if apart else 0) + of_rule)
        blocks = min(usable_cores(), MOST_BLOCKS) if targets >= BLOCKS_FROM else 1
        rows = part.sources if rule is not None or projection.short_term_plasticity is not None else total
        found.tables += 4.0 * blocks * rows * (delays + 1) / (sharing[name] + 1)
        found.neurons += 2 * real * states * targets / (sharing[name] + 1)
    found.history = 4.0 * total * (1 << longest.bit_length()) if net.projections else 0.0
    return found


def _shared(net: Network) -> dict[str, int]:
    """With how many others each projection shares its states and its list of edges."""
    like: dict[Any, list[str]] = {}
    for name, p in net.projections.items():
        leaves = tuple(map(str, jax.tree.leaves(p.synapse)))
        onto = frozenset(type(t.model) for t in p.targets)  # populations of one model advance together
        plain = p.site == "target" and p.share and p.plasticity is None and p.short_term_plasticity is None and p.rule.stored
        like.setdefault((onto, type(p.synapse), leaves) if plain else name, []).append(name)
    return {name: len(names) - 1 for names in like.values() for name in names}


def _count(part: Part) -> int:
    """How many edges a part has: drawn where the seed decides, as it will be."""
    key = part.key.child("edges")
    if isinstance(part.rule, BySource):
        return int(part.rule.out_degrees(part.sources, part.size, part.own, key).sum())
    if isinstance(part.rule, FixedOutDegree):
        return part.rule.degree * part.sources
    if isinstance(part.rule, RowRule):
        return int(part.rule.rows(part.sources, part.size, part.own, key).degrees.sum())
    return len(part.rule.edges(part.sources, part.size, range(part.size), part.own, key))


def _delays(part: Part) -> tuple[int, int]:
    """How many delays there are, up to the next power of two, and the longest in steps, as far as can be told without drawing."""
    if isinstance(part.delay, Distribution):
        low, high = part.delay.ends()
        if not np.isfinite(high):
            return 64, 64
        low, high = max(0.0, low) / part.dt, high / part.dt
        return 1 << max(0, math.ceil(high - low)).bit_length(), math.ceil(high)
    if callable(part.delay):
        return 64, 64
    steps = np.unique(in_steps(part.delay, part.dt, f"The delay of {part.name}"))
    return 1 << (len(steps) - 1).bit_length(), int(steps.max(initial=0))


def _of_record(record: Record, net: Network, duration: float, dt: float, real: int) -> int:
    """What a record keeps, one row each time it is due."""
    every = dt if record.every is None else record.every
    rows = duration / (every if record.every_steps is None else record.every_steps * dt) + 1
    if record.keep is not None:
        rows = min(rows, record.keep / every)
    if record.reduce is not None or record.function is not None:
        width = 1
    else:
        part = net.find(record.part)[0]
        whole = net.populations[part].n if part in net.populations else sum(t.n for t in net.projections[part].targets)
        width = whole if record.neurons is None else len(record.neurons)
    return int(rows * width * max(1, len(record.variables)) * real)
