"""Edges that are not stored: a source's targets and weights are drawn again whenever it spikes.

Draw *j* of source *s* is a function of the key, *s* and *j* alone. Targets that must differ are the images of 0, 1, 2 … under a
permutation of the source's own, so that no draw has to know of the others: a Feistel network of six rounds whose keys are drawn,
walked again where it leaves the candidates (Black & Rogaway 2002, "Ciphers with arbitrary finite domains", CT-RSA, method 2).
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from ranvier.errors import UnsupportedError
from ranvier.kernels import dispatch
from ranvier.kernels.deliver_events import SpikeHistory, StretchesDue, events_of
from ranvier.kernels.edges import Candidates
from ranvier.random import Normal, Uniform, _normal, _uniform, normal_table, threefry2x32
from ranvier.words import words_for

ALL, REPEATED, DIFFERENT = 0, 1, 2
"""What a source's targets are: all candidates, drawn ones of which some may come twice, or drawn ones that differ."""

ONE, UNIFORM, NORMAL = 0, 1, 2
"""What an edge's weight or delay is: one number for all, or drawn."""

_ROUNDS = 6
_EVENTS_AT_ONCE = 256  # of the reference


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DrawnEdges:
    """What edges are drawn from.

    Attributes:
        delays: between what all delays are (steps), int32 `[2]`.
        keys: the generator's keys of targets, weights and delays, two words each, uint32 `[6]`.
        degree: how many edges each source has, int32 `[sources]`.
        begin: the number of each source's first edge, int64 `[sources]`.
        first: the place of the first source among those of the history, int64.
        numbers: of the weights, float64 `[4]`: the number; or low and width; or mean, standard deviation and both ends.
        late: of delays that are drawn the same four (ms), the step (ms), and the fewest steps that one is rounded to; float64 `[6]`.
        pieces: `first, size, onto`: numbers `first` … of the rule's targets are places `onto` … of the accumulator, int64 `[pieces, 3]`.
        kind, candidates, shift, exclude, weights, lateness: of the rule, its weights and its delays, as above and in `Candidates`.
    """

    delays: Any
    keys: Any
    degree: Any
    begin: Any
    first: Any
    numbers: Any
    late: Any
    pieces: Any
    kind: int = dataclasses.field(metadata={"static": True})
    candidates: int = dataclasses.field(metadata={"static": True})
    shift: int = dataclasses.field(metadata={"static": True})
    exclude: bool = dataclasses.field(metadata={"static": True})
    weights: int = dataclasses.field(metadata={"static": True})
    lateness: int = dataclasses.field(metadata={"static": True})


def drawn_targets(kind: int, words: tuple[Any, Any], row: Any, draw: Any, candidates: Candidates) -> Any:
    """The targets of some draws.

    Args:
        kind: what they are.
        words: the generator's key.
        row, draw: whose, and which: whole numbers `[n]`, NumPy's or JAX's.
        candidates: who may be a target.

    Returns:
        int64 `[n]`; the numbers mean nothing where a row has fewer candidates than draws.

    Example:
        >>> drawn_targets(DIFFERENT, (1, 2), np.zeros(5, np.int64), np.arange(5), Candidates(5)).tolist()
        [4, 1, 2, 3, 0]
    """
    library: Any = jnp if isinstance(row, jax.Array) or isinstance(draw, jax.Array) else np
    row, draw = library.asarray(row).astype(np.int64), library.asarray(draw).astype(np.int64)
    own = row + candidates.shift
    out = (own >= 0) & (own < candidates.n) & candidates.exclude
    count = candidates.n - out.astype(np.int64)
    if kind == REPEATED:
        x, y = threefry2x32(words, (draw.astype(np.uint32), row.astype(np.uint32)))
        n = library.maximum(count, 1).astype(np.uint64)
        x, y = x.astype(np.uint64), y.astype(np.uint64)
        chosen = ((x * n + (y * n >> np.uint64(32))) >> np.uint64(32)).astype(np.int64)
    elif kind == DIFFERENT:
        chosen = _permuted(library, words, row.astype(np.uint32), draw, count, candidates.n)
    else:
        chosen = draw
    return chosen + (out & (chosen >= own))


def _permuted(library: Any, words: Any, row: Any, draw: Any, count: Any, n: int) -> Any:
    """The image of each draw under its row's permutation of the numbers below `count`."""
    keys = [threefry2x32(words, (np.uint32(r) + library.zeros_like(row), row)) for r in range(_ROUNDS)]
    bits = min(32, max(2, (max(n, 1) - 1).bit_length()))
    half = bits - bits // 2
    low_mask, high_mask = np.uint32((1 << half) - 1), np.uint32((1 << bits // 2) - 1)
    at = np.uint32(half)

    def once(x: Any) -> Any:
        high, low = x >> at, x & low_mask
        for r in range(0, _ROUNDS, 2):
            high = high ^ (_mixed(low, *keys[r]) & high_mask)
            low = low ^ (_mixed(high, *keys[r + 1]) & low_mask)
        return high << at | low

    last = library.maximum(count, 1)
    below = lambda x: x.astype(np.int64) < last
    with np.errstate(over="ignore"):
        x = once(library.clip(draw, 0, last - 1).astype(np.uint32))
        if library is np:
            while not below(x).all():
                x = np.where(below(x), x, once(x))
        else:
            x = jax.lax.while_loop(lambda x: ~jnp.all(below(x)), lambda x: jnp.where(below(x), x, once(x)), x)
    return x.astype(np.int64)


def _mixed(x: Any, a: Any, b: Any) -> Any:
    x = (x ^ a) * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(15))
    x = (x + b) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def numbers_from(given: Any) -> tuple[int, np.ndarray | None]:
    """How a weight or delay is drawn edge by edge, and its numbers; None for one that cannot be drawn in the step.

    Example:
        >>> numbers_from(Uniform(1.0, 3.0))[1].tolist()
        [1.0, 2.0, 0.0, 0.0]
    """
    if isinstance(given, Uniform):
        return UNIFORM, np.array([given.low, given.high - given.low, 0.0, 0.0])
    if isinstance(given, Normal) and not given.redraw:
        return NORMAL, np.array([given.mean, given.sd, given.low, given.high])
    return ONE, None


def deliver_drawn(history: SpikeHistory, step: jax.Array, edges: DrawnEdges, accumulator: jax.Array) -> jax.Array:
    """Adds what arrives at the end of `step` over edges that are drawn.

    Where edges have several delays, a spike's are drawn again after each, for those that have it: no memory, and time by their number.
    Differentiable in the accumulator.

    Args:
        history, step, accumulator: as for `deliver_events`.
        edges: what they are drawn from.

    Returns:
        The accumulator, with the weights times the amplitudes of the spikes added to each target in the order of delays, sources, draws.

    Raises:
        UnsupportedError: a gradient is wanted in the weights or amplitudes.

    Example:
        >>> from ranvier.kernels import empty_history, note_spikes
        >>> whole = lambda *x: np.array(x, np.int64)
        >>> edges = DrawnEdges(np.array([1, 1], np.int32), np.array([1, 2, 0, 0, 0, 0], np.uint32), np.array([2, 2], np.int32), whole(0, 2),
        ...     np.int64(0), np.array([0.5, 0, 0, 0]), np.zeros(6), whole(0, 3, 0)[None], REPEATED, 3, 0, False, ONE, ONE)
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(2, slots=2), jnp.array([True, False]), 1.0, jnp.int64(7))
        ...     deliver_drawn(history, jnp.int64(8), edges, jnp.zeros(3)).sum().item()
        1.0
    """
    history = SpikeHistory(*(jnp.asarray(x) for x in history))
    of_rule = (edges.kind, edges.candidates, edges.shift, edges.exclude, edges.first, edges.weights, edges.lateness)
    rule = jnp.stack([jnp.asarray(x, jnp.int64) for x in of_rule])
    arrays = [jnp.asarray(x) for x in (edges.delays, edges.keys, edges.degree, edges.begin)]
    numbers = jnp.concatenate([jnp.asarray(edges.numbers), jnp.asarray(edges.late)])
    last = [numbers, *(jnp.asarray(x) for x in (edges.pieces, normal_table()))]
    static = (edges.kind, Candidates(edges.candidates, edges.shift, edges.exclude), edges.weights, edges.lateness)
    return _deliver(static, *history, dispatch.as_step(step, "deliver_drawn"), *arrays, rule, *last, jnp.asarray(accumulator))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _deliver(static, *operands):
    reference = functools.partial(_reference, *static)
    both = functools.partial(dispatch.choose, _native, reference) if operands[-1].dtype.name in dispatch.FLOATS else reference
    return _one_by_one(both)(*operands)[0]


def _one_by_one(function):
    """`function` for `vmap`: one batch element after the other."""
    call = jax.custom_batching.custom_vmap(function)

    @call.def_vmap
    def batched(axis_size, is_batched, *operands):
        whole = [x if b else jnp.broadcast_to(x, (axis_size, *x.shape)) for x, b in zip(operands, is_batched, strict=True)]
        results = jax.lax.map(lambda some: function(*some), tuple(whole))
        return results, (True,) * len(results)

    return call


def _native(*operands):
    accumulator = operands[-1]
    result = (jax.ShapeDtypeStruct(accumulator.shape, accumulator.dtype),)
    return dispatch.native_call(
        f"deliver_drawn_{dispatch.FLOATS[accumulator.dtype.name]}", result, *operands, aliases={len(operands) - 1: 0}
    )


def _reference(
    kind,
    candidates,
    weights,
    lateness,
    source,
    amplitude,
    count,
    step,
    delays,
    keys,
    degree,
    begin,
    rule,
    numbers,
    pieces,
    quantiles,
    accumulator,
):
    slots, n = source.shape
    n_post, sources = accumulator.shape[0], degree.shape[0]
    if 0 in (n, n_post, sources, candidates.n, pieces.shape[0]):
        return (accumulator,)

    def after(delay, accumulator):
        row = jnp.mod(step - delay, slots).astype(jnp.int32)
        own = source[row].astype(jnp.int64) - rule[4]
        spikes = (jnp.arange(n) < count[row]) & (own >= 0) & (own < sources) & (delay >= 0) & (delay < slots)
        who = jnp.where(spikes, own, 0)
        length = jnp.where(spikes, jnp.maximum(degree[who].astype(jnp.int64), 0), 0)
        due = StretchesDue(jnp.zeros_like(length), length, jnp.cumsum(length), who, 1, n)
        strength = amplitude[row] if amplitude.shape[-1] == n else None

        def some(carry):
            first, out = carry
            draw, stretch, inside = events_of(due, first, _EVENTS_AT_ONCE)
            of = who[stretch]
            if lateness != ONE:
                steps = jnp.rint(_drawn(lateness, (keys[4], keys[5]), begin[of] + draw, numbers[4:8]) / numbers[8])
                inside &= jnp.maximum(steps, numbers[9]) == delay
            target = drawn_targets(kind, (keys[0], keys[1]), of, draw, candidates)
            weight = _drawn(weights, (keys[2], keys[3]), begin[of] + draw, numbers).astype(out.dtype)
            product = weight if strength is None else jax.lax.optimization_barrier(weight * strength[stretch])
            within = target[:, None] - pieces[None, :, 0]
            there = (within >= 0) & (within < pieces[None, :, 1])
            place = jnp.sum(jnp.where(there, pieces[None, :, 2] + within, 0), axis=1)
            place = jnp.where(inside & jnp.any(there, axis=1) & (place >= 0) & (place < n_post), place, n_post)
            return first + _EVENTS_AT_ONCE, out.at[place].add(product, mode="drop")

        return jax.lax.while_loop(lambda carry: carry[0] < due.end[-1], some, (jnp.int64(0), accumulator))[1]

    turn = lambda carry: (carry[0] + 1, after(*carry))
    return (jax.lax.while_loop(lambda carry: carry[0] <= delays[1], turn, (delays[0], accumulator))[1],)


def _drawn(kind, words, index, numbers):
    if kind == ONE:
        return jnp.broadcast_to(numbers[0], index.shape)
    low, high = index.astype(jnp.uint32), jax.lax.shift_right_logical(index, jnp.int64(32)).astype(jnp.uint32)
    bits, like, w = threefry2x32(words, (low, high)), jnp.zeros(index.shape), words_for(low)
    # Added by a scatter: in one expression XLA would contract product and sum to one rounding, barrier or not.
    plus = lambda x, product: jnp.full(product.shape, x).at[jnp.arange(product.shape[0])].add(product, unique_indices=True)
    if kind == UNIFORM:
        return plus(numbers[0], numbers[1] * _uniform(w, bits, like))
    return jnp.clip(plus(numbers[0], _normal(w, bits[0], like) * numbers[1]), numbers[2], numbers[3])


@functools.partial(_deliver.defjvp, symbolic_zeros=True)
def _derivative(static, primals, tangents):
    amplitude_dot, numbers_dot, accumulator_dot = tangents[1], tangents[-4], tangents[-1]
    if not isinstance(amplitude_dot, SymbolicZero) or not isinstance(numbers_dot, SymbolicZero):
        raise UnsupportedError(
            "No gradient passes through edges that are not stored, neither to their weights nor to the amplitudes of their spikes. "
            "Draw them with by='source' and leave out stored=False: the edges are the same."
        )
    out = _deliver(static, *primals)
    return out, jnp.zeros_like(out) if isinstance(accumulator_dot, SymbolicZero) else accumulator_dot
