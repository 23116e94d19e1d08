"""Encoders and decoders."""

import math

import pytest
import torch

import ranvier.torch as rt


def test_rate_coding_has_its_mean(draws):
    image = torch.tensor([[0.0, 0.1], [0.5, 1.0]])
    spikes = rt.encode.rate(image, 20_000, generator=draws)
    assert spikes.shape == (20_000, 2, 2) and set(spikes.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(spikes.mean(0), image, rtol=0, atol=0.015)  # standard error 0.0035


def test_latency_linear_and_logarithmic():
    values = torch.tensor([0.0, 0.2, 0.5, 1.0])
    linear = rt.encode.latency(values, 11)
    assert linear.sum(0).tolist() == [0, 1, 1, 1]
    assert rt.decode.first_spike(linear).tolist() == [11, 8, 5, 0]
    tau, threshold = 5.0, 0.1
    spikes = rt.encode.latency(values, 50, tau=tau, threshold=threshold)
    expected = [50, *(round(tau * math.log(v / (v - threshold))) for v in (0.2, 0.5, 1.0))]
    assert rt.decode.first_spike(spikes).tolist() == expected


def test_delta_both_ways():
    signal = torch.tensor([0.0, 1.0, 1.05, 0.0])
    assert rt.encode.delta(signal, 0.1).tolist() == [0, 1, 0, -1]


def test_population_peaks_at_the_nearest_centre():
    activity = rt.encode.population(torch.tensor([0.0, 0.26, 1.0]), 5)
    assert activity.argmax(-1).tolist() == [0, 1, 4]
    assert activity[1, 2].item() == pytest.approx(math.exp(-0.5 * ((0.26 - 0.5) / 0.25) ** 2))


def test_decoders_and_their_gradients():
    spikes = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    assert rt.decode.count(spikes).tolist() == [2, 1]
    first = rt.decode.first_spike(spikes)
    assert first.tolist() == [1, 0]
    (grad,) = torch.autograd.grad(first.sum(), spikes)
    assert grad.tolist() == [[-1.0, -3.0], [-1.0, 0.0], [0.0, 0.0]]
    v = torch.tensor([[1.0], [3.0], [2.0]])
    assert [rt.decode.membrane(v, how).item() for how in ("last", "mean", "max")] == [2, 2, 3]
