"""Many steps one after the other, as a scan whose gradient keeps few states."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.kernels.one_function import as_one_function

ROOT, ALL = "root", "all"
STRETCH = 128
"""Steps that are computed as one function, where all states are kept."""


def checked_memory(memory: Any, what: str = "gradient_memory") -> str | int:
    """How many states a gradient keeps: `"root"`, `"all"`, or a number.

    Raises:
        ParameterError: it is something else.
    """
    return doors.choice(memory, what, (ROOT, ALL)) if isinstance(memory, str) else doors.count(memory, what, low=1)


def stretch_length(steps: int, memory: str | int) -> int:
    """How many steps lie between two states that are kept.

    Example:
        >>> stretch_length(10_000, "root"), stretch_length(10_000, "all"), stretch_length(10_000, 20)
        (100, 1, 500)
    """
    if memory == ALL or steps == 0:
        return 1
    return math.isqrt(steps - 1) + 1 if memory == ROOT else -(-steps // int(memory))


def scan_steps(body: Callable[[Any], tuple[Any, Any]], carry: Any, steps: int, memory: str | int, one: bool = False) -> tuple[Any, Any]:
    """`body` so many times. A gradient keeps a state at the start of each stretch and computes what lies between them again.

    The states of one stretch are held while it is gone through backwards, so 2 √T states in all where there are √T stretches: with
    `one` nothing but states, else also what the derivatives of its steps need.

    Args:
        body: takes what is carried and returns it after the step, with what the step gives.
        carry: what is carried.
        steps: how many.
        memory: how many states are kept: `"root"` for √T, `"all"` for those of every step, or a number.
        one: whether a stretch may be one function: only of neurons alone, as XLA aborts on some of what synapses and rules compute.

    Returns:
        What is carried at the end, and what the steps gave, `[steps, …]`.
    """
    length = stretch_length(steps, memory)
    kept = length == 1  # all states
    if kept:
        length = min(STRETCH, max(steps, 1))

    def some(count: int) -> Any:
        # Of neurons alone a step is cheap to compute once more, and what a derivative needs of it is several times its state.
        step = jax.checkpoint(body, prevent_cse=False) if one and not kept else body
        plain = lambda carried: jax.lax.scan(lambda c, _: step(c), carried, length=count)
        stretch = as_one_function(plain) if one else plain
        return stretch if kept else jax.checkpoint(stretch)

    whole, rest = divmod(steps, length)
    stretch = some(length)
    carry, given = jax.lax.scan(lambda carried, _: stretch(carried), carry, length=whole)
    given = jax.tree.map(lambda x: x.reshape(whole * length, *x.shape[2:]), given)
    if rest:
        carry, more = some(rest)(carry)
        given = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), given, more)
    return carry, given


def states_kept(steps: int, memory: str | int) -> int:
    """How many states a gradient holds at most: those between the stretches, and those of one stretch.

    Example:
        >>> states_kept(10_000, "root"), states_kept(10_000, "all")
        (200, 10000)
    """
    length = stretch_length(steps, memory)
    return steps if length == 1 else int(np.ceil(steps / length)) + length
