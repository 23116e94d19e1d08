"""Sources of spikes: populations that have spikes but no membrane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, warn
from ranvier.model import POSITIVE, PerNeuron, component, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState
from ranvier.random import Key
from ranvier.stimuli.base import Constant, Stimulus, as_stimulus


class SpikeSource(NeuronModel):
    """Base of the sources of spikes: no state, no input."""

    takes_input = False

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        return {}


LOST = 0.05  # of the spikes, from where on it is worth a warning
TIMES_AT_ONCE = 1 << 16


def warn_of_lost_spikes(rate: float, dt: float, what: str) -> None:
    """Warns where a neuron that spikes at most once a step cannot follow its rate (Hz)."""
    mean = float(rate) * dt / 1000.0
    got = -math.expm1(-mean)
    if got < (1.0 - LOST) * mean:
        warn(
            f"{what} has a rate of {rate:g} Hz, which is {mean:.2g} spikes a step of {dt:g} ms; a neuron spikes at most once a step, so "
            "it has "
            f"{1000 * got / dt:.4g} Hz. Take dt = {100 / rate:.2g} ms, or rv.PoissonInput, whose spikes may be several a step."
        )


class PoissonSource(SpikeSource):
    """Neurons that fire at random, independently and at a fixed rate.

    A neuron spikes at most once a step, with the probability `1 − exp(−rate · dt)`; the
    spikes that a Poisson process has beyond one in a step are lost. At 100 Hz and 0.1 ms
    that is half a percent of them.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.Population(1000, PoissonSource(20.0)), duration=1000.0, dt=0.1, seed=1)
        >>> bool(19.5 < run.spikes.rate.mean() < 20.5)
        True
    """

    equations = "hazard = rate"
    reference = "Perkel, Gerstein & Moore 1967, Biophys J 7:391"

    rate: PerNeuron = parameter(10.0, "Hz", POSITIVE, "firing rate")

    def check_step(self, dt: float, what: str) -> None:
        warn_of_lost_spikes(np.max(np.asarray(self.rate), initial=0.0), dt, what)

    def spike_hazard(self, state: NeuronState, t: jax.Array) -> jax.Array:
        return jnp.asarray(self.rate) / 1000.0


class InhomogeneousPoissonSource(SpikeSource):
    """Neurons that fire at random at a rate that changes in time.

    The rate (Hz) is a stimulus or any function of the time (ms), one number for all neurons
    or one each, taken at the start of each step. A negative rate counts as 0.

    Example:
        >>> import ranvier as rv
        >>> rhythm = InhomogeneousPoissonSource(lambda t: 20.0 + 20.0 * jnp.sin(2 * jnp.pi * t / 100.0))
        >>> run = rv.simulate(rv.Population(1000, rhythm), duration=1000.0, dt=0.1, seed=1)
        >>> first_half = (run.spikes.times % 100) < 50  # of each period
        >>> bool(first_half.mean() > 0.7)
        True
    """

    equations = "hazard = max(rate(t), 0)"
    reference = "Perkel, Gerstein & Moore 1967, Biophys J 7:391"
    input_unit = "Hz"

    rate: Stimulus = component(Constant(10.0))

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", as_stimulus(self.rate, "InhomogeneousPoissonSource.rate"))
        super().__post_init__()
        if self.rate.noise(0.0) is not None:
            raise ParameterError("The rate of an InhomogeneousPoissonSource cannot have white noise: it would have no value at any time.")
        if isinstance(self.rate, Constant) and isinstance(self.rate.amplitude, float | np.ndarray):
            doors.in_bounds(np.asarray(self.rate.amplitude), "InhomogeneousPoissonSource.rate", 0.0, math.inf, unit="Hz")

    def check_times(self, begin: int, end: int, dt: float, what: str) -> None:
        steps = np.linspace(begin, max(end - 1, begin), min(max(end - begin, 1), TIMES_AT_ONCE)).astype(np.int64)
        rates = np.asarray(jax.vmap(self.rate)(jnp.asarray(steps * dt)))
        if np.isnan(rates).any():
            raise ParameterError(
                f"{what}: the rate of an InhomogeneousPoissonSource is NaN at t = {steps[np.argwhere(np.isnan(rates))[0][0]] * dt:g} "
                "ms, but it "
                "must be a number (Hz) at all times of the run."
            )
        warn_of_lost_spikes(rates.max(), dt, what)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        shape = jax.eval_shape(self.rate, jnp.zeros(())).shape
        if shape not in ((), (n,)):
            raise ParameterError(
                f"The rate of an InhomogeneousPoissonSource has the shape {shape} in a population of {n}: "
                f"give one number, or one a neuron ({n},). How many neurons there are, rv.Population says."
            )
        return {}

    def spike_hazard(self, state: NeuronState, t: jax.Array) -> jax.Array:
        return jnp.maximum(self.rate(t), 0.0) / 1000.0


class SpikeTimes(SpikeSource):
    """Neurons that fire at given times.

    A time becomes the step whose start is nearest, so a spike at `t` is recorded at `t` and
    reaches its targets as any other neuron's does. Two spikes of a neuron in one step are refused.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(3, SpikeTimes(times=[1.0, 5.0, 5.0], neurons=[2, 0, 1]))
        >>> run = rv.simulate(source, duration=10.0, dt=0.1)
        >>> [train.round(1).tolist() for train in run.spikes.trains]
        [[5.0], [5.0], [1.0]]
    """

    equations = "neuron neurons[i] spikes at times[i]"

    times: PerNeuron = parameter(unit="ms", bounds=POSITIVE, text="when the spikes are", per="sample", double=True)
    neurons: PerNeuron = parameter(0.0, "1", POSITIVE, "whose they are: one number for all, or one each", per="sample", double=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        times, neurons = np.asarray(self.times), np.asarray(self.neurons)
        if times.ndim != 1 or neurons.shape not in ((), times.shape):
            raise ParameterError(
                f"SpikeTimes has times of the shape {times.shape} and neurons of the shape {neurons.shape}: give a list of times, and "
                "the neuron of each. Lists of one train a neuron: rv.neurons.SpikeTimes.of_trains([[1.0, 7.0], [], [5.0]])."
            )
        if (neurons != np.floor(neurons)).any():
            raise ParameterError(
                f"SpikeTimes.neurons are numbers of neurons, counted from 0, but {neurons[neurons % 1 != 0][0]:g} is among them."
            )
        if not np.isfinite(times).all():
            raise ParameterError("SpikeTimes.times must be finite.")

    @classmethod
    def of_trains(cls, trains: Sequence[Any]) -> SpikeTimes:
        """From a list of spike trains (ms), one a neuron: what `run.spikes.trains` is, say.

        Example:
            >>> SpikeTimes.of_trains([[1.0, 7.0], [], [5.0]]).neurons.tolist()
            [0.0, 0.0, 2.0]
        """
        if not isinstance(trains, list | tuple):
            raise doors.refusal("trains", trains, "a list of spike trains (ms), one a neuron, such as [[1.0, 7.0], [], [5.0]]")
        times = [doors.numbers(train, f"trains[{i}]", low=0.0, unit="ms") for i, train in enumerate(trains)]
        return cls(
            times=np.concatenate([*times, np.empty(0)]), neurons=np.repeat(np.arange(len(times), dtype=np.float64), [len(t) for t in times])
        )

    def spike_times(self) -> tuple[np.ndarray, np.ndarray]:
        times = np.asarray(self.times)
        return times, np.broadcast_to(np.asarray(self.neurons), times.shape).astype(np.int64)
