"""The loop for PyTorch tensors: plain Python, which autograd and `torch.compile` follow."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import torch

from ranvier.errors import SimulationDiverged, UnsupportedError
from ranvier.odeint import tree
from ranvier.odeint.problem import NOISE, Equations, Problem, optional
from ranvier.odeint.progress import Bar
from ranvier.random import Key

OFFERS = ("interval", "rate", "diffusion", "normal")


def array_library() -> Any:
    return torch


def outside_the_trace(function: Any) -> Any:
    """The function, run as it is where `torch.compile` compiles what calls it."""
    return torch.compiler.disable(function)


def floating(leaf: torch.Tensor) -> torch.Tensor:
    """An integer tensor in PyTorch's own floating dtype."""
    return leaf.to(torch.get_default_dtype())


class Rows:
    """The kept rows of one variable: one tensor, or a list to stack where autograd must follow them.

    Writing rows into one tensor would cost autograd a copy of all of them for each.
    """

    def __init__(self, rows: int):
        self.rows = rows
        self.list: list[torch.Tensor] = []
        self.tensor: torch.Tensor | None = None

    def keep(self, row: int, value: torch.Tensor) -> None:
        if self.tensor is not None and not value.requires_grad:
            self.tensor[row] = value
            return
        if self.tensor is not None:
            self.list, self.tensor = list(self.tensor[:row]), None
        self.list.append(value)
        if row == 1 and not value.requires_grad:  # the first row after a step shows whether parameters of f are differentiated
            self.tensor = value.new_empty((self.rows, *value.shape))
            self.tensor[0], self.tensor[1] = self.list
            self.list = []

    def result(self) -> torch.Tensor:
        return torch.stack(self.list) if self.tensor is None else self.tensor


@torch.compiler.disable
def grid(problem: Problem) -> tuple[tuple[torch.Tensor, ...], list[float]]:
    """The times, and the lengths of the steps."""
    like = tree.leaves(problem.y0)[0]
    times = torch.tensor(problem.times, dtype=getattr(torch, problem.real), device=like.device)
    # Lengths are numbers, not tensors: they take the precision of what they multiply.
    return times.unbind(), np.diff(problem.times).tolist()


def integrate(problem: Problem) -> Any:
    """Every point that is kept, by a fixed-step method."""
    times, lengths = grid(problem)
    equations = Equations(problem, torch, problem.args)
    state, memory = problem.y0, problem.integrator.init(equations, problem.y0, times[0])
    first, rebuilt = tree.flatten(equations.saved(state, times[0]))
    kept = [Rows(problem.rows) for _ in first]

    def keep(row: int, state: Any, t: Any) -> None:
        for rows, value in zip(kept, tree.leaves(equations.saved(state, t)), strict=True):
            rows.keep(row, value)

    keep(0, state, times[0])
    with Bar(problem.steps, problem.progress) as bar:
        for k in range(problem.steps):
            if k == 2:  # the first two steps have looked at what f returns
                equations = Equations(problem, torch, problem.args, check=False, reuses=equations.reuses)
            equations.length = lengths[k]
            draws = None if problem.diffusion is None else Key(problem.seed, NOISE.stream).at(k)
            state, memory = equations.step(state, memory, times[k], times[k + 1], draws)
            if (k + 1) % problem.save_every == 0:
                keep((k + 1) // problem.save_every, state, times[k + 1])
            if bar.active:
                bar.update(k + 1)
    return rebuilt([rows.result() for rows in kept])


def integrate_adaptively(problem: Problem) -> Any:
    """The same points from torchdiffeq."""
    torchdiffeq = optional("torchdiffeq", "Adaptive on PyTorch tensors")
    method: Any = problem.integrator
    if method.stiff:
        raise UnsupportedError("torchdiffeq has no solver for stiff equations. Use NumPy or JAX arrays with Adaptive(stiff=True).")
    distinct, which = problem.distinct_times
    leaves, rebuilt = tree.flatten(problem.y0)
    equations = Equations(problem, torch, problem.args)
    times = torch.tensor(distinct, dtype=getattr(torch, problem.real), device=leaves[0].device)

    def rate(t: Any, leaves: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(tree.leaves(equations.rate(rebuilt(leaves), t)))

    if len(times) == 1:
        points = [leaf[None] for leaf in leaves]
    else:
        try:
            points = torchdiffeq.odeint(
                rate, tuple(leaves), times, rtol=method.rtol, atol=method.atol, method="dopri5", options={"max_num_steps": method.max_steps}
            )
        except AssertionError as error:  # how torchdiffeq says that it gave up
            raise SimulationDiverged(f"torchdiffeq gave up: {error}. Looser tolerances or more Adaptive.max_steps may help.") from error
    kept = [equations.saved(rebuilt([p[i] for p in points]), times[i]) for i in which.tolist()]
    return jax.tree.map(lambda *rows: torch.stack(rows), *kept)
