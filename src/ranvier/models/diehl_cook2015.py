"""Neurons that compete for images, after Diehl and Cook: what they come to look for are the digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import AdaptiveThresholdIntegrateAndFire, InhomogeneousPoissonSource
from ranvier.plasticity import Normalization, PostsynapticSTDP
from ranvier.random import uniform
from ranvier.stimuli import Sampled
from ranvier.synapses import ExponentialConductance

FRAME = 50.0  # ms
SHOWN, REST = 3, 1  # frames of an image, and after it
EACH = (SHOWN + REST) * FRAME
FULL, INK = 150.0, 20.0  # Hz of a pixel of 1, and the sum of an image's pixels (of 64)
TOTAL = 25.0  # nS onto a neuron (from 64)
INHIBITION = 20.0  # nS
SHIFT, JUMP, FORGETTING = 30.0, 0.4, 500_000.0  # mV, mV, ms


def _images(value: Any, what: str) -> np.ndarray:
    images = doors.numbers(value, what, rank=2, low=0.0, example="sklearn.datasets.load_digits().data")
    if not images.size or (images.sum(axis=1) == 0).any():
        raise ParameterError(f"{what} has the shape {images.shape}; each image needs a pixel that is not 0.")
    return images


def _weights(value: Any, what: str) -> np.ndarray:
    return doors.numbers(value, what, rank=2, low=0.0, high=1.0, unit="nS", example="np.full((400, 64), 0.5)")


def _shifts(value: Any, what: str) -> np.ndarray:
    return doors.numbers(value, what, rank=1, unit="mV", example="np.full(400, 30.0)")


@doors.checked(
    images=doors.optional(_images),
    neurons=doors.at_least(1),
    learning_rate=doors.not_negative,
    weight=doors.optional(_weights),
    shift=doors.optional(_shifts),
    seed=doors.seed,
)
def diehl_cook(
    images: Any = None, neurons: int = 400, *, learning_rate: float = 0.05, weight: Any = None, shift: Any = None, seed: int = 0
) -> Network:
    """Images one after another, shown to neurons that inhibit each other: each learns to fire for another kind of image, without labels.

    Args:
        images: `[images, pixels]`. Each is scaled to one brightness and is a Poisson process a pixel for 150 ms; 50 ms of rest follow.
            When left out, scikit-learn's 1797 handwritten digits.
        neurons: how many there are.
        learning_rate: of `PostsynapticSTDP`; with 0 weights and thresholds stay as they are.
        weight: at the start, `[neurons, pixels]` (nS); drawn when left out.
        shift: of the neurons' thresholds at the start, `[neurons]` (mV).
        seed: of the digits' order, where images are left out.

    Returns:
        A network with the populations `"pixels"` and `"neurons"`; the projection `"pixels→neurons"` learns. Run it for
        `rv.models.diehl_cook2015.EACH` ms an image with `dt=1` and `rv.ExponentialEuler()`. Expect 85 to 88 % of
        scikit-learn's digits to be told apart by who fires, after three times through 1437 images.

    Inhibition goes straight from neuron to neuron (the paper has a second population for it), weights to a neuron are kept
    at one sum, and each spike raises a threshold that falls within minutes, so that all neurons take part. In steps of 1 ms
    the brightest pixels lose up to a tenth of their spikes, of which a warning tells.

    Source: Diehl & Cook 2015, Front Comput Neurosci 9:99.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> images = 0.5 * (1 + np.eye(4))  # of four pixels
        >>> net = rv.models.diehl_cook(images, neurons=3)
        >>> run = rv.simulate(net, duration=800.0, dt=1.0, seed=1, integrator=rv.ExponentialEuler())
        >>> run.edges("pixels→neurons").weight.shape
        (12,)
    """
    images = _digits(seed) if images is None else images
    n, pixels = images.shape
    for what, array, wanted in (("weight", weight, (neurons, pixels)), ("shift", shift, (neurons,))):
        if array is not None and array.shape != wanted:
            raise ParameterError(f"{what} has the shape {array.shape}, but there are {neurons} neurons and {pixels} pixels: give {wanted}.")
    frames = np.zeros((n, SHOWN + REST, pixels))
    frames[:, :SHOWN] = (FULL * INK * pixels / 64.0 * images / images.sum(axis=1, keepdims=True))[:, None]
    learns = learning_rate > 0
    model = AdaptiveThresholdIntegrateAndFire(
        capacitance=100.0,
        leak=1.0,
        rest=-65.0,
        threshold=-52.0,
        reset_potential=-65.0,
        refractory=5.0,
        threshold_jump=JUMP if learns else 0.0,
        threshold_tau=FORGETTING if learns else np.inf,
    )
    source = Population(pixels, InhomogeneousPoissonSource(Sampled(frames.reshape(-1, pixels), every=FRAME)), name="pixels")
    cells = Population(neurons, model, initial={"shift": SHIFT if shift is None else shift}, name="neurons")
    rule = (
        PostsynapticSTDP(high=1.0, rate=learning_rate, homeostasis=Normalization(total=TOTAL * pixels / 64.0, every=EACH))
        if learns
        else None
    )
    given = uniform(0.0, 1.0) if weight is None else weight
    excitation, inhibition = ExponentialConductance(tau=1.0, reversal=0.0), ExponentialConductance(tau=5.0, reversal=-100.0)
    return Network(
        source,
        cells,
        Projection(source, cells, excitation, all_to_all(), weight=given, plasticity=rule, name="pixels→neurons"),
        Projection(cells, cells, inhibition, all_to_all(autapses=False), weight=INHIBITION, delay=1.0, name="inhibition"),
    )


def answers(run: Any, images: int) -> np.ndarray:
    """How often each neuron fired for each image, `[images, neurons]`.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> net = rv.models.diehl_cook(0.5 * (1 + np.eye(4)), neurons=3)
        >>> run = rv.simulate(net, duration=800.0, dt=1.0, seed=1, integrator=rv.ExponentialEuler())
        >>> answers(run, 4).shape
        (4, 3)
    """
    spikes = run["neurons"].spikes
    counts = np.zeros((images, spikes.n))
    which = np.floor((spikes.times - spikes.start) / EACH + 1e-9).astype(int)
    np.add.at(counts, (which[which < images], spikes.neurons[which < images]), 1.0)
    return counts


def _digits(seed: int) -> np.ndarray:
    """scikit-learn's handwritten digits, in an order drawn by the seed; `[1797, 64]`.

    Raises:
        UnsupportedError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UnsupportedError("images were left out, and the digits are scikit-learn's: pip install scikit-learn.") from None
    return np.asarray(np.random.default_rng(seed).permutation(load_digits().data))
