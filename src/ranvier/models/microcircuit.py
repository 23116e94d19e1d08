"""Potjans and Diesmann's cortical microcircuit."""

from __future__ import annotations

import math

import numpy as np

from ranvier import doors
from ranvier.connect import fixed_total_number
from ranvier.errors import ParameterError
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.random import normal
from ranvier.synapses import ExponentialCurrent

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
NEURONS = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
EXTERNAL_INPUTS = np.array([1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100])
EXTERNAL_RATE = 8.0  # Hz
RATES = np.array([0.971, 2.868, 4.746, 5.396, 8.142, 9.078, 0.991, 7.523])
"""Of the full network (Hz)."""

PROBABILITIES = np.array(  # target, source
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0],
        [0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443],
    ]
)
START = ((-68.28, 5.36), (-63.16, 4.57), (-63.33, 4.74), (-63.45, 4.94), (-63.11, 4.94), (-61.66, 4.55), (-66.72, 5.46), (-61.43, 4.48))
"""Mean and standard deviation of each population's potential at the start (mV)."""

CAPACITANCE, TIME_CONSTANT, SYNAPTIC = 250.0, 10.0, 0.5  # pF, ms, ms
POTENTIAL = 0.15  # mV: the height of an excitatory postsynaptic potential
INHIBITION = -4.0  # relative strength
SPREAD = 0.1  # standard deviation of weights, relative
DELAYS = ((1.5, 0.75), (0.75, 0.375))  # ms, mean and standard deviation: of excitatory and inhibitory sources
LEAST_DELAY = 0.1


def postsynaptic_current(potential: float) -> float:
    """The jump of an exponential current (pA) that makes a postsynaptic potential of that height (mV).

    Example:
        >>> round(postsynaptic_current(0.15), 1)
        87.8
    """
    ratio = SYNAPTIC / TIME_CONSTANT
    height = (
        TIME_CONSTANT
        * SYNAPTIC
        / (CAPACITANCE * (TIME_CONSTANT - SYNAPTIC))
        * (ratio ** (ratio / (1 - ratio)) - ratio ** (1 / (1 - ratio)))
    )
    return potential / height


def synapse_numbers() -> np.ndarray:
    """How many synapses there are between two populations of the full network, `[target, source]`.

    The paper's probability is that of at least one synapse between two neurons, with
    repetitions allowed: `1 − (1 − 1/(N_target · N_source))^K`.

    Example:
        >>> int(synapse_numbers().sum())
        298880970
    """
    pairs = NEURONS[:, None].astype(float) * NEURONS[None, :]
    return np.rint(np.log1p(-PROBABILITIES) / np.log1p(-1.0 / pairs)).astype(np.int64)


def weights() -> np.ndarray:
    """The mean weight between two populations of the full network (pA), `[target, source]`."""
    result = np.tile(postsynaptic_current(POTENTIAL) * np.array([1.0, INHIBITION] * 4), (8, 1))
    result[POPULATIONS.index("L23E"), POPULATIONS.index("L4E")] *= 2.0
    return result


def compensation(scale: float) -> np.ndarray:
    """The current into each population (pA) that stands for the input that a scaled network lacks.

    With in-degrees times `scale` and weights divided by √scale the variance of the input
    is kept and its mean falls to √scale; the current is the rest, at the full network's rates.

    Example:
        >>> compensation(0.1).round()[:2].tolist() == compensation(1.0).round()[:2].tolist()
        False
    """
    recurrent = weights() * synapse_numbers() / NEURONS[:, None] @ RATES
    external = postsynaptic_current(POTENTIAL) * EXTERNAL_INPUTS * EXTERNAL_RATE
    return (1.0 - math.sqrt(scale)) * (recurrent + external) * SYNAPTIC / 1000.0


@doors.checked(scale=checked_scale)
def microcircuit(scale: float = 1.0) -> Network:
    """The neurons under one square millimetre of early sensory cortex: four layers, 77 169 neurons, 299 million synapses.

    Args:
        scale: the numbers of neurons and of inputs to each, as a share of the published
            ones, at most 1. A smaller network has weights divided by √scale and a constant
            current for the missing input, which keep the rates but not the correlations.

    Returns:
        A network with the populations `"L23E"`, `"L23I"`, … `"L6I"`. Run it with
        `dt=0.1` and `precision="single"`; it is linear, so it is advanced exactly.
        Expect 0.97, 2.9, 4.7, 5.4, 8.1, 9.1, 1.0 and 7.5 Hz. The full network takes
        about 3 GB, a second of it some 10 000 steps of 77 000 neurons.

    Weights and delays are normally distributed; as in the reference implementation those of
    the wrong sign, and delays below 0.1 ms, are drawn again.

    Source: Potjans & Diesmann 2014, Cereb Cortex 24:785; scaling as in van Albada et al.
    2015, PLoS Comput Biol 11:e1004490, and the reference implementation in NEST.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.microcircuit(scale=0.02), duration=50.0, dt=0.1, seed=1, precision="single")
        >>> run.spikes.n, len(run.spikes) > 50
        (1544, True)
    """
    if scale > 1:
        raise ParameterError(f"scale is {scale:g}, but the microcircuit is a piece of cortex of 1 mm²: it can be made smaller, not larger.")
    cell = LeakyIntegrateAndFire(
        capacitance=CAPACITANCE, leak=CAPACITANCE / TIME_CONSTANT, rest=-65.0, threshold=-50.0, reset_potential=-65.0, refractory=2.0
    )
    synapse = ExponentialCurrent(tau=SYNAPTIC)
    missing = compensation(scale)
    layers = [
        Population(scaled(int(n), scale), cell, initial={"V": normal(*start)}, current=float(current) if scale < 1 else None, name=name)
        for name, n, start, current in zip(POPULATIONS, NEURONS, START, missing, strict=True)
    ]
    numbers, strengths = np.rint(synapse_numbers() * scale**2).astype(int), weights() / math.sqrt(scale)
    external = postsynaptic_current(POTENTIAL) / math.sqrt(scale)
    return Network(
        *layers,
        *(
            _projection(
                layers[source], layers[target], synapse, int(numbers[target, source]), strengths[target, source], DELAYS[source % 2]
            )
            for target in range(8)
            for source in range(8)
            if numbers[target, source]
        ),
        *(
            PoissonInput(layer, synapse, rate=EXTERNAL_RATE, sources=n * scale, weight=external, name=f"input of {layer.name}")
            for layer, n in zip(layers, EXTERNAL_INPUTS, strict=True)
        ),
    )


def _projection(
    source: Population, target: Population, synapse: ExponentialCurrent, number: int, weight: float, delay: tuple[float, float]
) -> Projection:
    low, high = (0.0, math.inf) if weight > 0 else (-math.inf, 0.0)
    return Projection(
        source,
        target,
        synapse,
        fixed_total_number(number),
        weight=normal(weight, SPREAD * abs(weight), low, high, redraw=True),
        delay=normal(*delay, low=LEAST_DELAY, redraw=True),
    )
