"""The exponential of many small matrices, by NumPy where they are known and traced by JAX where they are not."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

TERMS = 14  # of the series, for what is at most 1/2: the first left out is 3e-18 of the whole
MOST_SQUARINGS = 44  # when traced: up to rates of 1e13 / dt
FEW = 32  # matrices, up to which fewer operations on all entries are quicker than those on the entries that there are
AT_ONCE = 4096  # matrices whose entries stay in a core's cache


def closure(edges: np.ndarray) -> np.ndarray:
    """Which of some things can be reached from which, in any number of steps: bool `[m, m]`, the diagonal True."""
    reach = edges | np.eye(len(edges), dtype=bool)
    for _ in range(max(1, len(edges)).bit_length()):
        reach = reach @ reach
    return reach


def exponential_entries(entries: Mapping[tuple[int, int], Any], size: int, wanted: Sequence[tuple[int, int]]) -> list[Any]:
    """Some entries of the exponentials of sparse matrices, each from what lies on its paths alone.

    So an entry has the same bits whatever else a matrix has, and most are closed forms.

    Args:
        entries: those that may be other than 0, by their row and column: float64 `[matrices]`.
        size: of how many rows a matrix is.
        wanted: rows and columns of the entries asked for.

    Example:
        >>> decay, gain = np.array([-1.0]), np.array([2.0])
        >>> [x.round(6).tolist() for x in exponential_entries({(0, 0): decay, (0, 1): gain}, 2, [(0, 0), (0, 1)])]
        [[0.367879], [1.264241]]
    """
    edges = np.zeros((size, size), bool)
    for i, j in entries:
        edges[i, j] = True
    reach = closure(edges)
    alone = (reach & reach.T).sum(0) == 1
    xp = jnp if any(isinstance(x, jax.core.Tracer) for x in entries.values()) else np
    count = max((len(x) for x in entries.values()), default=1)
    of = lambda i, j: entries.get((i, j), np.zeros(count))
    order = np.argsort(-reach.sum(1), kind="stable")  # none before one that leads to it
    found: dict[tuple[int, int], Any] = {}
    longer: dict[tuple[bytes, int], list[tuple[int, ...]]] = {}
    between = {(i, j): tuple(int(k) for k in order if reach[i, k] and reach[k, j]) for i, j in wanted}
    for (i, j), path in between.items():
        if not path:
            found[i, j] = xp.zeros(count)
        elif len(path) > 3 or not alone[list(path)].all():
            kind = longer.setdefault((edges[np.ix_(path, path)].tobytes(), len(path)), [])
            kind += [] if path in kind else [path]
        elif i == j:
            found[i, j] = xp.exp(of(i, i))
        else:
            rates = [of(k, k) for k in path]
            found[i, j] = of(i, j) * first_difference(rates[0], rates[-1], xp)
            if len(path) == 3:
                found[i, j] = found[i, j] + of(i, path[1]) * of(path[1], j) * second_difference(rates[0], rates[1], rates[2], xp)
    for (bits, m), sets in longer.items():
        matrices = xp.stack([xp.stack([xp.concatenate([of(rows[a], rows[b]) for rows in sets]) for b in range(m)]) for a in range(m)])
        result = exponential(matrices, np.frombuffer(bits, bool).reshape(m, m))
        for (i, j), path in between.items():
            if path in sets:
                first = sets.index(path) * count
                found[i, j] = result[path.index(i), path.index(j), first : first + count]
    return [found[at] for at in wanted]


def first_difference(x: Any, y: Any, xp: Any = np) -> Any:
    """`(exp(x) − exp(y)) / (x − y)`, which is `exp(x)` where both are equal: a divided difference of the exponential.

    Example:
        >>> [float(first_difference(np.float64(x), np.float64(y)).round(6)) for x, y in ((0.0, -1.0), (0.0, 0.0))]
        [0.632121, 1.0]
    """
    apart = x - y
    near = abs(apart) < 1e-3
    far = xp.where(near, 1.0, abs(apart))
    return xp.where(near, xp.exp((x + y) / 2) * (1 + apart * apart / 24), xp.exp(xp.maximum(x, y)) * -xp.expm1(-far) / far)


def second_difference(x: Any, y: Any, z: Any, xp: Any = np) -> Any:
    """`(D(x, y) − D(y, z)) / (x − z)` with `D` the `first_difference`, which is `exp(x) / 2` where all are equal.

    Example:
        >>> [float(second_difference(np.float64(0.0), np.float64(y), np.float64(-y)).round(6)) for y in (-1.0, 0.0)]
        [0.543081, 0.5]
    """
    highest, lowest = xp.maximum(xp.maximum(x, y), z), xp.minimum(xp.minimum(x, y), z)
    middle = xp.maximum(xp.minimum(x, y), xp.minimum(xp.maximum(x, y), z))
    near = highest - lowest < 0.5
    wide = xp.where(near, 1.0, highest - lowest)
    far = (first_difference(highest, middle, xp) - first_difference(middle, lowest, xp)) / wide
    mean = (x + y + z) / 3
    a, b, c = (xp.where(near, point - mean, 0.0) for point in (x, y, z))
    power, two, three = (xp.ones_like(mean) for _ in range(3))  # the sums of all products of k of a; of a and b; of all
    total, factorial = three / 2, 2.0
    for k in range(1, 15):
        power = power * a
        two = power + b * two
        three = two + c * three
        factorial *= k + 2
        total = total + three / factorial
    return xp.where(near, xp.exp(mean) * total, far)


def exponential(matrices: Any, entries: np.ndarray) -> Any:
    """`exp(M)` of each matrix.

    By a Taylor series and repeated squaring. After each squaring the diagonal is set to
    its exact value where a variable does not act back on itself through others. All
    that is computed then stays accurate relative to itself, whatever the sizes: nothing
    is compared with the largest entry. (The idea is that of Al-Mohy & Higham 2009,
    SIAM J Matrix Anal Appl 31:970, for triangular matrices; these are triangular in some
    order of their rows.)

    Args:
        matrices: float64 `[m, m, matrices]`.
        entries: bool `[m, m]`, which may be other than 0, whatever their values.

    Returns:
        `[m, m, matrices]`, and exactly 0 where no path of entries leads.

    Example:
        >>> exponential(np.array([[[-1.0], [2.0]], [[0.0], [0.0]]]), np.array([[True, True], [False, False]]))[..., 0].round(6).tolist()
        [[0.367879, 1.264241], [0.0, 1.0]]
    """
    m, _, count = matrices.shape
    if count <= AT_ONCE:
        return _exponential(matrices, entries)
    if isinstance(matrices, jax.core.Tracer):
        parts = -(-count // AT_ONCE)
        padded = jnp.pad(matrices, ((0, 0), (0, 0), (0, parts * AT_ONCE - count))).reshape(m, m, parts, AT_ONCE)
        # Without the checkpoint all powers of all matrices would be kept for the derivative.
        one = jax.checkpoint(functools.partial(_exponential, entries=entries))
        result = lax.map(one, jnp.moveaxis(padded, 2, 0))
        return jnp.moveaxis(result, 0, 2).reshape(m, m, parts * AT_ONCE)[..., :count]
    result = np.empty(matrices.shape)
    for first in range(0, count, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        result[..., part] = _exponential(np.ascontiguousarray(matrices[..., part]), entries)
    return result


def _exponential(matrices: Any, entries: np.ndarray) -> Any:
    xp = jnp if isinstance(matrices, jax.core.Tracer) else np
    m = len(entries)
    reach = closure(entries)
    together = reach & reach.T
    alone = np.eye(m, dtype=bool) & (together.sum(0) == 1)
    size = _size(lax.stop_gradient(matrices) if xp is jnp else matrices, together, xp)
    squarings = xp.clip(xp.ceil(xp.log2(xp.maximum(size, 1e-300) / 0.5)), 0, MOST_SQUARINGS)
    diagonal = xp.where(alone[..., None], matrices, 0.0)
    exact = lambda x, factor: xp.where(alone[..., None], xp.exp(diagonal * factor), x)
    identity = xp.broadcast_to(np.eye(m)[..., None], matrices.shape)
    scaled = matrices * 2.0**-squarings
    steps = TERMS + _longest(reach, together)
    times = functools.partial(_product, reach=reach)
    if xp is jnp:
        result = lax.scan(lambda p, k: (identity + times(scaled, p, entries) / k, None), identity, jnp.arange(steps, 0, -1.0))[0]
        square = lambda p, k: jnp.where(k < squarings, exact(times(p, p, reach), 2.0**-k), p)
        body = lambda p, k: (lax.cond(jnp.any(k < squarings), square, lambda p, k: p, p, k), None)
        return lax.scan(body, exact(result, 2.0**-squarings), jnp.arange(MOST_SQUARINGS - 1, -1, -1.0))[0]
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        result = identity
        for k in range(steps, 0, -1):
            result = identity + times(scaled, result, entries) / k
        result = exact(result, 2.0**-squarings)
        for k in range(int(squarings.max(initial=0)) - 1, -1, -1):
            result = np.where(k < squarings, exact(times(result, result, reach), 2.0**-k), result)
    return np.where(reach[..., None], result, 0.0)


def _product(a: Any, b: Any, within: np.ndarray, reach: np.ndarray) -> Any:
    """`a · b`, of which the first has entries `within` and the second those that can be reached.

    By NumPy the sums are taken in one order however many matrices there are, so that a
    matrix has the same bits whatever stands beside it.
    """
    m, few = len(within), a.shape[2] <= FEW
    if isinstance(a, jax.core.Tracer) or isinstance(b, jax.core.Tracer):
        if few:
            return jnp.einsum("ikr,kjr->ijr", a, b)
        nothing = jnp.zeros(a.shape[2])
        entry = lambda i, j: sum((a[i, k] * b[k, j] for k in range(m) if within[i, k] and reach[k, j]), nothing)
        return jnp.stack([jnp.stack([entry(i, j) for j in range(m)]) for i in range(m)])
    result = np.zeros(a.shape)
    if few:
        for k in np.flatnonzero(within.any(0)):
            result += a[:, k, None] * b[k]
        return result
    for i, k in zip(*np.nonzero(within), strict=True):
        for j in np.flatnonzero(reach[k]):
            result[i, j] += a[i, k] * b[k, j]
    return result


def _size(matrices: Any, together: np.ndarray, xp: Any) -> Any:
    """About the largest rate in each matrix, no less, `[1, 1, matrices]`; what only leads from one variable to another does not count."""
    m = len(together)
    absolute = xp.abs(xp.where(together[..., None], matrices, 0.0))
    largest = xp.max(xp.where(np.eye(m, dtype=bool)[..., None], absolute, 0.0), axis=(0, 1), initial=0.0, keepdims=True)
    if together.sum() == m:
        return largest
    # The root of the norm of the 32nd power is the spectral radius and a little more, in whatever units the variables are.
    logarithm = xp.zeros((1, 1, matrices.shape[2]))
    for power in range(6):
        if power:
            absolute, logarithm = _product(absolute, absolute, together, together), 2 * logarithm
        norm = xp.maximum(xp.max(absolute, axis=(0, 1), keepdims=True), 1e-300)
        absolute, logarithm = absolute / norm, logarithm + xp.log(norm)
    return xp.maximum(largest, xp.exp((logarithm + np.log(m)) / 32))


def _longest(reach: np.ndarray, together: np.ndarray) -> int:
    """The most steps that a path takes from one set of variables that act on each other to another."""
    above = reach & ~together
    depth, step = 0, above
    while step.any():
        depth, step = depth + 1, step @ above
    return depth
