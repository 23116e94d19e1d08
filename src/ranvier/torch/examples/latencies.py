"""Patterns of latencies, told apart by connections that delay.

Each class is a pattern: the time at which each input fires its one spike. A
sample is the pattern of its class, jittered, and begins at a time of its own:
rates say nothing, nor does the time of any one spike; only the intervals
between inputs tell. Where a connection waits the longer the earlier its input
is, the spikes of a pattern meet at one neuron (Hopfield 1995, Nature 376:33);
without delays they come apart, and a neuron that forgets within 5 ms misses it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import ranvier.torch as rt
from ranvier.torch.examples.training import Data, History, one_thread, train

INPUTS = 20
CLASSES = 8
SPAN = 20  # ms, within which the spikes of a pattern fall
LATEST = 10  # ms, when a pattern begins at the latest
JITTER = 1.0  # ms, the standard deviation of a spike's time
STEPS = SPAN + LATEST + 10
TAU = 5.0  # ms, of hidden neurons
REACH = 3.0  # steps that a delay reaches to either side, so that its gradient sees spikes nearby
HIDDEN = 16
EPOCHS = 20
TRAINED, TESTED = 600, 400  # samples


def patterns(seed: int = 0) -> Tensor:
    """The latencies (ms) of each class, `[CLASSES, INPUTS]`, drawn evenly."""
    return torch.rand(CLASSES, INPUTS, generator=torch.Generator().manual_seed(seed)) * SPAN


def samples(latencies: Tensor, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Spikes `[n, STEPS, inputs]` in steps of 1 ms, and their classes `[n]`.

    Args:
        latencies: of each class (ms), `[classes, inputs]`.
        n: how many.
        seed: of classes, beginnings and jitter.

    Example:
        >>> spikes, classes = samples(patterns(), 5, seed=1)
        >>> spikes.shape, spikes.sum(1).unique().tolist()           # one spike an input
        (torch.Size([5, 40, 20]), [1.0])
    """
    draws = torch.Generator().manual_seed(seed)
    classes = torch.randint(len(latencies), (n,), generator=draws)
    begin = torch.rand(n, 1, generator=draws) * LATEST
    times = latencies[classes] + begin + JITTER * torch.randn(n, latencies.shape[1], generator=draws)
    steps = times.round().long().clamp(0, STEPS - 1)
    return torch.zeros(n, STEPS, latencies.shape[1]).scatter_(1, steps[:, None, :], 1.0), classes


def load(seed: int = 0) -> Data:
    """Samples of the patterns of that seed: spikes and classes for training, and others for testing."""
    latencies = patterns(seed)
    return (*samples(latencies, TRAINED, 2 * seed + 1), *samples(latencies, TESTED, 2 * seed + 2))


class PatternReader(nn.Module):
    """Inputs, hidden integrate-and-fire neurons, and a leaky readout for each class.

    Args:
        delayed: whether connections from inputs to hidden neurons have delays, which are learnt as the weights are.
        hidden: how many neurons.

    Example:
        >>> scores, spikes = PatternReader(delayed=True)(load()[0][:5])
        >>> scores.shape, spikes.shape
        (torch.Size([5, 8]), torch.Size([40, 5, 16]))
    """

    def __init__(self, *, delayed: bool, hidden: int = HIDDEN):
        super().__init__()
        connections = rt.Delays(INPUTS, hidden, max_delay=float(SPAN), width=REACH) if delayed else nn.Linear(INPUTS, hidden, bias=False)
        nn.init.uniform_(connections.weight, -0.2, 0.6)  # a few coincident spikes reach the threshold of 1
        neurons = rt.LIF(hidden, tau=TAU, input="impulse", surrogate=rt.ArcTangent(), learn="tau")
        self.hidden = rt.Sequential(connections, neurons)
        self.readout = rt.Sequential(nn.Linear(hidden, CLASSES), rt.LeakyReadout(CLASSES, tau=20.0))

    def forward(self, spikes: Tensor) -> tuple[Tensor, Tensor]:
        """A score for each class, `[B, CLASSES]`, and the hidden spikes, `[STEPS, B, hidden]`, of spikes `[B, STEPS, INPUTS]`."""
        hidden, _ = self.hidden(spikes.transpose(0, 1))
        potential, _ = self.readout(hidden)
        return potential.sum(dim=0), hidden


def learn(*, delayed: bool, hidden: int = HIDDEN, epochs: int = EPOCHS, seed: int = 0) -> tuple[PatternReader, History]:
    """A network that tells the patterns of that seed apart, and how its training went.

    Args:
        delayed, hidden: as of `PatternReader`.
        epochs: how long.
        seed: of patterns, samples, first weights and the order of the samples.

    Example:
        >>> reader, history = learn(delayed=True, hidden=4, epochs=1)
        >>> len(history.accuracies)
        1
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = PatternReader(delayed=delayed, hidden=hidden)
        history = train(reader, load(seed), epochs=epochs, rate=1e-2, seed=seed)
    return reader.eval(), history
