"""The compiled loop: steps from `k0` to `k1`, with records and spikes kept in buffers of fixed size.

It stops early when the spikes of the next step might not fit; the host empties
the buffers and calls again. One compilation serves every length. The state goes in and comes out as the step
carries it, and stays on the device: of size n only the spikes and rows are seen by the host.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.integrators.base import Integrator
from ranvier.integrators.stochastic import StochasticIntegrator
from ranvier.kernels import compact_spikes, dispatch, on_gpu
from ranvier.kernels.one_function import MOST_COMPUTED, as_one_function
from ranvier.network.constants import Constants, EventEdges
from ranvier.network.exchange import AXIS, Exchange, Window
from ranvier.network.native_steps import Turns
from ranvier.network.plan import ALL_SPIKES, EdgePlan, MergedPlan, Plan, ReceptorPlan
from ranvier.network.step import Stepper
from ranvier.network.working import StepState, Variables
from ranvier.progress import stage
from ranvier.record.observe import observables

CACHED_PROGRAMS = 32
STEPS_BETWEEN_QUESTIONS = 16  # whether a device's list of spikes is full
KEPT_BUFFERS = 2**24  # bytes of a program's buffers that are kept from run to run
MOST_AT_ONCE = 64
"""Steps that are computed together, where the network is that small."""
TIMES = ("last_spike",)
"""Recordable quantities that are times, and stay in double precision."""


@dataclasses.dataclass(frozen=True)
class ReadGroup:
    """Records with one schedule. `rows` is the length of its buffers, `reads` what they hold; the schedule is an argument.

    All reads lie side by side in one buffer, but times, which stay in double
    precision, in another: one operation to write them, whatever is recorded.
    """

    rows: int
    reads: tuple[tuple[Any, str, bool], ...]
    """(part, variable, whether a subset of the neurons)"""


@dataclasses.dataclass(frozen=True)
class Program:
    """All that decides what is compiled, apart from the shapes of the arguments.

    Attributes:
        largest: how far each group's membrane potential may go before the run is taken to have gone wrong (mV).
        exchange: what tells of the other devices, where the plan is that of one device's share.
    """

    plan: Plan
    integrator: Integrator
    groups: tuple[ReadGroup, ...]
    capacity: int
    packed: bool
    largest: tuple[float, ...]
    exchange: Exchange | None = None


@jax.tree_util.register_pytree_node_class
class Shared:
    """A tree with what is shared among its parts passed once.

    A stimulus that drives two populations is then one to XLA, which computes
    it once a stage, not twice.
    """

    def __init__(self, tree: Any):
        leaves, self._structure = jax.tree.flatten(tree)
        unique = {id(leaf): leaf for leaf in leaves}
        position = {key: i for i, key in enumerate(unique)}
        self._leaves = list(unique.values())
        self._where = tuple(position[id(leaf)] for leaf in leaves)

    @property
    def bytes(self) -> int:
        """How much memory it takes."""
        return sum(leaf.nbytes for leaf in self._leaves)

    def tree(self) -> Any:
        """The tree."""
        return jax.tree.unflatten(self._structure, [self._leaves[i] for i in self._where])

    def tree_flatten(self) -> Any:
        return self._leaves, (self._structure, self._where)

    @classmethod
    def tree_unflatten(cls, aux: Any, leaves: Any) -> Any:
        self = object.__new__(cls)
        self._leaves, (self._structure, self._where) = list(leaves), aux
        return self


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Carry:
    state: StepState
    spike_steps: jax.Array
    spike_neurons: jax.Array
    spikes: jax.Array
    ended: jax.Array
    full: jax.Array
    records: tuple[tuple[jax.Array, ...], ...]


def buffer_shapes(program: Program, sizes: list[list[int]]) -> tuple[Any, Any, tuple[tuple[Any, ...], ...]]:
    """The buffers' shapes: spike steps, spike neurons, and for each group of reads its values and its times."""
    records = []
    for group, widths in zip(program.groups, sizes, strict=True):
        times = sum(width for (_, variable, _), width in zip(group.reads, widths, strict=True) if variable in TIMES)
        rows = group.rows + 1  # one more than is used: where rows that are not due are written to
        of = lambda width, dtype, rows=rows: jax.ShapeDtypeStruct((rows, width), np.dtype(dtype))
        records.append((of(sum(widths) - times, program.plan.dtype), of(times, np.float64)))
    of_spikes = lambda dtype: jax.ShapeDtypeStruct((program.capacity,), np.dtype(dtype))
    return of_spikes(np.int64), of_spikes(np.int32), tuple(records)


def new_buffers(program: Program, sizes: list[list[int]]) -> Any:
    """Empty buffers."""
    return jax.tree.map(lambda x: np.empty(x.shape, x.dtype), buffer_shapes(program, sizes))


def split_buffers(group: ReadGroup, widths: list[int], buffers: tuple[Any, ...]) -> list[np.ndarray]:
    """The columns of each read of a group, in its buffers on the host."""
    arrays, first, parts = [np.asarray(b) for b in buffers], [0, 0], []
    for (_, variable, _), width in zip(group.reads, widths, strict=True):
        kind = variable in TIMES
        parts.append(arrays[kind][:, first[kind] : first[kind] + width])
        first[kind] += width
    return parts


def checked_variables(plan: Plan) -> list[tuple[str, str]]:
    """What is looked at for numbers that have gone wrong, in order: (group or synapses, variable)."""
    return [
        *((g.name, v) for g in plan.groups for v in g.variables),
        *((s.name, v) for s in plan.synapses for v in s.variables),
        *((p.name, v) for p in plan.plastic for v in ("weight", *p.edge)),
    ]


def first_bad(program: Program, variables: Variables) -> jax.Array:
    """For each of `checked_variables` the index of the first value that is not finite or beyond all reason, −1 where there is none."""
    plan = program.plan
    largest = dict(zip((g.name for g in plan.groups), program.largest, strict=True))
    moving = {*((g.name, v) for g in plan.groups for v in g.moving), *((s.name, v) for s in plan.synapses for v in s.moving)}
    at_edges = {(p.name, v) for p in plan.plastic for v in ("weight", *p.edge)}
    homes = {s.name: s.group for s in plan.synapses if isinstance(s, ReceptorPlan)}
    seen: list[Callable[[], jax.Array] | None] = []
    any_of = []
    for owner, v in checked_variables(plan):
        values = variables[owner][v]
        if values.shape[0] == 0:
            seen.append(None)
            any_of.append(jnp.asarray(False))
            continue
        group = next((g for g in plan.groups if g.name in (owner, homes.get(owner))), None)
        real = None if program.exchange is None or group is None else program.exchange.real(group)
        bound = largest.get(owner) if v == "V" else None
        wrong = functools.partial(_wrong, values, (owner, v) in moving | at_edges, bound, real)
        seen.append(wrong)
        # For `any` XLA would write down a flag an edge. A sum is not finite where a weight is not, or where it is too large alone.
        any_of.append(~jnp.isfinite(values.sum()) if (owner, v) in at_edges else jnp.any(wrong()))
    none = lambda: jnp.full(len(seen), -1, jnp.int32)
    if all(wrong is None for wrong in seen):
        return none()

    def first() -> jax.Array:  # where one is takes XLA many times as long as whether there is one
        where = [jnp.int32(-1) if wrong is None else _first(wrong()) for wrong in seen]
        return jnp.stack(where)

    return jax.lax.cond(jnp.any(jnp.stack(any_of)), first, none)


def _first(wrong: jax.Array) -> jax.Array:
    at = jnp.argmax(wrong)
    return jnp.where(wrong[at], at, -1).astype(jnp.int32)


def _wrong(values: jax.Array, moving: bool, largest: float | None, real: jax.Array | None) -> jax.Array:
    """Which values are not finite, or beyond all reason, of those that are real."""
    wrong = ~jnp.isfinite(values) if moving else jnp.isnan(values)
    if largest is not None:
        wrong = wrong | (jnp.abs(values) > largest)
    return wrong if real is None else wrong & real


FRACTION_BITS = 24


def _with_fractions(steps: jax.Array, neurons: jax.Array, first: jax.Array, stop: jax.Array, fractions: jax.Array) -> jax.Array:
    """The list of steps with the place within the step, in 2⁻²⁴ of it, behind the new ones."""
    places = first + jnp.arange(fractions.shape[0])
    within = jnp.rint(fractions[neurons.at[places].get(mode="clip")].astype(jnp.float64) * 2**FRACTION_BITS).astype(jnp.int64)
    fine = (steps.at[places].get(mode="clip") << FRACTION_BITS) | jnp.clip(within, 0, 2**FRACTION_BITS - 1)
    return steps.at[jnp.where(places < stop, places, steps.shape[0])].set(fine, mode="drop")


def times_of(plan: Plan, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The steps of a list of spikes, and where in its step each was, if that is known."""
    if not plan.located:
        return steps, None
    return steps >> FRACTION_BITS, (steps & (2**FRACTION_BITS - 1)) / 2**FRACTION_BITS


def turns(program: Program, stepper: Callable[[], Stepper]) -> Turns:
    """The steps between one record and the next, as a loop."""

    def one_step(carry: Carry) -> Carry:
        k = carry.state.step
        state, flags = stepper().step(carry.state)
        with jax.named_scope("compact_spikes"):
            steps, neurons, spikes = compact_spikes(flags, k, carry.spike_steps, carry.spike_neurons, carry.spikes)
            if program.plan.located:
                steps = _with_fractions(steps, neurons, carry.spikes, spikes, stepper().fractions(state))
        return Carry(state, steps, neurons, spikes, carry.ended, carry.full, carry.records)

    several = 1 if program.plan.plastic else dispatch.turns_at_once()
    return Turns(one_step, lambda c: c.state.step, lambda c: c.spikes, program.capacity - program.plan.n, program.plan.n, several)


def turns_together(program: Program, stepper: Callable[[], Stepper], otherwise: Callable[[Any, Any], Any] | None = None) -> Turns:
    """The same on several devices, with what they tell each other in it: a loop of a carry and a window of what is told."""
    exchange, alone = program.exchange, turns(program, stepper)
    assert exchange is not None

    def one_step(turn: tuple[Carry, Window]) -> tuple[Carry, Window]:
        carry, window = alone.turn(turn[0]), turn[1]
        state = carry.state
        if not exchange.listed:
            return carry, exchange.most_when_due(carry.spikes, state.step, window)
        lists = carry.spike_steps, carry.spike_neurons, carry.spikes
        history, window = exchange.tell_when_due(*lists, state.step, state.in_flight[ALL_SPIKES], window)
        return dataclasses.replace(carry, state=dataclasses.replace(state, in_flight={**state.in_flight, ALL_SPIKES: history})), window

    room = program.capacity - STEPS_BETWEEN_QUESTIONS * program.plan.n
    return Turns(one_step, lambda turn: turn[0].state.step, lambda turn: turn[1].most, room, program.plan.n, 1, otherwise)


def steps_at_once(program: Program, constants: Constants) -> int:
    """How many steps are computed together, where XLA does all of them: of few neurons alone on a CPU, without noise; else 1.

    To launch the operations of such a step takes many times longer than what they compute.
    """
    plan = program.plan
    if plan.synapses or plan.plastic or plan.wires or plan.histories or plan.located or program.exchange is not None:
        return 1
    of_kernels = lambda g: g.fires != "test" or g.whole
    if isinstance(program.integrator, StochasticIntegrator) or any(map(of_kernels, plan.groups)):
        return 1
    if any(streams is not None for own in constants.groups.values() for streams in own.current_noise):
        return 1
    largest = max((g.n * (len(g.moving) if program.packed else 1) for g in plan.groups), default=0)
    if dispatch.platform() != "cpu" or not 0 < max(largest, plan.n) <= MOST_COMPUTED:
        return 1
    return min(MOST_AT_ONCE, program.capacity // (4 * plan.n))


def _beside_itself(program: Program, constants: Constants) -> tuple[Stepper, Any, Any]:
    """What takes a step, and how a state comes to it and back. A neuron alone in its group stands beside itself: what is one number XLA
    arranges otherwise than a row, and last bits would not be those of the same neuron among others."""
    plan = program.plan
    alone = all(g.n == 1 for g in plan.groups)
    if alone:
        groups = tuple(dataclasses.replace(g, sizes=(2,)) for g in plan.groups)
        populations = tuple(dataclasses.replace(p, n=2, first=2 * p.first) for p in plan.populations)
        plan = dataclasses.replace(plan, groups=groups, populations=populations)

    def enter(state: StepState) -> StepState:
        return jax.tree.map(lambda x: jnp.repeat(x, 2, -1) if alone and jnp.ndim(x) else x, state)

    def leave(state: Any) -> Any:
        return jax.tree.map(lambda x: x[..., ::2] if alone and jnp.ndim(x) else x, state)

    return Stepper(plan, constants, program.integrator, program.packed), enter, leave


def _append_rows(flags: jax.Array, first: jax.Array, steps: jax.Array, neurons: jax.Array, count: jax.Array) -> Any:
    """The list of spikes with those of several steps, one row of flags each: only rows that have some are looked through."""

    def one_row(left: Any) -> Any:
        waiting, lists = left
        row = jnp.argmax(waiting)
        flags_of_row = jax.lax.dynamic_index_in_dim(flags, row, keepdims=False)
        return waiting.at[row].set(False), compact_spikes(flags_of_row, first + row, *lists)

    return jax.lax.while_loop(lambda left: jnp.any(left[0]), one_row, (jnp.any(flags, axis=1), (steps, neurons, count)))[1]


def why_not_native(layout: Any, constants: Constants, state: StepState, exchange: Exchange | None = None) -> str:
    """Why the steps of a network, or of a share between two exchanges, are not one call of native kernels; nothing where they are.

    `state` is not packed.
    """
    program = Program(layout.plan, layout.integrator, (), layout.plan.n, False, ())
    steps, neurons, _ = new_buffers(program, [])
    nothing: Any = np.int64(0), np.bool_(False), np.bool_(False)
    carry = Carry(state, steps, neurons, nothing[0], nothing[1], nothing[2], ())
    with jax.enable_x64(True):
        stepper = lambda: Stepper(layout.plan, constants, layout.integrator, False, exchange=exchange)
        if exchange is None or not exchange.circle:
            return turns(program, stepper).why_not_native(carry)
        window = Window(*(np.int64(0),) * 5)
        return turns_together(dataclasses.replace(program, exchange=exchange), stepper).why_not_native((carry, window))


def _run(
    program: Program,
    shared: Shared,
    subsets: Any,
    state: StepState,
    buffers: Any,
    k1: jax.Array,
    schedules: list[jax.Array],
) -> tuple[StepState, Any, jax.Array, jax.Array]:
    constants = _with_most_arriving(program.plan, shared.tree())
    # One a trace: what it computes from the constants belongs to the body in which it is computed.
    stepper = lambda: Stepper(program.plan, constants, program.integrator, program.packed, exchange=program.exchange)
    n, exchange, at_once = program.plan.n, program.exchange, steps_at_once(program, constants)

    def write(carry: Carry) -> Carry:
        with jax.named_scope("record"):
            k = carry.state.step
            written = [
                _write_group(g, group, carry) if len(program.groups) == 1 else _write_if_due(g, group, carry, k)
                for g, group in enumerate(program.groups)
            ]
            return dataclasses.replace(carry, records=tuple(written))

    def _write_if_due(g: int, group: ReadGroup, carry: Carry, k: jax.Array) -> Any:
        every, first, _, _ = schedules[g]
        due = (jax.lax.rem(k - first, every) == 0) & (k >= first)
        return jax.lax.cond(due, lambda c: _write_group(g, group, c), lambda c: c.records[g], carry)

    def _write_group(g: int, group: ReadGroup, carry: Carry) -> Any:
        k = carry.state.step
        # The row of the next step that is due: written again until that step comes.
        every, first, last, first_row = schedules[g]
        row = jax.lax.div(k - first + every - 1, every) - first_row
        row = jnp.where((k > first - every) & (k <= last) & (row >= 0) & (row < group.rows), row, group.rows)
        values = read(stepper(), carry.state, group.reads, subsets[g])
        buffers = carry.records[g]
        return tuple(
            buffer.at[row].set(jnp.concatenate(parts).astype(buffer.dtype)) if parts else buffer
            for buffer, parts in zip(buffers, values, strict=True)
        )

    def full(carry: Carry) -> jax.Array:
        return carry.full if exchange is not None else carry.spikes + at_once * n > program.capacity

    def stretch(carry: Carry, stop: jax.Array) -> Carry:
        """Several steps as one function."""
        first = carry.state.step
        end = jnp.minimum(stop, first + at_once)

        def several(state: StepState, flags: jax.Array) -> tuple[StepState, jax.Array]:
            stepper, enter, leave = _beside_itself(program, constants)

            def one_step(turn: tuple[StepState, jax.Array]) -> tuple[StepState, jax.Array]:
                state, spiked = stepper.step(turn[0])
                return state, jax.lax.dynamic_update_slice(turn[1], leave(spiked)[None], (turn[0].step - first, 0))

            state, flags = jax.lax.while_loop(lambda turn: turn[0].step < end, one_step, (enter(state), flags))
            return leave(state), flags

        # Across the stages of a packed state LLVM would join products and sums of a few neurons as it does not of many.
        computed = several if program.packed else as_one_function(several)
        state, flags = computed(carry.state, jnp.zeros((at_once, n), bool))
        with jax.named_scope("compact_spikes"):
            steps, neurons, spikes = _append_rows(flags, first, carry.spike_steps, carry.spike_neurons, carry.spikes)
        return Carry(state, steps, neurons, spikes, carry.ended, carry.full, carry.records)

    def advance(carry: Carry, stop: jax.Array) -> Carry:
        if at_once > 1:
            return jax.lax.while_loop(lambda c: (c.state.step < stop) & ~full(c), lambda c: stretch(c, stop), carry)
        if exchange is None:
            return turns(program, stepper).run(carry, stop)

        # All devices must go on or stop together: whether one's list is full is asked of all, but not at every step.
        every = constants.tell_every if exchange.later else jnp.int64(STEPS_BETWEEN_QUESTIONS)

        def some_steps(carry: Carry, stop: jax.Array) -> Carry:
            first, since = carry.state.step, carry.spikes
            end = jnp.minimum(stop, first + every)
            if exchange.hears and not exchange.listed:  # they ask each other in the step
                carry = jax.lax.while_loop(lambda c: c.state.step < end, turns(program, stepper).turn, carry)
            else:
                carry = turns(program, stepper).run(carry, end)
            if exchange.later:
                state, most = stepper().told(carry.state, (carry.spike_steps, carry.spike_neurons), since, carry.spikes, first)
                carry = dataclasses.replace(carry, state=state)
            else:
                most = exchange.most(carry.spikes)
            return dataclasses.replace(carry, full=most + STEPS_BETWEEN_QUESTIONS * n > program.capacity)

        def in_windows(carry: Carry, stop: jax.Array) -> Carry:
            return jax.lax.while_loop(lambda c: (c.state.step < stop) & ~c.full, lambda c: some_steps(c, stop), carry)

        if not exchange.circle or (exchange.later and not exchange.listed):
            return in_windows(carry, stop)
        most = jnp.where(carry.full, jnp.int64(program.capacity), jnp.int64(0))
        window = Window(carry.state.step, carry.spikes, most, stop, every)

        def otherwise(turn: tuple[Carry, Window], stop: jax.Array) -> tuple[Carry, Window]:
            after = in_windows(turn[0], stop)
            return after, dataclasses.replace(turn[1], most=jnp.where(after.full, jnp.int64(program.capacity), jnp.int64(0)))

        carry, window = turns_together(program, stepper, otherwise).run((carry, window), stop)
        return dataclasses.replace(carry, full=window.most + STEPS_BETWEEN_QUESTIONS * n > program.capacity)

    def record_and_go_on(carry: Carry) -> Carry:
        k = carry.state.step
        carry = write(carry)
        if exchange is not None:
            step = exchange.in_order(k, *jax.tree.leaves(carry.records))
            carry = dataclasses.replace(carry, state=dataclasses.replace(carry.state, step=step))
        stop = k1
        for every, first, _, _ in schedules:
            following = jnp.where(k < first, first, k + every - jax.lax.rem(k - first, every))
            stop = jnp.minimum(stop, following)
        carry = advance(carry, stop)
        # One more round at k1 writes the row that may be due there.
        return dataclasses.replace(carry, ended=(k >= k1) | (full(carry) & (carry.state.step < k1)))

    carry = Carry(state, buffers[0], buffers[1], jnp.zeros((), jnp.int64), jnp.zeros((), bool), jnp.zeros((), bool), buffers[2])
    carry = jax.lax.while_loop(lambda c: ~c.ended, record_and_go_on, carry) if program.groups else advance(carry, k1)
    bad = first_bad(program, stepper().readable(carry.state))
    return carry.state, (carry.spike_steps, carry.spike_neurons, carry.records), carry.spikes, bad


def _with_most_arriving(plan: Plan, constants: Constants) -> Constants:
    """With what can arrive at one target over each list of edges, which a GPU's kernels need: XLA would ask at each step."""
    if not dispatch.gpu_kernels():
        return constants
    synapses = dict(constants.synapses)
    for s in plan.synapses:
        own = synapses[s.name]
        if isinstance(s, ReceptorPlan | EdgePlan | MergedPlan):
            known = lambda e, n=s.states: (
                e._replace(most=on_gpu.most_arriving(e.target, e.weight, n)) if isinstance(e, EventEdges) and e.weight.size else e
            )
            synapses[s.name] = dataclasses.replace(own, edges=tuple(map(known, own.edges)))
    return dataclasses.replace(constants, synapses=synapses)


def _run_on_devices(
    program: Program, shared: Shared, subsets: Any, state: StepState, buffers: Any, k1: jax.Array, schedules: list[jax.Array]
) -> Any:
    """`_run` on every device, each with its own part of the arguments, which have the devices as their first axis."""
    assert program.exchange is not None
    cut, same = jax.sharding.PartitionSpec(AXIS), jax.sharding.PartitionSpec()

    def on_one(shared: Shared, subsets: Any, state: StepState, buffers: Any, k1: jax.Array, schedules: list[jax.Array]) -> Any:
        shared, subsets, state, buffers = jax.tree.map(lambda x: x[0], (shared, subsets, state, buffers))
        return jax.tree.map(lambda x: x[None], _run(program, shared, subsets, state, buffers, k1, schedules))

    mapped = jax.shard_map(on_one, mesh=program.exchange.mesh, in_specs=(cut, cut, cut, cut, same, same), out_specs=cut, check_vma=False)
    return mapped(shared, subsets, state, buffers, k1, schedules)


def read(
    stepper: Stepper, state: StepState, reads: tuple[tuple[Any, str, bool], ...], subsets: Any
) -> tuple[list[jax.Array], list[jax.Array]]:
    """What is recorded of a state: the values, and the times, each a list of vectors."""
    system, variables = stepper.system(state), stepper.readable(state)
    t = state.step * stepper.constants.dt
    seen: dict[Any, dict[str, Any]] = {}
    values: tuple[list[Any], list[Any]] = ([], [])
    for i, (part, variable, subset) in enumerate(reads):
        if part not in seen:
            seen[part] = observables(system, variables, t, part)
        value = seen[part][variable]
        values[variable in TIMES].append(value[subsets[i]] if subset else value)
    return values


def traced(program: Program, args: Any) -> Any:
    """The loop, traced: it may be lowered for any platform."""
    how: dict[str, Any] = {}
    if program.exchange is not None:
        cut, same = (jax.sharding.NamedSharding(program.exchange.mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((AXIS,), ()))
        how = {"in_shardings": (cut, cut, cut, cut, same, same), "out_shardings": cut}
    run = functools.partial(_run if program.exchange is None else _run_on_devices, program)
    return jax.jit(run, donate_argnums=(2, 3), **how).trace(*args)


class Compiled:
    """A compiled `Program`, for arguments of given shapes."""

    def __init__(self, program: Program, args: Any):
        began = time.perf_counter()
        self.lowered = traced(program, args).lower()
        self.executable = dispatch.compile_loop(self.lowered, around=1 if program.groups else 0)
        self.seconds = time.perf_counter() - began
        self.steps_per_second = 0.0  # as it ran last
        self._idle: list[Any] = []  # one at most; taken and left in one operation, as several threads may run this

    def take_buffers(self, new: Callable[[], Any]) -> Any:
        """Buffers for a run: those that the last one left, or new ones."""
        try:
            return self._idle.pop()
        except IndexError:
            return new()

    def leave_buffers(self, buffers: Any) -> None:
        """Keeps a run's buffers for the next, unless they are large."""
        if sum(x.nbytes for x in jax.tree.leaves(buffers)) <= KEPT_BUFFERS:
            self._idle[:] = [buffers]

    def __call__(self, *args: Any) -> Any:
        return self.executable(*args)


_programs: collections.OrderedDict[Any, Compiled] = collections.OrderedDict()
compilations = 0
"""How often a loop was compiled in this process: a silent recompilation is a test failure."""


def compiled(program: Program, args: Any, shown: bool = False) -> tuple[Compiled, bool]:
    """The compiled loop for a program and arguments of these shapes, and whether it had to be compiled now; `shown` says so meanwhile."""
    global compilations
    leaves, tree = jax.tree.flatten(args)
    key = (
        program,
        getattr(jax.config, "jax_default_device", None),
        tree,
        tuple((x.shape, x.dtype) if hasattr(x, "dtype") else type(x) for x in leaves),
    )
    try:
        found = _programs.get(key)
    except TypeError as error:
        raise UnsupportedError(
            f"A part of the network's structure cannot be hashed ({error}). Fields of a model that are not parameters must be hashable."
        ) from None
    if found is not None:
        _programs.move_to_end(key)
        return found, False
    with stage("compiling") if shown else contextlib.nullcontext():
        made = _programs[key] = Compiled(program, args)
    compilations += 1
    while len(_programs) > CACHED_PROGRAMS:
        _programs.popitem(last=False)
    return made, True
