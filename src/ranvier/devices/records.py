"""Records of a network on several devices: what each device reads of its share, and how the rows of all become those of the whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from ranvier.devices.processes import gathered
from ranvier.devices.shards import Shards
from ranvier.network import loop
from ranvier.network.constants import Constants
from ranvier.network.learning import OUTGOING, WEIGHT
from ranvier.network.plan import EdgePlan, SourcePlan
from ranvier.network.state import SimulationState
from ranvier.network.transfer import Outside
from ranvier.record.observe import EDGES, MEAN_WEIGHT, VALUE, Computed
from ranvier.record.plan import Column, Readable, RecordPlan, Track


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """Where the values of one quantity lie: the device of each, and the place there.

    Attributes:
        device, place: int `[values of the whole]`.
        room: how many values each device holds.
    """

    device: np.ndarray
    place: np.ndarray
    room: int


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ReadableShares(Readable):
    """A network on several devices that records may be read from: what there is, of which size in the whole.

    Attributes:
        shards: the network.
        share: one share that records may be read from.
        outsides: what takes each share's state in and out.
    """

    shards: Shards
    share: Readable
    outsides: Mapping[int, Outside]

    def shapes(self, part: str | Computed) -> dict[str, Any]:
        if isinstance(part, Computed):
            if part not in self._known:
                self._known[part] = self._computed(part)
            return self._known[part]
        own = self.share.shapes(part)
        return {v: jax.ShapeDtypeStruct((len(self.places(part, v).device),), x.dtype) for v, x in own.items()}

    def _computed(self, part: Computed) -> dict[str, Any]:
        net = self.shards.net
        names = [*net.populations, *(p.name for p in self.shards.plan.plastic)] if part.part is None else [part.part]
        if any(name not in (*net.populations, *(p.name for p in self.shards.plan.plastic)) for name in names):
            return self.share.shapes(part)  # says what is not recorded
        return {VALUE: jax.eval_shape(part.read, {name: self.shapes(name) for name in names})}

    def unit_of(self, part: str, variable: str) -> str:
        return self.share.unit_of(part, variable)

    def places(self, part: str, variable: str) -> Places:
        """Where a quantity of a part lies."""
        key = ("places", part, variable)
        if key not in self._known:
            self._known[key] = {variable: self._places(part, variable)}
        found: Places = self._known[key][variable]
        return found

    def _places(self, part: str, variable: str) -> Places:
        learning = self.constants.plastic.get(part)
        learnt = self.shards.plan.plasticity_of(part)
        if learnt is not None and learning is not None and learning.place.shape[0] and variable in (WEIGHT, *learnt.edge):
            n = len(learning.place)
            return _known_to_all(n)  # every device has read them from everywhere
        return places_of(self.shards, self.outsides, part, variable)


class _AsMany(Mapping):
    """Of each projection that learns, as many numbers as the whole has edges."""

    def __init__(self, shards: Shards, outside: Mapping[int, Outside]):
        self._shards, self._outside = shards, outside

    def __getitem__(self, name: str) -> Any:
        counts = gathered(self._shards, {i: np.array(len(o.places[name])) for i, o in self._outside.items()})
        return np.arange(int(np.sum(counts)))

    def __iter__(self) -> Iterator[str]:
        return iter(p.name for p in self._shards.plan.plastic)

    def __len__(self) -> int:
        return len(self._shards.plan.plastic)


def places_of(shards: Shards, outside: Mapping[int, Outside], part: str, variable: str) -> Places:
    """Where a quantity of a population or projection lies."""
    share = shards.shares[0]
    if part in shards.net.populations:
        return _of_populations(shards, [part])
    plastic = shards.plan.plasticity_of(part)
    if plastic is not None and variable in (EDGES, MEAN_WEIGHT):
        return _known_to_all(1)
    if plastic is not None and plastic.structure is not None and variable.startswith(f"{OUTGOING} "):
        return _known_to_all(plastic.sources)
    if plastic is not None and variable in (WEIGHT, *plastic.edge):
        places = gathered(shards, {i: np.asarray(o.places[part]) for i, o in outside.items()})
        device = np.concatenate([np.full(len(place), d) for d, place in enumerate(places)])
        return Places(device, np.concatenate(places), plastic.width)
    wire = shards.plan.wire(part)
    synapses = shards.plan.synapses_named(wire.pieces[0].synapses)
    if variable in ("conductance", "current"):
        return _of_populations(shards, share.target_names(part))
    if wire.short_term is not None and variable in shards.plan.synapses_named(wire.short_term).variables:
        return _of_populations(shards, [share.source_name(part)])
    if isinstance(synapses, SourcePlan):
        return _of_populations(shards, [share.source_name(part)])
    if isinstance(synapses, EdgePlan):
        edges = shards.shares[shards.here[0]].edges_of[part]
        device, place = (np.empty(sum(map(len, edges)), np.int64) for _ in range(2))
        for d, some in enumerate(edges):
            device[some], place[some] = d, np.arange(len(some))
        return Places(device, place, synapses.states)
    return _of_populations(shards, share.target_names(part))


def _known_to_all(n: int) -> Places:
    return Places(np.zeros(n, np.int64), np.arange(n), n)


def _of_populations(shards: Shards, names: list[str]) -> Places:
    device, place, room = [], [], 0
    for name in names:
        cut = shards.shares[0].cuts[name]
        counts = [int(cut.count(d)) for d in range(cut.devices)]
        device.append(np.repeat(np.arange(cut.devices), counts))
        place.append(np.concatenate([room + np.arange(n) for n in counts]))
        room += cut.room
    return Places(np.concatenate(device), np.concatenate(place), room)


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A column as the devices read it: of each which of the column's values are its own, and where in its buffer they are."""

    width: int
    values: list[np.ndarray]
    at: list[np.ndarray]
    subsets: list[np.ndarray]
    reads: tuple[Any, str, bool]


class SharedRecords:
    """What the devices read for a `RecordPlan`.

    Attributes:
        groups, widths: of the compiled loop's buffers on each device.
        subsets: of each device.
    """

    def __init__(self, plan: RecordPlan, readable: ReadableShares, devices: int):
        self._plan, self._devices = plan, devices
        self._parts = [[self._part(readable, track, column) for track, column in columns] for columns in plan.columns.values()]
        self.groups = tuple(
            loop.ReadGroup(group.rows, tuple(part.reads for part in parts)) for group, parts in zip(plan.groups, self._parts, strict=True)
        )
        self.widths = [[part.width for part in parts] for parts in self._parts]
        self.subsets = [[[part.subsets[d].astype(np.int32) for part in parts] for parts in self._parts] for d in range(devices)]

    def _part(self, readable: ReadableShares, track: Track, column: Column) -> _Part:
        part, variable, some = column.reads
        none = [np.zeros(0, np.int64)] * self._devices
        if isinstance(part, Computed):
            everything = np.arange(len(track.neurons))
            return _Part(len(everything), [everything, *none[1:]], [everything, *none[1:]], none, column.reads)
        places = readable.places(part, variable)
        device, place = places.device[track.neurons], places.place[track.neurons]
        values = [np.flatnonzero(device == d) for d in range(self._devices)]
        if not some:
            return _Part(places.room, values, [place[v] for v in values], none, column.reads)
        width = max(map(len, values))
        subsets = [np.pad(place[v], (0, width - len(v))) for v in values]
        return _Part(width, values, [np.arange(len(v)) for v in values], subsets, column.reads)

    def joined(self, buffers: list[Any]) -> Any:
        """The buffers of the whole, from those of all devices."""
        result = []
        for g, (group, parts) in enumerate(zip(self.groups, self._parts, strict=True)):
            of_devices = [loop.split_buffers(group, self.widths[g], own[g]) for own in buffers]
            kinds: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
            for c, part in enumerate(parts):
                first = of_devices[0][c]
                values = np.empty((first.shape[0], sum(map(len, part.values))), first.dtype)
                for d, own in enumerate(of_devices):
                    values[:, part.values[d]] = own[c][:, part.at[d]]
                kinds[part.reads[1] in loop.TIMES].append(values)
            rows = group.rows + 1
            result.append(tuple(np.concatenate(k, axis=1) if k else np.zeros((rows, 0)) for k in kinds))
        return tuple(result)


def readable_shares(shards: Shards, constants: Constants, state: SimulationState, outside: Mapping[int, Outside]) -> ReadableShares:
    """What records may be read from, of one share's numbers and state as an example."""
    lead = shards.here[0]
    own = dataclasses.replace(shards.shares[lead].state(state, shards.edges(outside)[lead]), in_flight=state.in_flight)
    return ReadableShares(
        plan=shards.whole,
        constants=constants,
        state=state,
        outside=Outside((), _AsMany(shards, outside)),
        shards=shards,
        share=Readable(dataclasses.replace(shards.plan, histories=()), constants, own, outside[lead], shards.echo),
        outsides=outside,
    )
