"""Fitting without a gradient: CMA-ES."""

from __future__ import annotations

import dataclasses
import importlib.util

import numpy as np

from ranvier import doors
from ranvier.errors import UnsupportedError
from ranvier.fitting.method import Found, Method
from ranvier.fitting.problem import Problem
from ranvier.fitting.progress import Told


@dataclasses.dataclass(frozen=True)
class CMAES(Method):
    """Covariance matrix adaptation: each iteration runs a population of candidates, and moves towards the better ones.

    Needs the extra `ranvier[fit]`.

    Args:
        candidates: how many an iteration has for each start; by default 4 + 3 ln(number of parameters), as published.
        spread: how far from the start the first ones lie, where 1 is as far as a parameter's range is wide or its value large.

    Source: Hansen & Ostermeier 2001, Evol Comput 9:159.

    Example:
        >>> import ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=300.0, name="cell")
        >>> sim = rv.prepare(cell, dt=0.1)
        >>> data = sim.run(200.0, parameters={"cell.refractory": 4.0})
        >>> fit = rv.fit(sim, data, ["cell.refractory"], rv.losses.VanRossum(tau=20.0), method=rv.fitting.CMAES(), iterations=20)
        >>> fit.parameters["cell.refractory"]
        4.0
    """

    iterations = 100

    candidates: int | None = None
    spread: float = 1.0

    def __post_init__(self) -> None:
        if self.candidates is not None:
            object.__setattr__(self, "candidates", doors.count(self.candidates, "candidates", low=2))
        object.__setattr__(self, "spread", doors.positive(self.spread, "spread"))
        if importlib.util.find_spec("cmaes") is None:
            raise UnsupportedError("CMA-ES needs the package cmaes: pip install 'ranvier[fit]'.")

    def __str__(self) -> str:
        return "CMA-ES"

    def search(self, problem: Problem, starts: np.ndarray, iterations: int, seed: int, told: Told) -> Found:
        """Searches from each start; all candidates of all starts run together."""
        from cmaes import CMA

        # With one parameter there is no covariance to learn, and the package takes two at least: the second does nothing.
        size = problem.space.size
        padded = np.pad(starts, ((0, 0), (0, max(0, 2 - size))))
        searches = [
            CMA(mean=start, sigma=self.spread, seed=(seed + i) % 2**32, population_size=self.candidates) for i, start in enumerate(padded)
        ]
        best, least = starts.copy(), problem.losses(starts)
        curve = [least.copy()]
        for _ in range(iterations):
            asked = [[search.ask() for _ in range(search.population_size)] for search in searches]
            places = np.concatenate([np.stack(own) for own in asked])[:, :size]
            losses = problem.losses(places)
            first = 0
            for i, (search, own) in enumerate(zip(searches, asked, strict=True)):
                mine = losses[first : first + len(own)]
                finite = np.where(np.isfinite(mine), mine, np.nanmax(mine[np.isfinite(mine)], initial=0.0) + 1e6)
                search.tell(list(zip(own, finite.tolist(), strict=True)))
                at = int(np.argmin(mine))
                if mine[at] < least[i]:
                    best[i], least[i] = places[first + at], mine[at]
                first += len(own)
            curve.append(least.copy())
            told(float(least.min()))
            if all(search.should_stop() for search in searches):
                break
        return Found(best, least, np.array(curve))
