"""All of a problem but its numbers: what a compiled loop may be used again for."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax

from ranvier.odeint.fingerprint import Fingerprint
from ranvier.odeint.problem import Problem, library_of

_NOTHING = jax.tree.structure(())


class Recipe:
    """What is compiled in: the functions and what they read, the method, the whole numbers among `args`.

    Two recipes are equal while a loop compiled for one serves the other.

    Attributes:
        traced: whether a function reads a traced JAX value, so that the recipe is for that trace alone.
    """

    def __init__(self, problem: Problem):
        leaves, self.structure = jax.tree.flatten(problem.args) if problem.args else ([], _NOTHING)
        self.varies = [isinstance(leaf, float | complex) or library_of(leaf) is not None for leaf in leaves]
        self.fixed = [None if varies else leaf for varies, leaf in zip(self.varies, leaves, strict=True)]
        prints = Fingerprint()
        read = (problem.f, problem.diffusion, problem.save, problem.events, problem.integrator, self.fixed)
        self.key = (*map(prints.of, read), self.structure, tuple(self.varies), problem.save_every)
        self.hash = hash(self.key)
        self.traced, self.held = prints.traced, prints.held
        self.posed = problem

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self.key == other.key

    @functools.cached_property
    def template(self) -> Problem:
        """The problem without its numbers; the arrays that it was posed with are let go."""
        template = dataclasses.replace(self.posed, y0=None, times=None, args=(), seed=None)
        del self.posed
        return template

    def values(self, problem: Problem) -> list[Any]:
        """The numbers and arrays among the arguments, which another call may change without compiling again."""
        if not problem.args:
            return []
        return [leaf for leaf, varies in zip(jax.tree.leaves(problem.args), self.varies, strict=True) if varies]

    def problem(self, y0: Any, times: Any, values: Sequence[Any], seed: Any) -> Problem:
        """The problem with these numbers, which may be traced."""
        rest = iter(values)
        leaves = [next(rest) if varies else leaf for varies, leaf in zip(self.varies, self.fixed, strict=True)]
        return dataclasses.replace(self.template, y0=y0, times=times, args=jax.tree.unflatten(self.structure, leaves), seed=seed)
