"""Currents given as samples."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.model import INPUT, parameter
from ranvier.stimuli.base import Stimulus, plain
from ranvier.stimuli.pulses import whole


@jax.custom_jvp
def _spacing_alone(every: Any) -> Any:
    """The time between samples, by which there is no derivative: which sample holds jumps with it, mostly at the beginnings of steps.

    Raises:
        UnsupportedError: somebody differentiates by it.
    """
    return every


@_spacing_alone.defjvp
def _refuse(primals: Any, tangents: Any) -> Any:
    raise UnsupportedError(
        "There is no derivative by the time between a current's samples, `every`: it decides which of them holds. Leave it out of what is "
        "differentiated; rv.fit searches it with rv.fitting.CMAES(), which needs no derivative."
    )


class Sampled(Stimulus):
    """A current given by samples at `0, every, 2·every, …`: sample *i* holds from its time until the next.

    The rule: at the time `t` sample `floor(t/every + 1e-6)` holds, so a time
    that is a multiple of `every` but for rounding takes the sample of that
    multiple; before 0 the first holds, after the end the last. A method that holds the current over a step
    takes the mean of the samples in it, each for as long as it holds.

    Args:
        values: shape `(time,)`, the same for all neurons, or `(time, neuron)`.
        every: the time between samples (ms).

    Example:
        >>> import numpy as np
        >>> ramp = Sampled(np.arange(5.0), every=0.5)
        >>> [float(ramp(t)) for t in (0.0, 0.7, 1.0, 99.0)]
        [0.0, 1.0, 2.0, 4.0]
    """

    equations = "I(t) = values[floor(t / every + 1e-6)]"

    values: Any = parameter(unit=INPUT, text="the samples, (time,) or (time, neuron)", per="sample")
    every: Any = parameter(unit="ms", bounds=(1e-12, np.inf), text="time between samples", per="sample", double=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.ndim(plain(self.values)) not in (1, 2) or np.ndim(self.every) != 0:
            raise ParameterError(
                f"{type(self).__name__}: values must have the shape (time,) or (time, neuron), and every be one number; "
                f"the shapes given are {np.shape(self.values)} and {np.shape(self.every)}."
            )

    @property
    def piecewise_constant(self) -> bool:
        return True

    @property
    def _spacing(self) -> Any:
        return _spacing_alone(self.every) if isinstance(self.every, jax.core.Tracer) else self.every

    def _index(self, t: Any) -> Any:
        return jnp.floor(t / self._spacing + 1e-6)

    def _at(self, index: Any) -> Any:
        values = jnp.asarray(self.values)
        return values[jnp.clip(index, 0, values.shape[0] - 1).astype(int)]

    def __call__(self, t: Any) -> Any:
        return self._at(self._index(t))

    def over_steps(self, dt: Any) -> Stimulus:
        known = not isinstance(self.every, jax.core.Tracer)
        if type(self) is not Sampled or (known and float(np.asarray(self.every)) >= float(dt) * (1 - 1e-6)):
            return self
        library = jnp if isinstance(self.values, jax.Array) else np
        values = library.asarray(self.values)
        sums = library.concatenate([0 * values[:1], library.cumsum(values, axis=0)])
        return _Summed([0.0], 1.0, [0.0]).with_values({"values": self.values, "every": self.every, "sums": sums})

    def average(self, t: Any, t_next: Any) -> Any:
        first = self._index(t)
        last = jnp.ceil(t_next / self.every - 1e-6) - 1
        share = whole(jnp.clip(((first + 1) * self._spacing - t) / (t_next - t), 0.0, 1.0))  # of the step, until the first sample ends
        begun = self._at(first)
        rest = share * begun + (1 - share) * self._at(last) + self._between(first, last, (t_next - t) / self._spacing)
        return jnp.where(last <= first, begun, rest)

    def _between(self, first: Any, last: Any, per_step: Any) -> Any:
        """What the samples that lie wholly within a step add to its mean: there are none where none is shorter than a step."""
        return 0.0


class _Summed(Sampled):
    """Samples shorter than a step, with their running sums."""

    sums: Any = parameter(unit=INPUT, text="the sum of the samples before each", per="sample")

    def over_steps(self, dt: Any) -> Stimulus:
        return self

    def _between(self, first: Any, last: Any, per_step: Any) -> Any:
        sums = jnp.asarray(self.sums)
        n = sums.shape[0] - 1

        def until(index: Any) -> Any:  # the first and the last sample hold before and after all others
            inside = jnp.clip(index, 0, n)
            beyond = jnp.maximum(index - n, 0) * self._at(n) + jnp.minimum(index, 0) * self._at(0)
            return sums[inside.astype(int)] + beyond

        count = jnp.maximum(last - first - 1, 0)
        return (until(last) - until(first + 1) - count * self._at(last)) / per_step


class PublishedSampling(Sampled):
    """Samples looked up as the published PSST code does it: `values[int(t · (1/every))]`.

    TensorFlow turns `t/0.01` into `t·100.0`, and truncation then takes the
    sample before on about one step in fifty. Use it to reproduce the published
    antennal lobe; `Sampled` is the rule that is right.
    """

    equations = "I(t) = values[trunc(t * (1 / every))]"

    @property
    def piecewise_constant(self) -> bool:
        return False  # published programs ask for it at every stage

    def average(self, t: Any, t_next: Any) -> Any:
        return self(t)

    reference = "Mohanta & Assisi 2019 (PSST), as TensorFlow executes it"

    def _index(self, t: Any) -> Any:
        # the barrier keeps XLA from turning the product with the reciprocal back into a quotient
        return jnp.trunc(t * optimization_barrier(1.0 / jnp.asarray(self._spacing)))
