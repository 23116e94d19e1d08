"""What the devices of a network tell each other, where its neurons lie on several.

Every population is cut into stretches of neighbouring neurons, one a device; the first devices have one
neuron more where their number does not divide. The compiled step is the same on all, so that each device has room for the
longest stretch: what is behind the end of a shorter one repeats its last neuron, is told to nobody and read by nobody.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels import dispatch
from ranvier.network.plan import GroupPlan, Plan

AXIS = "devices"
OUTBOX = "outbox"
"""Where a device keeps flags of its spikes of the last steps, among what is in flight."""
MOST_STEPS_KEPT = 16
PLACES_A_SPIKE = 128
"""A device tells at once so many spikes as if one in so many of its neurons spiked in each step."""


@dataclasses.dataclass(frozen=True)
class Cut:
    """A population of `n` neurons, cut for so many devices.

    Example:
        >>> cut = Cut(7, 3)
        >>> [(int(cut.first(d)), int(cut.count(d))) for d in range(3)], cut.room
        ([(0, 3), (3, 2), (5, 2)], 3)
    """

    n: int
    devices: int

    @property
    def room(self) -> int:
        """How many neurons each device has room for."""
        return -(-self.n // self.devices)

    @property
    def even(self) -> bool:
        """Whether all devices have as many."""
        return self.n % self.devices == 0

    def first(self, device: Any) -> Any:
        """The number of a device's first neuron."""
        return device * (self.n // self.devices) + np.minimum(device, self.n % self.devices)

    def count(self, device: Any) -> Any:
        """How many neurons a device has."""
        return self.n // self.devices + (device < self.n % self.devices)

    def places(self, device: int) -> np.ndarray:
        """The number of the neuron in each of a device's places; the last one's again where there is room left."""
        return np.minimum(self.first(device) + np.arange(self.room), max(self.first(device) + self.count(device), 1) - 1)

    def joined(self, shares: Any) -> Any:
        """What the devices have, `[devices, room, …]`, as `[n, …]`."""
        library: Any = np if isinstance(shares, np.ndarray) else jnp
        more, rest = self.n % self.devices, shares.shape[2:]
        if self.even:
            return shares.reshape(self.n, *rest)
        longer, shorter = shares[:more], shares[more:, : self.room - 1]
        return library.concatenate([longer.reshape(-1, *rest), shorter.reshape(-1, *rest)])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Window:
    """Steps of which native kernels tell each other together.

    Attributes:
        first: the first of them, int64.
        since: where the spikes of these steps begin in the device's list.
        most: the most spikes that any device lists, as they last told.
        stop: the step by which all must have been told.
        every: how many steps there are at most.
    """

    first: Any
    since: Any
    most: Any
    stop: Any
    every: Any


@dataclasses.dataclass(frozen=True)
class Exchange:
    """What one device's step asks of the others; structure, so that it decides what is compiled.

    Attributes:
        mesh: the devices, along the one axis `AXIS`.
        populations: name and whole size of each, in the user's order.
        hears: whether anything needs to know who spiked elsewhere.
        later: for how many steps spikes may be kept before the others are told, where no delay is shorter; 0 where they are told
            in the step itself.
        in_bits: whether a bit tells that a neuron spiked, not a byte: where packing costs less than the way. What is told of several
            steps is then flags, too; else it is a list of spikes, and nothing needs to be kept in the step itself.
        circle: the number under which native kernels know the devices and tell each other who spiked; 0 where XLA does.
    """

    mesh: jax.sharding.Mesh
    populations: tuple[tuple[str, int], ...]
    hears: bool
    later: int = 0
    in_bits: bool = False
    circle: int = 0

    @property
    def devices(self) -> int:
        """How many there are."""
        return int(self.mesh.size)

    @property
    def listed(self) -> bool:
        """Whether devices tell each other lists of the spikes of several steps."""
        return bool(self.later) and not self.in_bits

    @property
    def at_once(self) -> int:
        """How many spikes of a device are told at once; more take more rounds."""
        return 1 << max(6, (self.later * sum(self.cut(name).room for name, _ in self.populations) // PLACES_A_SPIKE).bit_length())

    def cut(self, population: str) -> Cut:
        """How a population is cut."""
        return Cut(dict(self.populations)[population], self.devices)

    def of_all(self, values: jax.Array) -> jax.Array:
        """Flags of each device's neurons, for the whole network, both in the user's order: `[neurons here]` to `[neurons]`."""
        if self.circle:
            whole = jax.ShapeDtypeStruct((sum(n for _, n in self.populations),), np.dtype(bool))
            return dispatch.native_call("tell_spikes", whole, values, self._here(), circle=self.circle, sizes=self._sizes)
        shares = self._gathered(values)
        parts, first = [], 0
        for name, _ in self.populations:
            cut = self.cut(name)
            parts.append(cut.joined(shares[:, first : first + cut.room]))
            first += cut.room
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)

    def tell(self, kept: jax.Array, spikes: jax.Array) -> tuple[jax.Array, jax.Array]:
        """What each device kept of who spiked, `[steps, neurons here]`, for all, `[steps, neurons]`; and the most spikes that any lists."""
        steps, n = kept.shape
        count = jax.lax.bitcast_convert_type(spikes.astype(jnp.int32), jnp.uint8)
        shares = jax.lax.all_gather(jnp.concatenate([self._written(kept.reshape(-1)), count]), AXIS)
        most = jnp.max(jax.lax.bitcast_convert_type(shares[:, -4:], jnp.int32))
        flags = self._read(shares[:, :-4], steps * n).reshape(self.devices, steps, n)
        parts, first = [], 0
        for name, _ in self.populations:
            cut = self.cut(name)
            parts.append(jnp.swapaxes(cut.joined(jnp.swapaxes(flags[:, :, first : first + cut.room], 1, 2)), 0, 1))
            first += cut.room
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=1), most

    def tell_listed(self, steps: jax.Array, neurons: jax.Array, since: Any, until: Any, first: Any) -> tuple[jax.Array, jax.Array]:
        """Who spiked from step `first` on, on all devices; and the most spikes that any lists.

        Args:
            steps, neurons: each device's list of spikes, by its own numbers.
            since, until: where in it those of these steps are.
            first: the step.

        Returns:
            bool `[steps, neurons]`, and a number.
        """
        rooms = [self.cut(name).room for name, _ in self.populations]
        n, size, whole = sum(rooms), self.at_once, sum(n for _, n in self.populations)
        place = jnp.arange(size)

        def round_of(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            begun, flags, _, _ = carry
            at = since + begun + place
            code = (steps.at[at].get(mode="clip") - first).astype(jnp.int32) * n + neurons.at[at].get(mode="clip")
            ends = jnp.stack([until - since, until]).astype(jnp.int32)
            told = jax.lax.all_gather(jnp.concatenate([jnp.where(at < until, code, self.later * n), ends]), AXIS)
            step, own = jnp.divmod(told[:, :-2], n)
            flags = flags.at[step, self._numbers(own)].set(True, mode="drop")
            return begun + size, flags, jnp.max(told[:, -2]), jnp.max(told[:, -1])

        begin = jnp.int32(0), jnp.zeros((self.later, whole), bool), jnp.int32(1), jnp.int32(0)
        _, flags, _, most = jax.lax.while_loop(lambda carry: carry[0] < carry[2], round_of, begin)
        return flags, most

    def tell_when_due(
        self, steps: jax.Array, neurons: jax.Array, until: Any, k: Any, history: dict[str, Any], window: Window
    ) -> tuple[dict[str, Any], Window]:
        """The same by native kernels, where `k` ends the window, and noted for delivery at once; nothing at other steps.

        Args:
            steps, neurons, until: a device's list of spikes, and how many it has.
            k: the step that comes next.
            history: of all spikes.
            window: of what is told.
        """
        updated = history["source"], history["count"], window.since, window.first, window.most
        given = steps, neurons, until, k, window.stop, window.every, self._here()
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in updated]
        aliases = {len(given) + i: i for i in range(len(updated))}
        how = {"circle": self.circle, "sizes": self._sizes}
        source, count, since, first, most = dispatch.native_call("tell_listed", shapes, *given, *updated, aliases=aliases, **how)
        return {**history, "source": source, "count": count}, dataclasses.replace(window, since=since, first=first, most=most)

    def most_when_due(self, number: Any, k: Any, window: Window) -> Window:
        """With the largest of what the devices have, by native kernels, where `k` ends the window."""
        given = number, k, window.stop, window.every, self._here()
        shapes = [jax.ShapeDtypeStruct((), np.dtype(np.int64))] * 2
        aliases = {len(given) + i: i for i in range(2)}
        first, most = dispatch.native_call("tell_most", shapes, *given, window.first, window.most, aliases=aliases, circle=self.circle)
        return dataclasses.replace(window, first=first, most=most)

    def in_order(self, step: jax.Array, *before: Any) -> jax.Array:
        """A step, once all else is there: what native kernels tell each other must not begin while XLA's collectives go on."""
        if not self.circle or not before:
            return step
        shape = jax.ShapeDtypeStruct(step.shape, step.dtype)
        return jnp.asarray(dispatch.native_call("after", shape, step, *before, aliases={0: 0}))

    @property
    def _sizes(self) -> np.ndarray:
        return np.array([n for _, n in self.populations], np.int64)

    def _numbers(self, own: jax.Array) -> jax.Array:
        """The numbers in the whole network of neurons given by each device's own, `[devices, some]`."""
        cuts = [self.cut(name) for name, _ in self.populations]
        starts = np.cumsum([0, *(cut.room for cut in cuts)])[:-1]
        firsts = np.cumsum([0, *(cut.n for cut in cuts)])[:-1]
        device = np.arange(self.devices)
        table = np.stack([first + cut.first(device) - start for first, cut, start in zip(firsts, cuts, starts, strict=True)], axis=1)
        which = sum(((own >= start).astype(jnp.int32) for start in starts[1:]), jnp.zeros_like(own))
        return own + jnp.asarray(table, jnp.int32)[device[:, None], which]

    def of_population(self, values: jax.Array, population: str) -> jax.Array:
        """What each device has of its neurons of one population, for all of it; `[room, …]` to `[n, …]`."""
        return self.cut(population).joined(self._gathered(values))

    def end_to_end(self, values: jax.Array) -> jax.Array:
        """What the devices have, one device after the other."""
        shares = self._gathered(values)
        return shares.reshape(-1, *shares.shape[2:])

    def part_of(self, values: jax.Array, population: str) -> jax.Array:
        """A population's part of what is known of the whole network."""
        first = 0
        for name, n in self.populations:
            if name == population:
                return values[first : first + n]
            first += n
        raise KeyError(population)

    def _gathered(self, values: jax.Array) -> jax.Array:
        if values.dtype == jnp.bool_:
            told = jax.lax.all_gather(self._written(values.reshape(-1)), AXIS)
            return self._read(told, values.size).reshape(-1, *values.shape)
        return jax.lax.all_gather(values, AXIS)

    def _written(self, flags: jax.Array) -> jax.Array:
        """Flags `[n]` as bytes."""
        return jnp.packbits(flags) if self.in_bits else flags.astype(jnp.uint8)

    def _read(self, told: jax.Array, n: int) -> jax.Array:
        """The flags of all devices `[devices, n]` from their bytes."""
        return (jnp.unpackbits(told, axis=1, count=n) if self.in_bits else told) != 0

    def most(self, value: jax.Array) -> jax.Array:
        """The largest of what the devices have."""
        if self.circle:
            none = jnp.zeros((), jnp.int64)
            return jnp.asarray(self.most_when_due(value, none, Window(none, none, none, none, none)).most)
        return jax.lax.pmax(value, AXIS)

    def total(self, value: jax.Array) -> jax.Array:
        """The sum of what the devices have."""
        return jax.lax.psum(value, AXIS)

    def real(self, group: GroupPlan) -> Any:
        """Which of a group's places on this device have a neuron of their own, bool `[n]`; None where all have."""
        cuts = [self.cut(name) for name in group.members]
        if all(cut.even for cut in cuts):
            return None
        here = self._here()
        return jnp.concatenate([jnp.arange(cut.room) < cut.count(here) for cut in cuts])

    def _here(self) -> jax.Array:
        """The number of the device that this is computed on."""
        return jax.lax.axis_index(AXIS)

    def only_real(self, plan: Plan, spiked: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Who spiked, by group, without those that stand for nobody."""
        real = {g.name: self.real(g) for g in plan.groups}
        return {name: flags if real[name] is None else flags & real[name] for name, flags in spiked.items()}


class Echo(Exchange):
    """Stands for an exchange where one share is looked at by itself: for shapes and units, not for values. All others are as this one."""

    def _gathered(self, values: jax.Array) -> jax.Array:
        return jnp.broadcast_to(values, (self.devices, *jnp.shape(values)))

    def _here(self) -> jax.Array:
        return jnp.zeros((), jnp.int32)

    def most(self, value: jax.Array) -> jax.Array:
        return value

    def total(self, value: jax.Array) -> jax.Array:
        return value
