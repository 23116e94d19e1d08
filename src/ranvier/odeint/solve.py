"""`odeint`: the call, and what may be passed to it."""

from __future__ import annotations

import functools
import importlib
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ranvier import doors, units
from ranvier.errors import ParameterError, UnsupportedError, warn
from ranvier.integrators.base import Integrator
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.odeint import tree
from ranvier.odeint.adaptive import Adaptive
from ranvier.odeint.event import Event
from ranvier.odeint.problem import LIBRARIES, REMEMBERED, Problem, called, dtype_name, library_of, real_name

STEP_METHODS = ("interval", "rate", "rate_and_slope", "diffusion", "normal")


def odeint(
    f: Callable[..., Any],
    y0: Any,
    t: Any,
    integrator: Integrator | Adaptive | None = None,
    *,
    args: tuple[Any, ...] = (),
    diffusion: Callable[..., Any] | None = None,
    seed: Any = 0,
    events: Event | Sequence[Event] = (),
    save: Callable[..., Any] | None = None,
    save_every: int = 1,
    progress: bool | None = None,
) -> Any:
    """Solves `dy/dt = f(y, t, *args)` from `y0`, on the array library of `y0`.

    NumPy, JAX, PyTorch or TensorFlow arrays in, the same kind out, with their dtype
    and device. Time is the first axis. With JAX the loop is compiled once for an `f`
    and kept: pass what changes between calls as `args`, or let `f` read it from a
    variable (a changed number, list or NumPy array that `f` reads is noticed; a
    changed attribute deep inside other objects is not).

    Args:
        f: the derivative of every variable; the same shape, dtype and structure as `y`.
            It sees `t` in the precision of `y`: a float for NumPy, else a scalar of the library.
        y0: the initial state: an array, or a dict, tuple or other pytree of arrays of
            one library. A number or a list of numbers becomes a NumPy array.
        t: the times, a list or any array `[points]`, not decreasing, even or not. The
            steps of the method go from each to the next.
        integrator: `RungeKutta4()` unless given; or `Adaptive(rtol, atol)`.
        args: more arguments of `f`, `diffusion` and the functions of events.
        diffusion: for the stochastic methods, what multiplies each variable's noise, `diffusion(y, t, *args)`.
        seed: of the noise. The same seed gives the same noise on every library.
        events: thresholds and what their crossing does to the state.
        save: a function of `(y, t)`; its result is kept instead of the state.
        save_every: keep each so many-th point, beginning with the first.
        progress: True shows a bar, False never. By default a run on a terminal that takes long has one.

    Returns:
        For each array of `y0` (or of what `save` returns), one of shape
        `(points kept, *shape)`. Row 0 is at `t[0]`.

    Raises:
        ParameterError: `t`, `y0` or `args` cannot be used, or `f` returns another shape, dtype or kind of array.
        UnsupportedError: the method needs what the library or the arguments do not have.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> def decay(x, t):
        ...     return -x
        >>> x = rv.odeint(decay, np.array([1.0, 2.0]), np.linspace(0, 1, 11))
        >>> x.shape, x[-1].round(5).tolist()
        ((11, 2), [0.36788, 0.73576])
    """
    integrator = RungeKutta4() if integrator is None else integrator
    y0, library = _state(y0)
    driver = importlib.import_module(f"ranvier.odeint.{library}_driver")
    problem = driver.outside_the_trace(_checked)(
        driver, library, f, y0, t, integrator, args, diffusion, seed, events, save, save_every, progress
    )
    return driver.integrate_adaptively(problem) if isinstance(integrator, Adaptive) else driver.integrate(problem)


def _checked(
    driver: Any,
    library: str,
    f: Any,
    y0: Any,
    t: Any,
    integrator: Any,
    args: Any,
    diffusion: Any,
    seed: Any,
    events: Any,
    save: Any,
    save_every: Any,
    progress: bool | None,
) -> Problem:
    """The problem, or an error that says what cannot be used."""
    y0 = _floating(y0, driver, library)
    problem = Problem(
        f=_callable(f, "f"),
        y0=y0,
        times=_times(t, library),
        args=_arguments(args, library),
        integrator=integrator,
        diffusion=None if diffusion is None else _callable(diffusion, "diffusion"),
        seed=_seed(seed),
        events=_events(events),
        save=None if save is None else _callable(save, "save"),
        save_every=_save_every(save_every),
        progress=None if progress is None else doors.flag(progress, "progress"),
        library=library,
    )
    _supported(problem, driver)
    return problem


def _state(y0: Any) -> tuple[Any, str]:
    """`y0` with bare numbers made arrays, and the library of its arrays."""
    if isinstance(y0, numbers.Number | np.generic):
        y0 = np.asarray(y0)
    elif isinstance(y0, list) and y0 and all(isinstance(v, numbers.Number) for v in y0):
        y0 = np.asarray(y0)  # as PSST's own calls pass it
    leaves = tree.named(y0)
    if not leaves:
        raise ParameterError(f"y0 is {y0!r}, which holds no array. Pass an array, or a dict or tuple of arrays.")
    libraries: dict[str, str] = {}
    for place, leaf in leaves:
        name = "y0" + place
        library = library_of(leaf)
        if library is None:
            hint = "np.array(…) makes it one" if isinstance(leaf, numbers.Number | np.generic | list) else "convert it to one of these"
            raise ParameterError(
                f"{name} is {called(leaf)}. odeint takes arrays of NumPy, JAX, PyTorch or TensorFlow, or a dict or tuple of them: {hint}."
            )
        if isinstance(leaf, np.ma.MaskedArray):
            raise ParameterError(f"{name} is a masked array. A masked value has no number: fill it, or leave it out (array.compressed()).")
        libraries.setdefault(library, name)
    if len(libraries) > 1:
        which = " and ".join(f"{name} is of {LIBRARIES[library]}" for library, name in libraries.items())
        raise ParameterError(f"The arrays of y0 are from different libraries: {which}. Convert them to one.")
    return y0, next(iter(libraries))


def _floating(y0: Any, driver: Any, library: str) -> Any:
    """`y0` with integers converted (which it says), all of one precision."""
    converted = []

    def convert(place: str, leaf: Any) -> Any:
        name = dtype_name(leaf.dtype)
        if "float" in name or "complex" in name:
            return leaf
        if not name.startswith(("int", "uint", "bool")):
            raise ParameterError(f"y0{place} is {called(leaf)}, but a state is a number: use a floating dtype.")
        leaf = driver.floating(leaf)
        converted.append(f"y0{place} was {name} and is now {dtype_name(leaf.dtype)}")
        return leaf

    y0 = tree.map_named(convert, y0)
    if converted:
        warn(f"{'; '.join(converted)}. Write 1.0 instead of 1, or give a floating dtype, to say so yourself.")
    names = {real_name(leaf.dtype) for leaf in tree.leaves(y0)}
    if len(names) > 1:
        raise ParameterError(f"The arrays of y0 have different precisions ({', '.join(sorted(names))}). Convert them to one.")
    return y0


def _times(t: Any, library: str) -> Any:
    """The times in float64, checked; a traced JAX array as it is."""
    other = library_of(t)
    if isinstance(t, jax.core.Tracer):
        if library != "jax":
            raise ParameterError(f"t is a traced JAX array, but y0 is of {LIBRARIES[library]}: pass t as a NumPy array.")
        return t
    if other == "torch":
        t = t.detach().cpu().numpy()
    elif other == "tensorflow":
        t = _static_tensor(t)
    if units.is_quantity(t):
        raise doors.refusal("t", t, "plain numbers", "The unit of time is that of f: write t.magnitude, in that unit.")
    given = doors.real_array(t, "t", "1", "numbers: a list or an array of times")
    if given.dtype == np.float64 and given.ndim == 1 and given.nbytes <= REMEMBERED:
        return _remembered(given.tobytes())
    return _in_order(np.array(given, np.float64))


@functools.lru_cache(maxsize=16)
def _remembered(times: bytes) -> np.ndarray:
    """The times of an earlier call, which were looked at: one and the same array, so that what was made of it is found again."""
    return _in_order(np.frombuffer(times).copy())


def _in_order(times: np.ndarray) -> np.ndarray:
    """The times, of which each is a number and none before the last."""
    if times.ndim != 1 or len(times) == 0:
        raise ParameterError(f"t has the shape {times.shape}, but it must be one row of at least one time, such as np.arange(0, 10, 0.01).")
    bad = ~np.isfinite(times)
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        raise ParameterError(f"t[{index}] is {times[index]}, but every time must be a finite number.")
    down = np.flatnonzero(np.diff(times) < 0)
    if len(down):
        i = int(down[0])
        raise ParameterError(
            f"t decreases: t[{i}] is {times[i]:g} and t[{i + 1}] is {times[i + 1]:g}. Sort it; to go back in time, integrate -f over -t."
        )
    return times


def _static_tensor(t: Any) -> Any:
    import tensorflow as tf

    value = tf.get_static_value(t)
    if value is None:
        raise ParameterError("t is a TensorFlow tensor whose values are not known while the graph is built: pass t as a NumPy array.")
    return value


def _arguments(args: Any, library: str) -> tuple[Any, ...]:
    if not isinstance(args, tuple):
        raise ParameterError(f"args is {called(args)}, but it is a tuple, one entry an argument of f: write args=(value,).")

    def clean(place: str, leaf: Any) -> Any:
        if isinstance(leaf, np.generic):
            return leaf.item()  # a NumPy scalar would raise float32 states to float64
        other = library_of(leaf)
        if other is not None and other != library:
            raise ParameterError(f"args{place} is {called(leaf)}, but y0 is of {LIBRARIES[library]}. Convert it to {LIBRARIES[library]}.")
        return leaf

    return tree.map_named(clean, args)


def _callable(f: Any, what: str) -> Any:
    if not callable(f) or isinstance(f, type):
        raise ParameterError(f"{what} is {called(f)}, but it must be a function {what}(y, t).")
    return f


def _seed(seed: Any) -> Any:
    if isinstance(seed, jax.Array):
        if seed.shape != () or not np.issubdtype(seed.dtype, np.integer):
            raise ParameterError(f"seed is {called(seed)}, but it must be one integer.")
        return seed if isinstance(seed, jax.core.Tracer) else int(seed)
    return doors.seed(seed)


def _events(events: Any) -> tuple[Event, ...]:
    if isinstance(events, Event):
        return (events,)
    if not isinstance(events, list | tuple):
        raise doors.refusal("events", events, "a rv.Event(threshold, reset), or a list of them")
    return tuple(events)


def _save_every(save_every: Any) -> int:
    return doors.count(save_every, "save_every", low=1, high=2**62, hint="It counts points: 1 keeps all, 10 every tenth.")


def _supported(problem: Problem, driver: Any) -> None:
    """Refuses what the method, the library and the arguments cannot do together."""
    integrator, name = problem.integrator, type(problem.integrator).__name__
    for event in problem.events:
        if not isinstance(event, Event):
            raise ParameterError(f"events holds {called(event)}, but each is a rv.Event(threshold, reset).")
    if isinstance(integrator, Adaptive):
        for what, given in (("events", problem.events), ("diffusion", problem.diffusion)):
            if given:
                raise UnsupportedError(
                    f"Adaptive does not take {what}, for its steps are not those of t. Use a fixed step: integrator=rv.RungeKutta4()."
                )
        return
    if not isinstance(integrator, Integrator):
        made = f" Write {integrator.__name__}()." if isinstance(integrator, type) else " Write, for example, integrator=rv.RungeKutta4()."
        raise ParameterError(f"integrator is {doors.said(integrator)}, which is not a method.{made}")
    stochastic = "diffusion" in integrator.needs
    if stochastic and problem.diffusion is None:
        raise UnsupportedError(f"{name} is for stochastic equations: give diffusion=, or use a method such as rv.RungeKutta4().")
    if not stochastic and problem.diffusion is not None:
        raise UnsupportedError(f"{name} is not for stochastic equations, so diffusion would be ignored. Use rv.EulerMaruyama().")
    lacking = [n for n in integrator.needs if n in STEP_METHODS and n not in driver.OFFERS]
    lacking += [n for n in integrator.needs if n not in STEP_METHODS and not hasattr(driver.array_library(), n)]
    if lacking:
        raise UnsupportedError(
            f"{name} needs {' and '.join(repr(n) for n in lacking)}, which odeint does not have for {LIBRARIES[problem.library]}. "
            "Pass JAX arrays (jnp.asarray(y0)), or use a method such as rv.RungeKutta4()."
        )
    if integrator.startup_steps:
        if problem.events:
            raise UnsupportedError(
                f"{name} remembers slopes from before a reset. Use a one-step method with events, such as rv.RungeKutta4()."
            )
        times = problem.times
        if isinstance(times, np.ndarray) and (np.diff(times) == 0).any():
            i = int(np.flatnonzero(np.diff(times) == 0)[0])
            raise UnsupportedError(f"{name} cannot take a step of zero: t[{i}] and t[{i + 1}] are both {times[i]:g}.")
