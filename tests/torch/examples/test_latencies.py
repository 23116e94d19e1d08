"""Delays that are learnt against none, on patterns of latencies."""

import pytest
import torch

from ranvier.torch.examples import latencies


def test_only_intervals_between_inputs_tell_classes_apart():
    pattern = latencies.patterns(3)
    spikes, classes = latencies.samples(pattern, 4000, seed=5)
    assert spikes.shape == (4000, latencies.STEPS, latencies.INPUTS) and torch.all(spikes.sum(dim=1) == 1)
    times = spikes.argmax(dim=1).double()
    begins = times - pattern[classes]
    assert begins.mean().item() == pytest.approx(latencies.LATEST / 2, abs=0.3)
    # Within a sample, around its begin: the jitter, and the rounding to steps.
    within = begins - begins.mean(dim=1, keepdim=True)
    assert within.square().mean().sqrt().item() == pytest.approx((latencies.JITTER**2 + 1 / 12) ** 0.5, rel=0.1)


@pytest.mark.parametrize("seed", [0, 1])
def test_learnt_delays_beat_none(seed):
    """Measured at this length: 0.77 and 0.79 with delays, 0.44 and 0.28 without; chance is 1/8."""
    delayed, plain = (latencies.learn(delayed=kind, hidden=10, epochs=15, seed=seed)[1] for kind in (True, False))
    assert delayed.accuracies[-1] > plain.accuracies[-1] + 0.2
    assert delayed.accuracies[-1] > 0.6 and plain.accuracies[-1] > 0.15


def test_delays_move_where_they_are_learnt():
    torch.manual_seed(0)
    reader = latencies.PatternReader(delayed=True, hidden=8)
    before = reader.hidden[0].delay.value.detach().clone()
    latencies.train(reader, latencies.load(), epochs=2, rate=1e-2)
    after = reader.hidden[0].delay.value.detach()
    assert (after - before).abs().mean() > 0.05 and after.min() >= 0 and after.max() <= latencies.SPAN
