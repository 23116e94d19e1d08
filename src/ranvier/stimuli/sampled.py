"""Currents given as samples."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from ranvier.errors import ParameterError
from ranvier.model import INPUT, parameter
from ranvier.stimuli.base import Stimulus, plain


class Sampled(Stimulus):
    """A current given by samples at `0, every, 2·every, …`: sample *i* holds from its time until the next.

    The rule: at the time `t` sample `floor(t/every + 1e-6)` holds, so a time
    that is a multiple of `every` but for rounding takes the sample of that
    multiple; before 0 the first holds, after the end the last.

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
    every: Any = parameter(unit="ms", bounds=(1e-12, np.inf), text="time between samples", per="sample")

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.ndim(plain(self.values)) not in (1, 2) or np.ndim(self.every) != 0:
            raise ParameterError(
                f"{type(self).__name__}: values must have the shape (time,) or (time, neuron), and every be one number; "
                f"the shapes given are {np.shape(self.values)} and {np.shape(self.every)}."
            )

    def _index(self, t: Any) -> Any:
        return jnp.floor(t / self.every + 1e-6)

    def __call__(self, t: Any) -> Any:
        values = jnp.asarray(self.values)
        return values[jnp.clip(self._index(t), 0, values.shape[0] - 1).astype(int)]


class PublishedSampling(Sampled):
    """Samples looked up as the published PSST code does it: `values[int(t · (1/every))]`.

    TensorFlow turns `t/0.01` into `t·100.0`, and truncation then takes the
    sample before on about one step in fifty. Use it to reproduce the published
    antennal lobe; `Sampled` is the rule that is right.
    """

    equations = "I(t) = values[trunc(t * (1 / every))]"
    reference = "Mohanta & Assisi 2019 (PSST), as TensorFlow executes it"

    def _index(self, t: Any) -> Any:
        # the barrier keeps XLA from turning the product with the reciprocal back into a quotient
        return jnp.trunc(t * optimization_barrier(1.0 / jnp.asarray(self.every)))
