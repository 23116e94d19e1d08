"""What a stimulus is: a current as a function of time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors, units
from ranvier.errors import ParameterError, not_written
from ranvier.model import INPUT, Model, PerNeuron, component, parameter
from ranvier.random import Distribution


class Stimulus(Model):
    """Base of stimuli: called with the time the integrator asks for, mid-step stages included.

    Stimuli add up (`a + b`) and scale (`2.0 * a`, `a * mask` with one factor a
    neuron, `a * b` with a factor that changes in time: the numbers of `b`). A current is in the `input_unit` of the neurons it goes to.

    One that keeps its value but for jumps says so (`piecewise_constant`): linear equations are then advanced exactly by default.

    Example:
        >>> class Chirp(Stimulus):
        ...     def __call__(self, t): return jnp.sin(0.001 * t**2)
        >>> float((2.0 * Chirp() + Constant(1.0))(0.0))
        1.0
    """

    always_double = True
    __array_ufunc__ = None  # so that `mask * stimulus` asks the stimulus, not NumPy

    def __call__(self, t: Any) -> Any:
        """The current at the time `t` (ms, a float64 scalar): a number, or `[n]`."""
        raise not_written(self, Stimulus.__call__)

    @property
    def piecewise_constant(self) -> bool:
        """Whether it keeps its value but for jumps. Held over each step at its `average`, it is exact where the jumps are between steps.

        A class that does sets it: `piecewise_constant = True`.
        """
        return False

    def average(self, t: Any, t_next: Any) -> Any:
        """The mean current from `t` to `t_next`, which a method takes that holds it over the step. As it stands, the current at `t`."""
        return self(t)

    def over_steps(self, dt: Any) -> Stimulus:
        """What stands in for it in a run with the step `dt`: itself, or one with what it needs to find its means."""
        return self

    def noise(self, t: Any) -> Any:
        """How strong its white noise is at the time `t` (the current's unit times √ms), or None where it has none.

        The engine draws it once a step for each neuron, and holds it over the step:
        `noise / √dt` times a standard normal number.
        """
        return None

    def __add__(self, other: Any) -> Stimulus:
        return Sum(self, as_stimulus(other))

    __radd__ = __add__

    def __mul__(self, factor: Any) -> Stimulus:
        return Product(self, factor) if isinstance(factor, Stimulus) else Scaled(factor, self)

    __rmul__ = __mul__


class Sum(Stimulus):
    """Two stimuli at once."""

    equations = "I(t) = first(t) + second(t)"

    first: Stimulus = component()
    second: Stimulus = component()

    @property
    def piecewise_constant(self) -> bool:
        return self.first.piecewise_constant and self.second.piecewise_constant

    def __call__(self, t: Any) -> Any:
        return self.first(t) + self.second(t)

    def average(self, t: Any, t_next: Any) -> Any:
        return self.first.average(t, t_next) + self.second.average(t, t_next)

    def over_steps(self, dt: Any) -> Stimulus:
        return self.with_values({"first": self.first.over_steps(dt), "second": self.second.over_steps(dt)})

    def noise(self, t: Any) -> Any:
        both = [n for n in (self.first.noise(t), self.second.noise(t)) if n is not None]
        return jnp.sqrt(sum(n * n for n in both)) if len(both) == 2 else both[0] if both else None


class Product(Stimulus):
    """A stimulus times another, whose numbers are a factor that changes in time.

    Example:
        >>> import ranvier as rv
        >>> burst = rv.stimuli.Sine(100.0, frequency=40.0) * rv.stimuli.SquarePulse(1.0, start=50.0, stop=100.0)
        >>> float(burst(40.0)), round(float(burst(56.25)), 1)
        (0.0, 101.0)
    """

    equations = "I(t) = first(t) * second(t)"

    first: Stimulus = component()
    second: Stimulus = component()

    @property
    def piecewise_constant(self) -> bool:
        return self.first.piecewise_constant and self.second.piecewise_constant

    def average(self, t: Any, t_next: Any) -> Any:
        return self.first.average(t, t_next) * self.second.average(t, t_next) if self.piecewise_constant else self(t)

    def over_steps(self, dt: Any) -> Stimulus:
        return self.with_values({"first": self.first.over_steps(dt), "second": self.second.over_steps(dt)})

    def check_parameters(self) -> None:
        if self.first.noise(0.0) is not None and self.second.noise(0.0) is not None:
            raise ParameterError("Product: white noise times white noise is no current. One of the two must have none.")

    def __call__(self, t: Any) -> Any:
        return self.first(t) * self.second(t)

    def noise(self, t: Any) -> Any:
        one, other = self.first.noise(t), self.second.noise(t)
        if one is not None:
            return one * jnp.abs(self.second(t))
        return None if other is None else other * jnp.abs(self.first(t))


class Scaled(Stimulus):
    """A stimulus times a factor, one for all neurons or one each."""

    equations = "I(t) = factor * stimulus(t)"

    factor: PerNeuron = parameter(unit="1")
    stimulus: Stimulus = component()

    @property
    def piecewise_constant(self) -> bool:
        return self.stimulus.piecewise_constant

    def __call__(self, t: Any) -> Any:
        return self.factor * self.stimulus(t)

    def average(self, t: Any, t_next: Any) -> Any:
        return self.factor * self.stimulus.average(t, t_next)

    def over_steps(self, dt: Any) -> Stimulus:
        return self.with_values({"stimulus": self.stimulus.over_steps(dt)})

    def noise(self, t: Any) -> Any:
        noise = self.stimulus.noise(t)
        return None if noise is None else jnp.abs(self.factor) * noise


class Constant(Stimulus):
    """The same current at all times."""

    equations = "I(t) = amplitude"

    amplitude: PerNeuron = parameter(0.0, INPUT, text="current")

    @property
    def piecewise_constant(self) -> bool:
        return True

    def __call__(self, t: Any) -> Any:
        return self.amplitude


class Function(Stimulus):
    """Any Python function of the time (ms), written with `jax.numpy`.

    Example:
        >>> float(Function(lambda t: 5 * jnp.sin(t))(0.0))
        0.0
    """

    equations = "I(t) = function(t)"

    function: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        doors.function(self.function, "Function.function", "lambda t: 5.0 * jnp.sin(t)")

    def __call__(self, t: Any) -> Any:
        try:
            return jnp.asarray(self.function(t))
        except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            shown = "lambda t: …" if name == "<lambda>" else f"{name}(t)"
            raise ParameterError(
                f"The current {shown} cannot be compiled: it is traced once, with a t that is not a number yet. {instead(error)}"
            ) from error


def instead(error: Exception) -> str:
    """What to write in a function of t in place of what JAX cannot compile."""
    if isinstance(error, jax.errors.TracerBoolConversionError):
        return "In place of `a if t > 20 else b` write jnp.where(t > 20, a, b), with `import jax.numpy as jnp`; `and` is &, `or` is |."
    if isinstance(error, jax.errors.TracerArrayConversionError):
        return "In place of np.sin(t) write jnp.sin(t), with `import jax.numpy as jnp`; so with every function of NumPy."
    if isinstance(error, jax.errors.TracerIntegerConversionError):
        return "An array is looked up at a time by rv.stimuli.Sampled(values, every=dt)."
    return (
        "In place of math.sin(t) write jnp.sin(t), with `import jax.numpy as jnp`; in place of float(t) and int(t), t and jnp.floor(t). "
        "An array is looked up at a time by rv.stimuli.Sampled(values, every=dt)."
    )


def plain(value: Any) -> Any:
    """Values whose unit does not matter, such as for their shape."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return getattr(value, "magnitude", value)


def as_stimulus(current: Any, what: str = "current") -> Stimulus:
    """What the user gave as a current, as a stimulus.

    A number or an array `[n]` is constant in time; a function is called with
    the time; a stimulus is itself.

    Raises:
        ParameterError: it is something else, or an array of rank above one.
    """
    if isinstance(current, Stimulus):
        return current
    if isinstance(current, str | bytes | Mapping | type | Model) or current is None:
        hint = f"Did you mean {current.__name__}()?" if isinstance(current, type) and issubclass(current, Stimulus) else ""
        raise doors.refusal(what, current, "a number, an array, a function of t or an rv.stimuli object", hint)
    if callable(current) and not isinstance(current, jax.Array) and not units.is_quantity(current):
        return Function(current)
    if units.is_quantity(current):
        rank = 1 if isinstance(current, list | tuple) else np.ndim(getattr(current, "magnitude", 0.0))
    else:
        current = doors.values(current, what, rank=(0, 1, 2), infinite=True)
        rank = 0 if isinstance(current, Distribution) else np.ndim(current)
    if rank > 1:
        raise ParameterError(
            f"{what} of shape {np.shape(current)} could be (time, neuron) or (neuron, time). "
            "Say which: rv.stimuli.Sampled(values, every=dt) takes (time, neuron)."
        )
    return Constant(current)


def refuse_time_series(current: Any, n_steps: int, what: str = "current") -> None:
    """Asks whether a time series is meant where an array is as long as the run has steps.

    Args:
        current: what was given for a model alone, where an array is one value a neuron.
        n_steps: how many steps the run has.

    Raises:
        ParameterError: it has one value a step.
    """
    given = plain(current)
    if isinstance(given, list | tuple) and all(isinstance(x, int | float) for x in given):
        given = np.asarray(given)
    if not isinstance(given, np.ndarray) or given.ndim != 1:
        return  # no array of numbers: what else it may be is for the door
    if n_steps > 1 and len(current) in (n_steps, n_steps + 1):
        raise ParameterError(
            f"{what} has {len(current)} values, as many as the run has steps: is it a time series? That is "
            f"{what}=rv.stimuli.Sampled(values, every=dt). One value for each of {len(current)} neurons is "
            f"rv.Population({len(current)}, model, {what}=values)."
        )
