"""Simulation-based inference: a prepared network as the simulator, and ranges as the prior, in the form that `sbi` takes (PyTorch).

`sbi` learns from simulations how probable parameters are given a summary of data. It is not a part of Ranvier:
`pip install sbi`.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.fitting.search import Space, space_of
from ranvier.network.state import seed_words
from ranvier.simulation import Simulation
from ranvier.steps import in_steps
from ranvier.surroundings import inside

AT_ONCE = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Simulator:
    """A function from parameters to summaries, of PyTorch tensors: what `sbi` calls a simulator. `simulator` makes it.

    Attributes:
        labels: what each column of the parameters is.
    """

    labels: tuple[str, ...]
    _batch: Callable[..., Any]
    _seeds: np.random.Generator
    _at_once: int

    def __call__(self, parameters: Any) -> Any:
        """Runs the network once for each row.

        Args:
            parameters: a tensor `[rows, parameters]`, or `[parameters]` for one run, in the order of `labels`.

        Returns:
            The summaries, a float32 tensor `[rows, summary]`, or `[summary]`. Each run has other random numbers.
        """
        import torch

        given = torch.as_tensor(parameters)
        rows = np.atleast_2d(given.detach().cpu().numpy().astype(np.float64))
        if rows.ndim != 2 or rows.shape[1] != len(self.labels):
            raise ParameterError(
                f"parameters has the shape {tuple(given.shape)}, but a row has {len(self.labels)} values: {', '.join(self.labels)}."
            )
        if not len(rows):
            raise ParameterError("parameters has no rows.")
        seeds = np.stack([seed_words(int(seed)) for seed in self._seeds.integers(2**63, size=len(rows))])
        parts = []
        with inside():
            for first in range(0, len(rows), self._at_once):
                some = rows[first : first + self._at_once]
                own = seeds[first : first + len(some)]
                missing = 0 if len(rows) <= self._at_once else self._at_once - len(some)  # the last batch compiles nothing anew
                padded = [np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) for x in (some, own)]
                parts.append(np.asarray(self._batch(*padded), np.float32)[: len(some)])
        summaries = torch.from_numpy(np.concatenate(parts))
        return summaries[0] if given.ndim == 1 else summaries


def simulator(
    sim: Simulation,
    parameters: Sequence[str] | Mapping[str, tuple[float, float] | None],
    summary: Callable[[Any], Any],
    duration: Any,
    *,
    seed: int = 0,
    at_once: int = AT_ONCE,
) -> Simulator:
    """A prepared network as a simulator for `sbi`: from parameters to a summary of what the run shows.

    Args:
        sim: the network, prepared with the records that the summary looks at.
        parameters: what the rows hold: paths, or a mapping from paths to ranges, as of `rv.fit`.
        summary: a function, written with `jax.numpy`, of what a run shows, `{variable: [rows, n]}` and `"spikes"`, bool
            `[steps, n]`; in a network of several populations by part. It returns one number or a row.
        duration: how long a run is (ms).
        seed: of the runs' random numbers; each run has its own.
        at_once: how many runs are computed together.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: an argument that cannot be.

    Example:
        >>> import ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cell")
        >>> simulate = rv.infer.simulator(rv.prepare(cell, dt=0.1), ["cell.current"], lambda seen: seen["spikes"].sum(axis=0), 100.0)
        >>> import torch
        >>> simulate(torch.tensor([[300.0], [600.0]])).flatten().tolist()
        [12.0, 27.0]
    """
    doors.instance(sim, "sim", Simulation, "rv.prepare(net, dt=0.1)")
    summary = doors.function(summary, "summary", "lambda seen: seen['spikes'].sum(axis=0)")
    steps = int(in_steps(doors.interval(duration, "duration"), sim.dt, "duration"))
    rng, at_once = np.random.default_rng(doors.seed(seed)), doors.count(at_once, "at_once", low=1)
    with inside():
        space = _smooth_space(sim, parameters)
        state, run = sim.state(), copy.copy(sim).function(steps)
        populations = list(sim.network.populations)

        @jax.jit
        def batch(rows: Any, seeds: Any) -> Any:
            def one(row: Any, words: Any) -> Any:
                seen = run(space.unflat(row), dataclasses.replace(state, seed=words))[1]
                return jnp.ravel(jnp.asarray(summary(seen[populations[0]] if len(populations) == 1 else seen), float))

            return jax.vmap(one)(rows, seeds)

    return Simulator(tuple(space.labels), batch, rng, at_once)


def prior(sim: Simulation, parameters: Mapping[str, tuple[float, float] | None]) -> Any:
    """Every value within the ranges equally probable: a PyTorch distribution, as `sbi` takes it for a prior.

    Args:
        sim: the network, prepared.
        parameters: ranges `(low, high)` by path, with two ends.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell"), dt=0.1)
        >>> rv.infer.prior(sim, {"cell.leak": (0.05, 1.0), "cell.current": (0.5, 5.0)}).sample((3,)).shape
        torch.Size([3, 2])
    """
    doors.instance(sim, "sim", Simulation, "rv.prepare(net, dt=0.1)")
    with inside():
        space = _smooth_space(sim, parameters)
    for s in space.searched:
        if not (math.isfinite(s.low) and math.isfinite(s.high)):
            raise ParameterError(f"parameters: {s.path} needs a range with two ends, such as {{{s.path!r}: (0.1, 1.0)}}, for a flat prior.")
    import torch

    end = lambda of: torch.tensor(np.concatenate([np.full(s.start.size, of(s)) for s in space.searched]), dtype=torch.float32)
    uniform = torch.distributions.Uniform(end(lambda s: s.low), end(lambda s: s.high))
    return torch.distributions.Independent(uniform, 1)


def _smooth_space(sim: Simulation, parameters: Any) -> Space:
    space = space_of(sim, parameters, {})
    settings = [s.path for s in space.searched if s.setting]
    if settings:
        raise UnsupportedError(
            f"{', '.join(settings)} decides in which step something happens, and runs that are computed together cannot differ in it. "
            "Write a function of your own with sim.run(parameters=…), and give it to sbi."
        )
    return space
