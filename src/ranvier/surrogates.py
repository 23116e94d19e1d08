"""What `sim.function(steps, surrogate=…)` takes for the derivative of a spike: a surrogate, or what needs none.

A spike is 1 where the distance to the threshold is at least 0, else 0: its derivative is 0 wherever there is one. Backward it is
replaced by `derivative(distance)`, which is the exact derivative of `smoothed(distance)`. The distance is in the unit of what the
model compares, mostly mV. Names, formulas and defaults are those of `ranvier.torch.surrogate`. In a step of 0.1 ms a membrane lingers
near its threshold for many steps, each of which passes a gradient: a narrow surrogate says better which of them matters.

Two stand in for nothing: with `SpikeTimes()` the function gives the spikes' times with their exact derivatives, and with `FixedSpikes()`
every spike stays in its step.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, TypeAlias

import jax
import jax.numpy as jnp

from ranvier import doors, errors


class Surrogate:
    """Base of the surrogates: a frozen dataclass with a derivative and the function that it is the derivative of.

    Class attributes:
        formula: the derivative, in plain text, of the distance d.
        reference: the paper.

    Example:
        >>> FastSigmoid(slope=10.0).derivative(jnp.array([-0.1, 0.0, 0.2])).round(3).tolist()
        [0.25, 1.0, 0.111...]
    """

    formula: ClassVar[str]
    reference: ClassVar[str]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = doors.positive(getattr(self, field.name), f"{type(self).__name__}.{field.name}")
            object.__setattr__(self, field.name, value)

    def derivative(self, d: jax.Array) -> jax.Array:
        """What stands in for the derivative of the spike, in the shape of the distance `d`."""
        raise errors.not_written(self, Surrogate.derivative)

    def smoothed(self, d: jax.Array) -> jax.Array:
        """The smooth function whose derivative that is."""
        raise errors.not_written(self, Surrogate.smoothed)


def _normal(d: Any, mean: float, deviation: float) -> Any:
    return jnp.exp(-0.5 * ((d - mean) / deviation) ** 2) * (1 / (deviation * math.sqrt(2 * math.pi)))


def _normal_integral(d: Any, mean: float, deviation: float) -> Any:
    return 0.5 * (1 + jax.scipy.special.erf((d - mean) / (deviation * math.sqrt(2))))


@dataclasses.dataclass(frozen=True)
class SpikeTimes:
    """No surrogate: the function gives when each neuron spikes, with the exact derivatives of these times.

    For `rv.neurons.LeakyIntegrateAndFire` with constant currents, `rv.synapses.ExponentialCurrent` and given spikes,
    recurrent and with delays. The function returns for each population `"times"` (ms), `[n, most]`, infinite where there is no
    spike, and `"counts"`, how many there are. The gradient is computed backwards from spike to spike, by the adjoint of the
    equations; what is kept for it grows with `most` and not with the steps. The run is that of `sim.run`, its spikes
    acting at the ends of steps. A time is when the potential crosses the threshold within its step, and the derivative is that
    in continuous time, with what a spike does coming as much later as in the run.

    Args:
        most: of how many spikes of a neuron there are times. After a spike that is one too many, times are NaN.

    Source: Wunderlich & Pehle 2021, Sci Rep 11:12829; Bohté, Kok & La Poutré 2002, Neurocomputing 48:17.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cell"), dt=0.1)
        >>> with jax.enable_x64(True):
        ...     first = lambda p: sim.function(200, surrogate=SpikeTimes(most=4))(p, sim.state())[1]["cell"]["times"][0, 0]
        ...     time, slope = jax.jit(jax.value_and_grad(first))({"cell.current": 300.0})
        >>> round(float(time), 6), round(float(slope["cell.current"]), 6), round(20 * math.log(300 / 200), 6), round(-20 / 600, 6)
        (8.109302, -0.033333, 8.109302, -0.033333)
    """

    most: int = 16

    def __post_init__(self) -> None:
        object.__setattr__(self, "most", doors.count(self.most, "SpikeTimes.most", low=1))


@dataclasses.dataclass(frozen=True)
class FixedSpikes:
    """No surrogate: every spike stays in the step that it is in, and passes no gradient.

    What is left is the derivative of a run with these spikes: right for potentials between them, and 0 through a spike.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=150.0, name="cell"), dt=0.1)
        >>> end = lambda p: sim.function(100, surrogate=FixedSpikes())(p, sim.state())[0].neurons["cell"]["V"][0]
        >>> with jax.enable_x64(True):
        ...     slope = jax.grad(end)({"cell.current": 150.0})["cell.current"]
        >>> round(float(slope), 6), round((1 - math.exp(-0.5)) / 10, 6)
        (0.039347, 0.039347)
    """


@dataclasses.dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """The derivative of the fast sigmoid. Heavy tails: a neuron far from its threshold still learns.

    Args:
        slope: how narrow it is (1/mV); the peak is 1 whatever the slope.
    """

    formula = "1 / (1 + slope·|d|)²"
    reference = "Zenke & Ganguli 2018, Neural Comput 30:1514"

    slope: float = 25.0

    def derivative(self, d: jax.Array) -> jax.Array:
        return 1 / (1 + self.slope * jnp.abs(d)) ** 2

    def smoothed(self, d: jax.Array) -> jax.Array:
        return d / (1 + self.slope * jnp.abs(d))


@dataclasses.dataclass(frozen=True)
class ArcTangent(Surrogate):
    """The derivative of an arc tangent that rises from 0 to 1.

    Args:
        slope: the derivative at the threshold is `slope / 2` (1/mV).
    """

    formula = "(slope / 2) / (1 + (π/2 · slope · d)²)"
    reference = "Fang et al. 2021, ICCV, 2641"

    slope: float = 2.0

    def derivative(self, d: jax.Array) -> jax.Array:
        return (0.5 * self.slope) / (1 + ((0.5 * math.pi * self.slope) * d) ** 2)

    def smoothed(self, d: jax.Array) -> jax.Array:
        return jnp.arctan((0.5 * math.pi * self.slope) * d) / math.pi + 0.5


@dataclasses.dataclass(frozen=True)
class Triangle(Surrogate):
    """A triangle around the threshold, 0 beyond `width`.

    Args:
        height: its value at the threshold (1/mV).
        width: half its base (mV).
    """

    formula = "height · max(0, 1 − |d| / width)"
    reference = "Esser et al. 2016, PNAS 113:11441; Bellec et al. 2018, NeurIPS 31"

    height: float = 0.3
    width: float = 1.0

    def derivative(self, d: jax.Array) -> jax.Array:
        return self.height * jnp.maximum(1 - jnp.abs(d) / self.width, 0)

    def smoothed(self, d: jax.Array) -> jax.Array:
        near = jnp.clip(d, -self.width, self.width)
        return self.height * (near - near * jnp.abs(near) / (2 * self.width) + self.width / 2)


@dataclasses.dataclass(frozen=True)
class Gaussian(Surrogate):
    """A normal density: the smoothed spike is the probability of reaching the threshold with normal noise.

    Args:
        width: its standard deviation (mV).
    """

    formula = "exp(−d² / (2·width²)) / (width·√(2π))"
    reference = "Yin, Corradi & Bohté 2020, ICONS"

    width: float = 0.5

    def derivative(self, d: jax.Array) -> jax.Array:
        return _normal(d, 0.0, self.width)

    def smoothed(self, d: jax.Array) -> jax.Array:
        return _normal_integral(d, 0.0, self.width)


@dataclasses.dataclass(frozen=True)
class StraightThrough(Surrogate):
    """The gradient passes as if the spike were the distance itself."""

    formula = "1"
    reference = "Bengio, Léonard & Courville 2013, arXiv:1308.3432"

    def derivative(self, d: jax.Array) -> jax.Array:
        return jnp.ones_like(d)

    def smoothed(self, d: jax.Array) -> jax.Array:
        return d


@dataclasses.dataclass(frozen=True)
class MultiGaussian(Surrogate):
    """A Gaussian with a shallow negative one at each side.

    With N(d; μ, σ) the normal density.

    Args:
        width: the standard deviation of the middle one, and how far out the others' centres are (mV).
        stretch: how many times wider the others are.
        weight: how deep the others are.
    """

    formula = "(1 + weight)·N(d; 0, width) − weight·N(d; width, stretch·width) − weight·N(d; −width, stretch·width)"
    reference = "Yin, Corradi & Bohté 2021, Nat Mach Intell 3:905"

    width: float = 0.5
    stretch: float = 6.0
    weight: float = 0.15

    def _combined(self, bell: Any, d: Any) -> Any:
        wide = self.stretch * self.width
        return (1 + self.weight) * bell(d, 0.0, self.width) - self.weight * (bell(d, self.width, wide) + bell(d, -self.width, wide))

    def derivative(self, d: jax.Array) -> jax.Array:
        return self._combined(_normal, d)

    def smoothed(self, d: jax.Array) -> jax.Array:
        return self._combined(_normal_integral, d)


SpikeDerivative: TypeAlias = Surrogate | SpikeTimes | FixedSpikes
"""What `surrogate=` takes."""
