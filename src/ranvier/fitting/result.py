"""What a fit leaves."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ranvier import doors
from ranvier.errors import UnsupportedError
from ranvier.fitting.method import Found
from ranvier.fitting.problem import Problem, in_whole_steps
from ranvier.result import Result
from ranvier.surroundings import inside

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Fit:
    """The outcome of `rv.fit`.

    Attributes:
        parameters: the best parameters, by path: what `sim.run(parameters=…)` takes.
        loss: theirs.
        losses: the loss after each iteration, `[iterations + 1, starts]`.
        starts: for each start its best parameters and their loss, the best start first.
        method: what searched.
    """

    def __init__(self, problem: Problem, found: Found, method: str):
        self._problem, self.method = problem, method
        order = np.argsort(found.losses, kind="stable")
        with inside():
            whole = [in_whole_steps(problem.space, problem.space.numbers(found.places[i]), problem.sim.dt) for i in order]
        self.starts = [(parameters, float(found.losses[i])) for parameters, i in zip(whole, order, strict=True)]
        self.parameters, self.loss = self.starts[0]
        self.losses = found.curve

    def run(self, duration: Any = None, **how: Any) -> Result:
        """Runs the network with the best parameters, from the state that the fit's runs begin with.

        Args:
            duration: how long (ms); as long as the data when left out.
            how: further arguments of `sim.run`.
        """
        problem = self._problem
        duration = problem.steps * problem.sim.dt if duration is None else doors.duration(duration, "duration")
        return problem.prepared.run(duration, **{"parameters": self.parameters, "initial": problem.state, **how})

    # -- how certain ------------------------------------------------------------------------------

    @functools.cached_property
    def hessian(self) -> np.ndarray:
        """The loss's second derivatives by the parameters at the best ones, `[parameters, parameters]`, in the order of `labels`.

        Raises:
            UnsupportedError: the loss has no derivative.
        """
        problem = self._problem
        self._smooth()
        if problem.exact_times:
            raise UnsupportedError("Spike times have first derivatives here and no second ones: see fit.covariance, fit.uncertainty.")
        with inside():
            of = lambda row: problem.loss_of(problem.space.unflat(row), problem.numbers)
            return np.asarray(jax.jit(jax.jacfwd(jax.jacfwd(of)))(problem.space.flat(self.parameters)))

    def _smooth(self) -> None:
        """Raises where the loss has no derivative by the parameters."""
        problem = self._problem
        blind = lambda loss: (loss.by_spikes and not (loss.by_times and problem.exact_times)) or loss.by_steps or loss.on_host
        without = [type(t.loss).__name__ for t in problem.terms if blind(t.loss)]
        if not all(s.smooth for s in problem.space.searched) or without:
            raise UnsupportedError(
                f"{' and '.join(without) or 'The loss'} has no derivative by {', '.join(s.path for s in problem.space.searched)}: "
                "how certain the parameters are is seen from several starts (fit.starts), or from a posterior (rv.infer)."
            )

    @property
    def labels(self) -> list[str]:
        """The parameters' paths; of those with several values, each with its index."""
        return self._problem.space.labels

    @functools.cached_property
    def covariance(self) -> np.ndarray:
        """The parameters' covariance, `[parameters, parameters]`: how the data's noise, taken to be normal and independent, moves them.

        From the loss's curvature at the optimum, as the first derivatives of what its squares are of give it (Gauss and Newton), with
        the noise as large as what the fit leaves over. Infinite along what the data do not determine, and everywhere where they
        have no more values than there are parameters, as these say nothing of the noise.

        Raises:
            UnsupportedError: the loss is no mean of squares, or has no derivative.

        Source: Seber & Wild 1989, Nonlinear Regression, ch. 2.
        """
        problem = self._problem
        self._smooth()
        if not problem.mean_square:
            names = " and ".join(type(t.loss).__name__ for t in problem.terms if not t.loss.mean_square)
            raise UnsupportedError(f"Only a mean of squares says how large the noise is, and {names} is none.")
        points, size = problem.points, problem.space.size
        with inside():
            of = lambda row: problem.residuals_of(problem.space.unflat(row), problem.numbers)
            slopes_of = jax.jacrev(of) if problem.exact_times else jax.jacfwd(of)
            slopes = np.asarray(jax.jit(slopes_of)(problem.space.flat(self.parameters)))
        if points <= size or not np.isfinite(slopes).all():
            return np.diag(np.full(size, np.inf))
        of_unit_noise = _inverse(slopes.T @ slopes)
        return np.where(np.isinf(of_unit_noise), of_unit_noise, of_unit_noise * self.loss / (points - size))

    @property
    def uncertainty(self) -> dict[str, Any]:
        """Each parameter's standard deviation, by path. Infinite where the data do not tell."""
        return {path: np.asarray(x)[()] for path, x in self._problem.space.unflat(np.sqrt(np.diag(self.covariance))).items()}

    # -- to look at --------------------------------------------------------------------------------

    def plot(self, term: int = 0, ax: Axes | None = None) -> Axes:
        """Draws the fit over the data.

        Args:
            term: of a sum of losses, which one's data.
            ax: where to draw.
        """
        from ranvier.plot import appearance

        problem = self._problem
        ax = appearance.axes_of(ax, 6.0, 3.0)
        run = problem.sim.run(problem.steps * problem.sim.dt, parameters=self.parameters, initial=problem.state)
        shown = problem.terms[doors.count(term, "term", high=len(problem.terms) - 1)]
        shown.loss.draw(ax, shown.target.shown, run[shown.part])
        return ax

    def plot_losses(self, ax: Axes | None = None) -> Axes:
        """Draws the loss of each start over the iterations."""
        from ranvier.plot import appearance

        ax = appearance.axes_of(ax, 4.2, 3.0)
        ax.plot(self.losses)
        ax.set(xlabel="iteration", ylabel="loss", yscale="log" if (self.losses[np.isfinite(self.losses)] > 0).all() else "linear")
        return ax

    def __repr__(self) -> str:
        rows = []
        for path, value in self.parameters.items():
            unit = next(s.unit for s in self._problem.space.searched if s.path == path)
            text = f"{value:.4g}" if np.ndim(value) == 0 else f"{np.size(value)} values {np.min(value):.4g} … {np.max(value):.4g}"
            rows.append(f"  {path}: {text}{'' if unit == '1' else f' {unit}'}")
        return "\n".join([f"<Fit by {self.method}, loss {self.loss:.4g}", *rows]) + ">"


def _inverse(information: np.ndarray) -> np.ndarray:
    """The inverse of what is known. What goes along a direction in which the loss does not rise is not known at all, the rest is.

    Example:
        >>> _inverse(np.diag([4.0, 0.0])).tolist()
        [[0.25, 0.0], [0.0, inf]]
    """
    scale = np.sqrt(np.diag(information))
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    known = values > len(values) * np.finfo(float).eps
    whole = (vectors[:, known] / values[known]) @ vectors[:, known].T
    for direction in vectors[:, ~known].T:
        pairs = np.outer(direction, direction)
        whole = np.where(np.abs(pairs) > 1e-9, np.copysign(np.inf, pairs), whole)
    return whole / np.outer(scale, scale)
