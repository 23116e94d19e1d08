"""What every example does with a network that classifies."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


@dataclasses.dataclass
class History:
    """How a training went, one entry an epoch.

    Attributes:
        losses: the mean cross entropy of the training set.
        accuracies: of the test set, between 0 and 1.
        rates: the mean spikes of a hidden neuron in a step, of the test set.
        seconds: how long it took.
    """

    losses: list[float] = dataclasses.field(default_factory=list)
    accuracies: list[float] = dataclasses.field(default_factory=list)
    rates: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


Data = tuple[Tensor, Tensor, Tensor, Tensor]
"""Inputs and labels for training, then for testing; inputs have samples first."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Layers as small as these lose time on two threads, and on one the sums have the same order on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def accuracy(network: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """The share that is classified right, and the mean spikes of a hidden neuron in a step.

    Args:
        network: from inputs to one score a class, `[B, classes]`, and the hidden spikes, `[T, B, neurons]`.
        inputs, labels: samples first.
    """
    was_training = network.training
    network.eval()
    with torch.no_grad():
        scores, spikes = network(inputs)
    network.train(was_training)
    return (scores.argmax(dim=1) == labels).double().mean().item(), spikes.double().mean().item()


def train(
    network: nn.Module,
    data: Data,
    *,
    epochs: int,
    batch: int = 64,
    rate: float = 3e-3,
    seed: int = 0,
    report: Callable[[int, History], None] | None = None,
) -> History:
    """Trains by Adam on the cross entropy of the scores; the learning rate rises, then falls to zero.

    The test set is looked at after every epoch, but nothing is chosen by it: the last epoch is what counts.

    Args:
        network: as of `accuracy`.
        data: inputs and labels for training, then for testing.
        epochs, batch, rate: how long, samples a step, the highest learning rate.
        seed: of the order of the samples.
        report: called after every epoch with its number and what there is so far.

    Reference: Kingma & Ba 2015, ICLR (Adam); Smith & Topin 2019, Proc SPIE 11006 (the learning rate).
    """
    inputs, labels, test_inputs, test_labels = data
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * -(-len(inputs) // batch))
    order = torch.Generator().manual_seed(seed)
    history, began = History(), time.perf_counter()
    for epoch in range(epochs):
        total = 0.0
        for some in torch.randperm(len(inputs), generator=order).split(batch):
            optimizer.zero_grad()
            loss = cross_entropy(network(inputs[some])[0], labels[some])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(some)
        right, spikes = accuracy(network, test_inputs, test_labels)
        history.losses.append(total / len(inputs))
        history.accuracies.append(right)
        history.rates.append(spikes)
        history.seconds = time.perf_counter() - began
        if report is not None:
            report(epoch, history)
    return history
