"""Handwritten digits, read by spikes.

The 1 797 images of 8 × 8 pixels are those that scikit-learn ships (a copy of
the test set of Alpaydin & Kaynak 1998, UCI Machine Learning Repository). An
image is a current into a layer of integrate-and-fire neurons for 16 ms; their
spikes drive ten membranes, and the one that is highest on average is the answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

import ranvier.torch as rt
from ranvier.torch.examples.training import Data, History, one_thread, train

STEPS = 16
HIDDEN = 400
EPOCHS = 40
DROPPED = 0.3
TEST_SHARE = 0.2


class DigitReader(nn.Module):
    """64 pixels, hidden integrate-and-fire neurons with time constants that are learnt, ten leaky readouts.

    While it trains, `DROPPED` of the hidden spikes are lost, at random (Srivastava et al. 2014, J Mach Learn Res 15:1929).

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
        self.dropout = nn.Dropout(DROPPED)
        self.synapses = nn.Linear(hidden, 10)
        self.readout = rt.LeakyReadout(10, tau=10.0)

    def currents(self, images: Tensor) -> Tensor:
        """What images `[B, 64]` inject into the hidden neurons, `[steps, B, hidden]`."""
        return self.current(images).expand(self.steps, -1, -1)

    def potentials(self, spikes: Tensor) -> Tensor:
        """The potentials of the readouts, `[steps, B, 10]`, for hidden spikes."""
        potential, _ = self.readout(self.synapses(self.dropout(spikes)))
        return potential

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """One score a digit, `[B, 10]`, and the hidden spikes, `[steps, B, hidden]`, of images `[B, 64]`."""
        spikes, _ = self.neurons(self.currents(images))
        return self.potentials(spikes).mean(dim=0), spikes


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
        seed: of the split, the first weights, the order of the images and the spikes that are lost.
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
