"""What `odeint` solves, checked: the same for every array library."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.odeint import tree
from ranvier.odeint.event import Event
from ranvier.random import Key

LIBRARIES = {"numpy": "NumPy", "jax": "JAX", "torch": "PyTorch", "tensorflow": "TensorFlow"}
REMEMBERED = 1 << 16
"""Bytes of times up to which the next call with the same ones does not look at them again."""
NOISE = Key(0).child("odeint")
"""The stream of the noise; the seed is the problem's."""


def library_of(x: Any) -> str | None:
    """The array library that `x` is an array of, by name, without importing any.

    Example:
        >>> library_of(np.zeros(3)), library_of(3.0)
        ('numpy', None)
    """
    if isinstance(x, np.ndarray):
        return "numpy"
    if isinstance(x, jax.Array):
        return "jax"
    for base in type(x).__mro__:
        root = base.__module__.partition(".")[0]
        if root == "torch" and base.__name__ == "Tensor":
            return "torch"
        if root == "tensorflow" and base.__name__ in ("Tensor", "Variable"):
            return "tensorflow"
    return None


def called(x: Any) -> str:
    """What `x` is, in words, for an error.

    Example:
        >>> called(np.zeros((2, 3))), called("a")
        ('a NumPy array of shape (2, 3) and dtype float64', 'a str')
    """
    library = library_of(x)
    if library is None:
        return f"a {type(x).__name__}"
    return f"a {LIBRARIES[library]} array of shape {tuple(x.shape)} and dtype {dtype_name(x.dtype)}"


@functools.lru_cache(maxsize=64)  # NumPy takes 4 µs to say it
def dtype_name(dtype: Any) -> str:
    """`"float64"` and so on, whatever the library.

    Example:
        >>> dtype_name(np.dtype("float32"))
        'float32'
    """
    return getattr(dtype, "name", None) or str(dtype).removeprefix("torch.")


def real_name(dtype: Any) -> str:
    """The dtype of times beside a state of `dtype`: its own, or that of a complex number's parts."""
    return {"complex64": "float32", "complex128": "float64"}.get(dtype_name(dtype), dtype_name(dtype))


def optional(package: str, purpose: str) -> Any:
    """An optional package, or an error that says how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise UnsupportedError(f"{purpose} needs {package}, which is not installed: pip install {package}") from None


@dataclass(frozen=True, eq=False)
class Problem:
    """An initial value problem and how to solve it, checked by `solve`.

    Attributes:
        f, args: the right-hand side and what it gets beside state and time.
        y0: the initial state, all of one library and one floating precision.
        times: float64 `[points]`, not decreasing; or a traced JAX array.
        integrator: the method.
        diffusion: what multiplies the noise, for stochastic methods.
        seed: of the noise.
        events: applied in order after every step.
        save, save_every: what is kept, and at which points.
        progress: whether to show a bar; None lets a long run on a terminal have one.
    """

    f: Callable[..., Any]
    y0: Any
    times: Any
    args: tuple[Any, ...]
    integrator: Any  # an Integrator or Adaptive
    diffusion: Callable[..., Any] | None
    seed: Any
    events: tuple[Event, ...]
    save: Callable[..., Any] | None
    save_every: int
    progress: bool | None
    library: str

    @property
    def rows(self) -> int:
        """How many points are kept."""
        return (int(self.times.shape[0]) - 1) // self.save_every + 1

    @property
    def distinct_times(self) -> tuple[np.ndarray, np.ndarray]:
        """The times without repeats, and which of them each kept point is at: what adaptive solvers ask for."""
        times = self.times[: self.steps + 1]
        distinct, which = np.unique(times, return_inverse=True)
        return distinct, which[:: self.save_every]

    @property
    def steps(self) -> int:
        """How many steps are needed to reach the last point that is kept."""
        return (self.rows - 1) * self.save_every

    @functools.cached_property
    def real(self) -> str:
        """The name of the dtype of times and steps."""
        return real_name(tree.leaves(self.y0)[0].dtype)

    def checked(self, result: Any, state: Any, what: str) -> Any:
        """`result`, which must be shaped like the state and of its dtype and library.

        Raises:
            ParameterError: where it is not, naming the variable.
        """
        if hasattr(state, "dtype"):
            if library_of(result) == self.library and result.shape == state.shape and result.dtype == state.dtype:
                return result
            if self.library == "numpy" and state.shape == () and (type(result) is float or getattr(result, "dtype", None) == state.dtype):
                return result  # what Python and NumPy make of 0-d arrays
        expected, given = jax.tree.structure(state), jax.tree.structure(result)
        if expected != given:  # type: ignore[operator]
            if hasattr(state, "dtype"):
                raise ParameterError(f"{what} returned {called(result)}, but y is {called(state)}: return {self._constructor()}([…]).")
            raise ParameterError(
                f"{what} returned the structure {given}, but the state is {expected}: return the same keys in the same kinds."
            )
        for (name, old), new in zip(tree.named(state), tree.leaves(result), strict=True):
            if library_of(new) is None and old.shape == () and isinstance(new, np.generic) and self.library == "numpy":
                new = np.asarray(new)
            if library_of(new) != self.library:
                raise ParameterError(f"{what} returned {called(new)}, but y{name} is {called(old)}: return {self._constructor()}([…]).")
            if tuple(new.shape) != tuple(old.shape):
                raise ParameterError(
                    f"{what} returned the shape {tuple(new.shape)}, but y{name} has {tuple(old.shape)}: one value for each."
                )
            if new.dtype != old.dtype:
                raise ParameterError(
                    f"{what} returned {dtype_name(new.dtype)}, but y{name} is {dtype_name(old.dtype)}: "
                    f"convert what it returns, or start from a {dtype_name(new.dtype)} y0."
                )
        return result

    def _constructor(self) -> str:
        return {"numpy": "np.array", "jax": "jnp.array", "torch": "torch.stack", "tensorflow": "tf.stack"}[self.library]


class Equations:
    """`f` as an integrator sees it, over one step whose length is known.

    Args:
        problem: what is solved.
        array_library: NumPy, `jax.numpy`, …
        args: the arguments of `f`, which a compiled driver gets anew with each call.
        length: the length of the step, in the precision of the state. None: times
            are plain floats, and their difference is the length.
        cast: makes a time what `f` gets; None where it is that already.
        check: whether to look at what `f` returns.
        reuses: whether `f` returns memory that it writes to again, so that what it returns must be copied.
    """

    def __init__(
        self,
        problem: Problem,
        array_library: Any,
        args: tuple[Any, ...],
        length: Any = None,
        cast: Any = None,
        check: bool = True,
        reuses: bool = False,
    ):
        self.problem = problem
        self.array_library = array_library
        self.args = args
        self.length = length
        self.cast = cast
        self.check = check
        self.held: list[Any] = []  # what f has returned while it is looked at, so that its memory is not given away
        self.reuses = reuses
        if not (check or args or cast or reuses):
            self.rate = problem.f  # type: ignore[method-assign]  # nothing to do on the way: the integrator calls f itself
        if not (check or problem.events):
            self.step = functools.partial(problem.integrator.step, self)  # type: ignore[method-assign]

    def interval(self, t: Any, t_next: Any) -> Any:
        return t_next - t if self.length is None else self.length

    def rate(self, state: Any, t: Any) -> Any:
        return self._asked(self.problem.f, "f", state, t)

    def _asked(self, function: Callable[..., Any], what: str, state: Any, t: Any) -> Any:
        t = t if self.cast is None else self.cast(t)
        changeable = tree.changeable(self.problem.library)
        if not changeable or not (self.check or self.reuses):
            result = function(state, t, *self.args)
            return self.problem.checked(result, state, what) if self.check else result
        if not self.check:
            return tree.copied(function(state, t, *self.args))
        given = tree.copied(state)  # the user's y0 stays as it is
        result = self.problem.checked(function(given, t, *self.args), state, what)
        if tree.was_changed(given, state):
            raise ParameterError(f"{what} changes y in place, from which the integrator goes on: write y = 2 * y in place of y *= 2.")
        if type(result) is np.ndarray and result.base is None and sys.getrefcount(result) <= 2:
            return result  # f has kept no hand on it
        self.reuses |= tree.shares_memory(result, [given, *self.held])
        self.held = [*self.held[-1:], result]
        del given
        return tree.copied(result)

    def rate_and_slope(self, state: Any, t: Any) -> tuple[Any, Any]:
        raise NotImplementedError  # only for JAX, whose driver has it; `odeint` refuses what needs it elsewhere

    def diffusion(self, state: Any, t: Any) -> Any:
        assert self.problem.diffusion is not None
        return self._asked(self.problem.diffusion, "diffusion", state, t)

    def step(self, state: Any, memory: Any, t: Any, t_next: Any, key: Any) -> tuple[Any, Any]:
        """One step of the integrator, and the events in it."""
        problem = self.problem
        after, memory = problem.integrator.step(self, state, memory, t, t_next, key)
        for number, event in enumerate(problem.events):
            start, end = (t, t_next) if self.cast is None else (self.cast(t), self.cast(t_next))
            after = event.apply(state, after, start, end, self.args)
            if self.check:
                problem.checked(after, state, f"The reset of event {number}")
        return after, memory

    def saved(self, state: Any, t: Any) -> Any:
        """What is kept of the state."""
        save = self.problem.save
        return state if save is None else save(state, t if self.cast is None else self.cast(t))
