"""Handwritten digits, read by spikes.

The 1 797 images of 8 × 8 pixels are those that scikit-learn ships (a copy of
the test set of Alpaydin & Kaynak 1998, UCI Machine Learning Repository). An
image is a current into a layer of integrate-and-fire neurons for 16 ms; their
spikes drive ten membranes, and the one that is highest on average is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

import ranvier.torch as rt
from ranvier.torch.examples.training import Data, History, one_thread, train

SIDE = 8  # pixels
STEPS = 16
HIDDEN = 400
EPOCHS = 80
TEST_SHARE = 0.2
TURNED = math.radians(6.0)  # an image that is learnt from is turned by up to so much,
SCALED = 0.06  # stretched by up to this share,
SHEARED = 0.02
MOVED = 0.06  # and shifted by up to this share of half its width


class DigitReader(nn.Module):
    """64 pixels, hidden integrate-and-fire neurons with time constants that are learnt, ten leaky readouts.

    While it trains, every image is distorted anew, by a little (`distorted`).

    Args:
        hidden: how many neurons.
        steps: how long an image is shown (ms).

    Example:
        >>> scores, spikes = DigitReader(hidden=50)(torch.rand(8, 64))
        >>> scores.shape, spikes.shape
        (torch.Size([8, 10]), torch.Size([16, 8, 50]))
    """

    def __init__(self, hidden: int = HIDDEN, steps: int = STEPS):
        super().__init__()
        self.steps = steps
        self.current = nn.Linear(64, hidden)
        self.neurons = rt.LIF(hidden, tau=5.0, leak=0.25, learn="tau", surrogate=rt.ArcTangent())
        self.synapses = nn.Linear(hidden, 10)
        self.readout = rt.LeakyReadout(10, tau=10.0)

    def currents(self, images: Tensor) -> Tensor:
        """What images `[B, 64]` inject into the hidden neurons, `[steps, B, hidden]`."""
        return self.current(images).expand(self.steps, -1, -1)

    def potentials(self, spikes: Tensor) -> Tensor:
        """The potentials of the readouts, `[steps, B, 10]`, for hidden spikes."""
        potential, _ = self.readout(self.synapses(spikes))
        return potential

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """One score a digit, `[B, 10]`, and the hidden spikes, `[steps, B, hidden]`, of images `[B, 64]`."""
        spikes, _ = self.neurons(self.currents(distorted(images) if self.training else images))
        return self.potentials(spikes).mean(dim=0), spikes


def distorted(images: Tensor) -> Tensor:
    """Images `[n, 64]`, each turned, stretched, sheared and shifted by a little, at random, as writing is.

    Reference: Simard, Steinkraus & Platt 2003, ICDAR, 958.

    Example:
        >>> images = load()[0]
        >>> 0.01 < (distorted(images) - images).abs().mean() < 0.1
        tensor(True)
    """
    n = len(images)
    angle, wider, higher, shear, right, down = torch.rand(6, n) * 2 - 1
    angle = angle * TURNED
    across = torch.stack([(1 + SCALED * wider) * angle.cos(), SHEARED * shear - angle.sin(), MOVED * right], dim=1)
    along = torch.stack([angle.sin(), (1 + SCALED * higher) * angle.cos(), MOVED * down], dim=1)
    places = affine_grid(torch.stack([across, along], dim=1), [n, 1, SIDE, SIDE], align_corners=False)
    return grid_sample(images.view(-1, 1, SIDE, SIDE), places, align_corners=False).view(n, -1)


def load(seed: int = 0) -> Data:
    """Images `[n, 64]` (0 … 1) and digits `[n]`, for training and then for testing.

    Each digit has the same share among both.

    Args:
        seed: of the split.

    Raises:
        ImportError: scikit-learn is not installed.

    Example:
        >>> [len(part) for part in load()]
        [1437, 1437, 360, 360]
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError("The handwritten digits come with scikit-learn: pip install 'ranvier[train]'") from error
    images, digits = load_digits(return_X_y=True)
    parts = train_test_split(images / 16.0, digits, test_size=TEST_SHARE, random_state=seed, stratify=digits)
    training, testing, training_digits, testing_digits = (torch.from_numpy(np.ascontiguousarray(part)) for part in parts)
    return training.float(), training_digits.long(), testing.float(), testing_digits.long()


def learn(
    *, hidden: int = HIDDEN, epochs: int = EPOCHS, seed: int = 0, report: Callable[[int, History], None] | None = None
) -> tuple[DigitReader, History]:
    """A network that reads digits, and how its training went.

    Args:
        hidden, epochs: how many neurons, how long.
        seed: of the split, the first weights, the order of the images and their distortions.
        report: as of `ranvier.torch.examples.training.train`.

    Example:
        >>> reader, history = learn(hidden=40, epochs=3)
        >>> history.accuracies[-1] > 0.6
        True
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = DigitReader(hidden)
        history = train(reader, load(seed), epochs=epochs, seed=seed, report=report)
    return reader.eval(), history
