"""Edges at which something happens, some at a time, for rules that no kernel knows: XLA computes them, in chunks of a fixed size.

`due_edges` lists where spikes arrive, `incoming_edges` what leads to targets that
fired; `put` writes the changed variables back. `change_where_due` and
`change_at_targets` are the loops over all of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.kernels.deliver_events import DelayedEdges, SpikeHistory, StretchesDue, _onto, _row, events_of, stretches_due
from ranvier.kernels.incoming import MOST, Incoming

LEAST_AT_ONCE, MOST_AT_ONCE = 256, 4096

Change = Callable[[dict[str, jax.Array], dict[str, jax.Array], dict[str, jax.Array]], Mapping[str, jax.Array]]
"""`change(edge, pre, post)` gives the variables of edges that change, from values of the edges, their sources and targets, `[size]`."""


def at_once(edges: int) -> int:
    """How many edges are computed at once: about as many as have an event in a step of 0.1 ms at some tens of Hz, a power of two.

    Example:
        >>> at_once(80_000)
        512
    """
    return min(max(1 << (edges // 160).bit_length(), LEAST_AT_ONCE), MOST_AT_ONCE)


class EdgesDue(NamedTuple):
    """Some edges, one after the other; each int32 `[size]`.

    Attributes:
        position: where they stand in the order of delivery; the number of edges where there is none, which `put` leaves out.
        source, target: their neurons.
        row: that of the source's values in an array `[slots, sources]` with a row a step: of the step when it spiked.
    """

    position: Any
    source: Any
    target: Any
    row: Any


def due_edges(
    history: SpikeHistory, step: jax.Array, edges: DelayedEdges, targets: int, first: jax.Array | int = 0, size: int = MOST_AT_ONCE
) -> tuple[EdgesDue, jax.Array]:
    """The edges whose spikes arrive at the end of `step`.

    Args:
        history, step, edges: as for `deliver_events`, with 32-bit segments.
        targets: how many there are; edges onto others are left out.
        first: from which on, in the order in which they are delivered.
        size: how many are listed.

    Returns:
        They, and how many there are in all, int64 scalar.

    Raises:
        ParameterError: more edges than 32 bits can count.

    Example:
        >>> from ranvier.kernels import empty_history, note_spikes, sort_edges
        >>> edges, _ = sort_edges(np.array([0, 0, 1]), np.array([2, 0, 1]), 1, 2, 3)
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(2, slots=2), jnp.array([True, False]), 1.0, jnp.int64(7))
        ...     due, total = due_edges(history, jnp.int64(8), edges, 3, size=4)
        >>> due.position.tolist(), due.target[:2].tolist(), int(total)
        ([0, 1, 3, 3], [0, 2], 2)
    """
    if edges.target.shape[0] > MOST or edges.segments.dtype != np.int32:
        raise ParameterError(
            f"due_edges: {edges.target.shape[0]} edges with {edges.segments.dtype} segments are more than 32 bits can count."
        )
    source, count = jnp.asarray(history.source), jnp.asarray(history.count)
    where = [jnp.asarray(x) for x in (edges.delays, edges.segments, edges.target, edges.bounds)]
    operands = source, count, dispatch.as_step(step, "due_edges"), *where, jnp.int64(targets), jnp.asarray(first, jnp.int64)
    *due, total = dispatch.choose(
        functools.partial(_listed_natively, "due_edges", size=size), functools.partial(_due_reference, size=size), *operands
    )
    return EdgesDue(*due), total


def incoming_edges(
    fired: jax.Array, step: jax.Array, incoming: Incoming, slots: int, sources: int, first: jax.Array | int = 0, size: int = MOST_AT_ONCE
) -> tuple[EdgesDue, jax.Array]:
    """The edges onto the targets that fired.

    Args:
        fired: bool `[targets]`.
        step: int64 scalar.
        incoming: of `index_by_target`.
        slots, sources: the shape of the arrays of source values.
        first: from which on, target by target.
        size: how many are listed.

    Returns:
        They, and how many there are in all, int64 scalar.

    Example:
        >>> from ranvier.kernels import index_by_target, sort_edges
        >>> edges, _ = sort_edges(np.array([0, 0, 1]), np.array([2, 0, 2]), 1, 2, 3)
        >>> with jax.enable_x64(True):
        ...     due, total = incoming_edges(jnp.array([False, True, True]), jnp.int64(8), index_by_target(edges, 3), 2, 2, size=4)
        >>> due.position.tolist(), due.source[:2].tolist(), due.row[:2].tolist(), int(total)
        ([1, 2, 3, 3], [0, 1], [1, 1], 2)
    """
    if slots * sources > MOST:
        raise ParameterError(f"incoming_edges: {slots} steps of {sources} sources are more than 32 bits can count.")
    operands = jnp.asarray(fired), dispatch.as_step(step, "incoming_edges"), *map(jnp.asarray, incoming), jnp.asarray(first, jnp.int64)
    *due, total = dispatch.choose(
        functools.partial(_listed_natively, "incoming_edges", size=size, slots=slots, sources=sources),
        functools.partial(_incoming_reference, size=size, slots=slots, sources=sources),
        *operands,
    )
    return EdgesDue(*due), total


@jax.custom_jvp
def put(values: jax.Array, position: jax.Array, value: jax.Array) -> jax.Array:
    """`values` with `value` at `position`, in place where XLA can; positions outside are left out, none may come twice.

    Example:
        >>> put(jnp.zeros(3), jnp.array([2, 3]), jnp.array([5.0, 7.0])).tolist()
        [0.0, 0.0, 5.0]
    """
    if values.dtype.name not in dispatch.FLOATS:
        return _put_reference(position, value, values)[0]
    return dispatch.updating(functools.partial(dispatch.choose, _put_native, _put_reference), 2)(position, value, values)[0]


def change_where_due(
    change: Change,
    variables: Mapping[str, jax.Array],
    history: SpikeHistory,
    step: jax.Array,
    edges: DelayedEdges,
    pre: Mapping[str, jax.Array],
    post: Mapping[str, jax.Array],
    targets: int,
    size: int | None = None,
) -> dict[str, jax.Array]:
    """Change the variables of every edge whose spike arrives at `step`: any rule's presynaptic event.

    Differentiable in forward mode.

    Args:
        change: what happens at an edge.
        variables: of the edges, `[edges]` each, in the order of delivery; updated in place where XLA can.
        history, step, edges, targets: as for `due_edges`.
        pre: values of the sources, `[slots, sources]` or `[1, slots, sources]` each, row `k % slots` those of step `k`: those of the
            step of the spike count.
        post: values of the targets now, `[targets]` each.
        size: how many edges are computed at once; `at_once` of all.

    Returns:
        All the variables.

    Raises:
        ParameterError: `change` gives another shape or an unknown variable.

    Example:
        >>> from ranvier.kernels import empty_history, note_spikes, sort_edges
        >>> edges, _ = sort_edges(np.array([0, 0, 1]), np.array([2, 0, 1]), 1, 2, 3)
        >>> rule = lambda edge, pre, post: {"weight": edge["weight"] - 0.1 * post["trace"]}
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(2, slots=2), jnp.array([True, False]), 1.0, jnp.int64(7))
        ...     after = change_where_due(
        ...         rule, {"weight": jnp.ones(3)}, history, jnp.int64(8), edges, {}, {"trace": jnp.array([1.0, 2.0, 3.0])}, 3
        ...     )
        >>> after["weight"].tolist()
        [0.9, 0.7, 1.0]
    """
    size = at_once(edges.target.shape[0]) if size is None else size
    listed = lambda first: due_edges(history, step, edges, targets, first, size)
    return _change(change, variables, listed, pre, post)


def change_at_targets(
    change: Change,
    variables: Mapping[str, jax.Array],
    fired: jax.Array,
    step: jax.Array,
    incoming: Incoming,
    pre: Mapping[str, jax.Array],
    post: Mapping[str, jax.Array],
    slots: int,
    sources: int,
    size: int | None = None,
) -> dict[str, jax.Array]:
    """Change the variables of every edge onto a target that fired: any rule's postsynaptic event.

    Args:
        change, variables, pre, post, size: as for `change_where_due`; of a source its values count as they arrive now.
        fired, step, incoming, slots, sources: as for `incoming_edges`.

    Returns, Raises:
        As `change_where_due`.
    """
    size = at_once(incoming.position.shape[0]) if size is None else size
    listed = lambda first: incoming_edges(fired, step, incoming, slots, sources, first, size)
    return _change(change, variables, listed, pre, post)


def _change(change, variables, listed, pre, post):
    def some(carry):
        first, variables, due, _ = carry
        edge = {name: x.at[due.position].get(mode="clip") for name, x in variables.items()}
        at_source = {name: x.reshape(x.shape[-2:])[due.row, due.source] for name, x in pre.items()}
        new = change(edge, at_source, {name: x[due.target] for name, x in post.items()})
        for name, value in new.items():
            if name not in variables or jnp.shape(value) not in ((), due.position.shape):
                raise ParameterError(
                    f"A rule gave {name!r} of shape {list(jnp.shape(value))} for {due.position.shape[0]} edges; it must give "
                    f"one value an edge of {', '.join(map(repr, variables))}."
                )
        written = {
            name: put(variables[name], due.position, jnp.broadcast_to(jnp.asarray(x, variables[name].dtype), due.position.shape))
            for name, x in new.items()
        }
        first += due.position.shape[0]
        return first, {**variables, **written}, *listed(first)

    start = jnp.int64(0), {name: jnp.asarray(x) for name, x in variables.items()}, *listed(0)
    return jax.lax.while_loop(lambda carry: carry[0] < carry[3], some, start)[1]


def _listed_natively(kernel, *operands, size, **attributes):
    array = jax.ShapeDtypeStruct((size,), jnp.int32)
    results = (array, array, array, array, jax.ShapeDtypeStruct((), jnp.int64))
    return dispatch.native_call(kernel, results, *operands, **{name: np.int64(x) for name, x in attributes.items()})


def _due_reference(source, count, step, delays, segments, target, bounds, targets, first, size):
    edges = target.shape[0]
    if 0 in (*source.shape, edges, *segments.shape[:2], *delays.shape):
        return *_none(size, edges), jnp.int64(0)
    due = stretches_due(source, count, step, delays, segments, edges)
    edge, stretch, inside = events_of(due, first, size)
    valid = inside & (target[edge] < targets)
    onto = _onto(target[edge], due.block(stretch), bounds, 0, valid, MOST)
    valid, of = onto < MOST, lambda x: jnp.where(inside, x, 0).astype(jnp.int32)
    row = _row(step - delays, source.shape[0])[due.delay(stretch)]
    found = jnp.where(valid, edge, edges).astype(jnp.int32), of(due.source[stretch]), of(jnp.where(valid, target[edge], 0)), of(row)
    return *found, due.end[-1]


def _incoming_reference(fired, step, rows, position, lag, first, size, slots, sources):
    entries, ring = position.shape[0], slots * sources
    if 0 in (entries, fired.shape[0], ring):
        return *_none(size, entries), jnp.int64(0)
    begin, end = (jnp.clip(rows[i : rows.shape[0] - 1 + i], 0, entries) for i in (0, 1))
    length = jnp.where(fired, jnp.maximum(end - begin, 0), 0)
    due = StretchesDue(begin, length, jnp.cumsum(length), jnp.arange(fired.shape[0]), 1, fired.shape[0])
    k, j, inside = events_of(due, first, size)
    at = jnp.mod(step, slots) * sources - lag[k]
    at = jnp.where(at < 0, at + ring, at)
    valid = inside & (at >= 0) & (at < ring) & (position[k] >= 0) & (position[k] < entries)
    of = lambda x: jnp.where(valid, x, 0).astype(jnp.int32)
    place = jnp.where(valid, position[k], entries)
    return place, of(at % sources), jnp.where(inside, j, 0).astype(jnp.int32), of(at // sources), due.end[-1]


def _none(size, edges):
    return jnp.full(size, edges, jnp.int32), *(jnp.zeros(size, jnp.int32) for _ in range(3))


def _put_native(position, value, values):
    result = (jax.ShapeDtypeStruct(values.shape, values.dtype),)
    return dispatch.native_call(f"put_{dispatch.FLOATS[values.dtype.name]}", result, position, value, values, aliases={2: 0})


def _put_reference(position, value, values):
    return (values.at[jnp.where(position < 0, values.shape[0], position)].set(value, mode="drop"),)


@put.defjvp
def _put_derivative(primals, tangents):
    (values, position, value), (values_dot, _, value_dot) = primals, tangents
    return put(values, position, value), put(values_dot, position, value_dot)
