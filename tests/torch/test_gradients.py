"""Gradients: exact through the state, the surrogate's at a spike, that of the mean where firing is stochastic."""

import pytest
import torch
from torch.autograd import gradcheck

import ranvier.torch as rt
from ranvier.torch.surrogate import Surrogate

DOUBLE = torch.float64


class Smooth(Surrogate):
    """A spike that is smooth forward too, so that finite differences can check all that is around it."""

    formula, reference = "sigmoid", "none"

    def __call__(self, d):
        return torch.sigmoid(4 * d)


def random(*shape, low=0.0, high=1.0):
    return (low + (high - low) * torch.rand(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))).requires_grad_()


@pytest.mark.parametrize("subtraction", [False, True])
@pytest.mark.parametrize("adaptive", [False, True])
def test_against_finite_differences_through_all_of_a_sequence(subtraction, adaptive):
    def run(x, v, at, decay, gain, rest, threshold, reset, threshold_decay, jump, noise):
        state = rt.LIFState(v, None, at if adaptive else None)
        spikes, state = rt.lif_sequence(
            x, state, decay=decay, gain=gain, rest=rest, threshold=threshold, reset=reset, reset_by_subtraction=subtraction,
            threshold_decay=threshold_decay, threshold_jump=jump, noise=noise, surrogate=Smooth(),
        )  # fmt: skip
        return (spikes, state.v, state.threshold) if adaptive else (spikes, state.v)

    one = lambda value: torch.tensor(value, dtype=DOUBLE, requires_grad=True)
    inputs = (random(5, 2, 3, high=3.0), random(2, 3), random(2, 3, low=1.0, high=2.0), random(3, low=0.5), one(0.6), one(0.1))
    inputs += (one(1.0), one(-0.2), one(0.9), one(0.3), random(5, 2, 3, high=0.1))
    assert gradcheck(run, inputs, eps=1e-6, atol=1e-7)


def test_below_the_threshold_the_gradient_is_known():
    x = torch.full((10, 1), 0.1, dtype=DOUBLE, requires_grad=True)
    _, state = rt.LIF(tau=5.0)(x)
    (grad,) = torch.autograd.grad(state.v.sum(), x)
    decay = torch.exp(torch.tensor(-1 / 5.0, dtype=DOUBLE))
    surrogate_part = 1e-3  # of the reset: FastSigmoid's tail at d ≈ −1
    torch.testing.assert_close(grad[:, 0], decay ** torch.arange(9, -1, -1) * (1 - decay), rtol=10 * surrogate_part, atol=0)
    _, state = rt.LIF(tau=5.0, detach_reset=True)(x)
    (grad,) = torch.autograd.grad(state.v.sum(), x)
    torch.testing.assert_close(grad[:, 0], decay ** torch.arange(9, -1, -1) * (1 - decay))


@pytest.mark.parametrize("detach", [False, True])
def test_through_spikes_by_hand(detach):
    """Back-propagation through time written out for a hard threshold and reset."""
    surrogate = rt.ArcTangent(2.0)
    layer = rt.LIF(tau=5.0, threshold=1.0, reset=-0.3, surrogate=surrogate, detach_reset=detach)
    x = (torch.rand(20, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)) * 4).requires_grad_()
    spikes, state = layer(x)
    assert 2 < spikes.sum() < 15
    weights = torch.linspace(-1, 2, 20, dtype=DOUBLE)
    (grad,) = torch.autograd.grad((weights * spikes).sum() + 0.7 * state.v, x)

    decay = float(torch.exp(torch.tensor(-1 / 5.0, dtype=DOUBLE)))
    u, s, v = [], [], 0.0
    for value in x.tolist():
        u.append(decay * v + (1 - decay) * value)
        s.append(float(u[-1] >= 1.0))
        v = -0.3 if s[-1] else u[-1]
    assert s == spikes.tolist()
    after, by_hand = 0.7, [0.0] * 20
    for t in reversed(range(20)):
        slope = float(surrogate.derivative(torch.tensor(u[t] - 1.0, dtype=DOUBLE)))
        of_spike = float(weights[t]) + (0.0 if detach else after * (-0.3 - u[t]))
        of_u = of_spike * slope + after * (1 - s[t])
        by_hand[t] = of_u * (1 - decay)
        after = of_u * decay
    torch.testing.assert_close(grad, torch.tensor(by_hand, dtype=DOUBLE), rtol=1e-12, atol=1e-14)


def test_no_gradient_while_refractory():
    x = torch.tensor([5.0, 1.0, 1.0, 1.0], dtype=DOUBLE, requires_grad=True)
    layer = rt.LIF(tau=5.0, input="impulse", refractory=2.0, detach_reset=True, surrogate=rt.StraightThrough())
    spikes, _ = layer(x)
    assert spikes.tolist() == [1.0, 0.0, 0.0, 1.0]
    (grad,) = torch.autograd.grad(spikes.sum(), x)
    assert grad.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_truncation_cuts_the_gradient_and_nothing_else():
    x = torch.rand(12, 2, 3, dtype=DOUBLE, requires_grad=True, generator=torch.Generator().manual_seed(0))
    layer = rt.AdaptiveLIF(tau=5.0)
    whole, last = layer(5 * x)
    pieces, final = [], None
    for piece, state in rt.truncated(layer, 5 * x, every=5):
        pieces.append(piece)
        final = state
    assert [len(p) for p in pieces] == [5, 5, 2]
    assert torch.equal(torch.cat(pieces), whole) and torch.equal(final.v, last.v)
    (grad,) = torch.autograd.grad(final.v.sum(), x)
    assert bool((grad[:10] == 0).all()) and bool((grad[10:] != 0).any())


def test_the_gradient_of_stochastic_firing_is_that_of_its_mean(draws):
    """One step: the mean over draws of the gradient is the derivative of the probability."""
    layer = rt.LIF(input="impulse", firing=rt.SigmoidFiring(4.0), generator=draws)
    x = torch.full((1, 200_000), 0.8, dtype=DOUBLE, requires_grad=True)
    spikes, _ = layer(x)
    (grad,) = torch.autograd.grad(spikes.sum(), x)
    p = torch.sigmoid(torch.tensor(4 * (0.8 - 1.0), dtype=DOUBLE))
    torch.testing.assert_close(grad, torch.full_like(grad, float(4 * p * (1 - p))))
    assert spikes.mean().item() == pytest.approx(p.item(), abs=4e-3)  # 200 000 draws: a standard error of 1e-3


def test_the_slope_of_stochastic_firing_is_learnt(draws):
    layer = rt.LIF(firing=rt.SigmoidFiring(4.0, learn=True), generator=draws)
    layer(torch.rand(10, 20))[0].sum().backward()
    assert layer.firing.slope.raw.grad.item() != 0
