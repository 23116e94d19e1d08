"""Fitting along the gradient, with optax, from several starts at once."""

from __future__ import annotations

import dataclasses
import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import UnsupportedError
from ranvier.fitting.method import Found, Method
from ranvier.fitting.problem import Problem
from ranvier.fitting.progress import Told

RATE = 0.1
"""Adam's first rate, where a step of 1 is as far as a parameter's range is wide or its value large."""


def is_optimizer(value: Any) -> bool:
    """Whether it is a transformation of gradients, as optax has them."""
    return not isinstance(value, type) and callable(getattr(value, "init", None)) and callable(getattr(value, "update", None))


@dataclasses.dataclass(frozen=True)
class Gradient(Method):
    """Goes down the gradient with an optimiser of optax. `rv.fit(…, method=optax.adam(0.05))` makes one.

    A start whose loss or gradient is not a number stays where it is. Of each start the best place that it has seen counts.

    Args:
        optimizer: a transformation of gradients; without one Adam, whose steps get shorter towards the end.
    """

    needs = "gradient"
    iterations = 200

    optimizer: Any = None

    def __post_init__(self) -> None:
        if self.optimizer is not None and not is_optimizer(self.optimizer):
            raise doors.refusal("optimizer", self.optimizer, "an optimiser of optax, such as optax.adam(0.1)")
        if importlib.util.find_spec("optax") is None:
            raise UnsupportedError("Fitting along a gradient needs the package optax: pip install 'ranvier[fit]'.")

    def __str__(self) -> str:
        return "Adam" if self.optimizer is None else "optax"

    def search(self, problem: Problem, starts: np.ndarray, iterations: int, seed: int, told: Told) -> Found:
        import optax

        optimizer = optax.adam(optax.cosine_decay_schedule(RATE, iterations, alpha=0.02)) if self.optimizer is None else self.optimizer
        optimizer = optax.with_extra_args_support(optimizer)

        @jax.jit
        def iterate(places: Any, memory: Any, numbers: Any) -> Any:
            def one(u: Any, memory: Any) -> Any:
                loss, slope = problem.value_and_slope(u, numbers)
                good = jnp.isfinite(loss) & jnp.isfinite(slope).all()
                more = {"value": loss, "grad": slope, "value_fn": lambda u: problem.loss_of(problem.space.values(u), numbers)}
                change, after = optimizer.update(jnp.where(good, slope, 0.0), memory, u, **more)
                return optax.apply_updates(u, jnp.where(good, change, 0.0)), after, jnp.where(jnp.isfinite(loss), loss, jnp.inf)

            return jax.vmap(one)(places, memory)

        places = jnp.asarray(starts)
        memory = jax.vmap(optimizer.init)(places)
        best, least = starts.copy(), np.full(len(starts), np.inf)
        curve = []
        for i in range(iterations + 1):  # one more, for the loss of where the last step led
            before = np.asarray(places)
            places, memory, losses = iterate(places, memory, problem.numbers)
            losses = np.asarray(losses, float)
            better = losses < least
            best[better], least[better] = before[better], losses[better]
            curve.append(least.copy())
            if i < iterations:
                told(float(least.min()))
        return Found(best, least, np.array(curve))
