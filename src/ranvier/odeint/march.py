"""The loop of the compiled drivers, in terms of the loop their library has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ranvier.odeint.problem import Problem

Carry = Any


def begin(
    problem: Problem, step: Callable[[Any, Any, Any], tuple[Any, Any]], loop: Callable[..., Carry], write: Callable[..., Any], carry: Carry
) -> tuple[Carry, int]:
    """The steps before the regular ones: those that a method with memory starts with.

    Args:
        problem: what is solved.
        step: `(k, state, memory) -> (state, memory)`, the step from point k to k + 1.
        loop: `(start, stop, body(k, carry), carry) -> carry`.
        write: `(buffer, row, state, point) -> buffer`.
        carry: state, memory and buffer, of which row 0 is written.

    Returns:
        The carry, and the first row that is still to compute.
    """
    state, memory, buffer = carry
    every = problem.save_every
    done = min(problem.integrator.startup_steps, problem.steps)
    for k in range(done):
        state, memory = step(k, state, memory)
        if (k + 1) % every == 0:
            buffer = write(buffer, (k + 1) // every, state, k + 1)
    if done % every:
        row = done // every + 1
        state, memory = loop(done, row * every, lambda k, c: step(k, *c), (state, memory))
        buffer = write(buffer, row, state, row * every)
        done = row * every
    return (state, memory, buffer), done // every + 1


def rows(
    problem: Problem, step: Callable[..., Any], loop: Callable[..., Carry], write: Callable[..., Any], carry: Carry, start: Any, stop: Any
) -> Carry:
    """The rows from `start` up to `stop`, each `save_every` steps."""
    every = problem.save_every
    if isinstance(stop, int) and start >= stop:
        return carry  # traced, the body would look up times that do not exist

    def body(row: Any, carry: Carry) -> Carry:
        state, memory, buffer = carry
        first = (row - 1) * every
        if every == 1:
            state, memory = step(first, state, memory)
        else:
            state, memory = loop(0, every, lambda i, c: step(first + i, *c), (state, memory))
        return state, memory, write(buffer, row, state, row * every)

    return loop(start, stop, body, carry)
