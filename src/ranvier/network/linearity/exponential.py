"""The exponential of many small matrices, by NumPy where they are known and traced by JAX where they are not."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

TERMS = 14  # of the series, for what is at most 1/2: the first left out is 3e-18 of the whole
MOST_SQUARINGS = 44  # when traced: up to rates of 1e13 / dt


def closure(edges: np.ndarray) -> np.ndarray:
    """Which of some things can be reached from which, in any number of steps: bool `[m, m]`, the diagonal True."""
    reach = edges | np.eye(len(edges), dtype=bool)
    for _ in range(max(1, len(edges)).bit_length()):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return reach


def exponential(matrices: Any, entries: np.ndarray) -> Any:
    """`exp(M)` of each matrix.

    By a Taylor series and repeated squaring. After each squaring the diagonal is set to
    its exact value where a variable does not act back on itself through others. All
    that is computed then stays accurate relative to itself, whatever the sizes: nothing
    is compared with the largest entry. (The idea is that of Al-Mohy & Higham 2009,
    SIAM J Matrix Anal Appl 31:970, for triangular matrices; these are triangular in some
    order of their rows.)

    Args:
        matrices: float64 `[rows, m, m]`.
        entries: bool `[m, m]`, which may be other than 0, whatever their values.

    Returns:
        `[rows, m, m]`, and exactly 0 where no path of entries leads.

    Example:
        >>> exponential(np.array([[[-1.0, 2.0], [0.0, 0.0]]]), np.array([[True, True], [False, False]])).round(6).tolist()
        [[[0.367879, 1.264241], [0.0, 1.0]]]
    """
    xp = jnp if isinstance(matrices, jax.core.Tracer) else np
    reach = closure(entries)
    together = reach & reach.T
    alone = together.sum(0) == 1
    size = _size(lax.stop_gradient(matrices) if xp is jnp else matrices, together, alone, xp)
    squarings = xp.clip(xp.ceil(xp.log2(xp.maximum(size, 1e-300) / 0.5)), 0, MOST_SQUARINGS)
    diagonal = xp.where(alone[None], xp.diagonal(matrices, axis1=1, axis2=2), 0.0)
    eye = np.eye(len(entries), dtype=bool)
    exact = lambda x, factor: xp.where((eye & alone)[None], xp.exp(diagonal * factor[:, None])[:, None, :], x)
    steps = TERMS + _longest(reach, together)
    scaled = matrices * (2.0**-squarings)[:, None, None]
    identity = xp.broadcast_to(np.eye(len(entries)), matrices.shape)
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        if xp is jnp:
            result = lax.scan(lambda p, k: (identity + scaled @ p / k, None), identity, jnp.arange(steps, 0, -1.0))[0]
            square = lambda p, k: jnp.where((k < squarings)[:, None, None], exact(p @ p, jnp.full(len(p), 2.0**-k)), p)
            body = lambda p, k: (lax.cond(jnp.any(k < squarings), square, lambda p, k: p, p, k), None)
            result = lax.scan(body, exact(result, 2.0**-squarings), jnp.arange(MOST_SQUARINGS - 1, -1, -1.0))[0]
        else:
            result = identity
            for k in range(steps, 0, -1):
                result = identity + scaled @ result / k
            result = exact(result, 2.0**-squarings)
            for k in range(int(squarings.max(initial=0)) - 1, -1, -1):
                result = np.where((k < squarings)[:, None, None], exact(result @ result, np.full(len(matrices), 2.0**-k)), result)
    return xp.where(reach[None], result, 0.0)


def _size(matrices: Any, together: np.ndarray, alone: np.ndarray, xp: Any) -> Any:
    """For each matrix about the largest rate in it, no smaller: `[rows]`. What only leads from one variable to another does not count."""
    absolute = xp.abs(xp.where(together[None], matrices, 0.0))
    largest = xp.max(xp.where(np.eye(len(alone), dtype=bool)[None], absolute, 0.0), axis=(1, 2), initial=0.0)
    if alone.all():
        return largest
    # The root of the norm of the 32nd power is the spectral radius and a little more, in whatever units the variables are.
    logarithm = xp.zeros(len(matrices))
    for power in range(6):
        absolute, logarithm = (absolute @ absolute, 2 * logarithm) if power else (absolute, logarithm)
        norm = xp.maximum(xp.max(absolute, axis=(1, 2)), 1e-300)
        absolute, logarithm = absolute / norm[:, None, None], logarithm + xp.log(norm)
    return xp.maximum(largest, xp.exp((logarithm + xp.log(float(len(alone)))) / 32))


def _longest(reach: np.ndarray, together: np.ndarray) -> int:
    """The most steps that a path takes from one set of variables that act on each other to another."""
    above = reach & ~together
    depth, step = 0, above
    while step.any():
        depth, step = depth + 1, (step.astype(int) @ above.astype(int)) > 0
    return depth
