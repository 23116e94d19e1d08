"""The fused kernel and the reference, chosen by the layer: the same spikes, states and gradients."""

import pytest
import torch

import ranvier.torch as rt
from ranvier.errors import UnsupportedError
from ranvier.torch import fused
from ranvier.torch.layer import leaves
from ranvier.torch.surrogate import Surrogate

LAYERS = {
    "LIF": lambda **o: rt.LIF(8, tau=5.0, refractory=2.0, learn=("tau", "threshold", "leak", "rest"), **o),
    "by subtraction": lambda **o: rt.LIF(8, tau=5.0, reset_by="subtraction", detach_reset=True, surrogate=rt.ArcTangent(), **o),
    "a parameter a channel": lambda **o: rt.LIF((4, 1), tau=torch.tensor([[3.0], [5.0], [8.0], [20.0]]), learn="tau", **o),
    "numbers": lambda **o: rt.LIF(8, tau=5.0, refractory=2.0, rest=0.2, surrogate=rt.Triangle(), **o),
    "adaptive, numbers": lambda **o: rt.AdaptiveLIF(8, tau=5.0, refractory=1.0, threshold_max=2.0, reset_by="subtraction", **o),
    "adaptive": lambda **o: rt.AdaptiveLIF(8, tau=5.0, threshold_max=2.0, learn=("threshold_tau", "threshold_jump"), **o),
    "noise": lambda **o: rt.LIF(8, tau=5.0, noise=0.3, learn="noise", generator=torch.Generator().manual_seed(1), **o),
    "stochastic": lambda **o: rt.LIF(8, tau=5.0, firing=rt.SigmoidFiring(4.0, learn=True), generator=torch.Generator().manual_seed(1), **o),
}


@pytest.fixture
def kernels():
    x = torch.rand(2, 1)
    reason = fused.unsupported(x, rt.LIFState(x[0]), decay=0.5, gain=0.5)
    if reason:
        pytest.skip(reason)


def run(name, backend, dtype):
    layer = LAYERS[name](backend=backend, dtype=dtype)
    steps = 30 if name.startswith("adaptive") else 40  # 32 are kept as one
    x = 4 * torch.rand(steps, 3, 4, 8, dtype=dtype, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    spikes, state = layer(x)
    weights = torch.rand(spikes.shape, dtype=dtype, generator=torch.Generator().manual_seed(2))
    loss = (weights * spikes).sum() + sum(leaf.square().sum() for _, leaf in leaves(state) if leaf.is_floating_point())
    return spikes, state, torch.autograd.grad(loss, [x, *layer.parameters()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_both_are_equal(name, dtype, kernels):
    spikes, state, grads = run(name, "reference", dtype)
    fused_spikes, fused_state, fused_grads = run(name, "fused", dtype)
    assert spikes.sum() > 100
    assert torch.equal(fused_spikes, spikes)
    for (_, ours), (_, theirs) in zip(leaves(fused_state), leaves(state), strict=True):
        assert torch.equal(ours, theirs)
    bound = 1e-5 if dtype == torch.float32 else 1e-12  # sums over time and batch are in another order
    for ours, theirs in zip(fused_grads, grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=bound * float(theirs.abs().max()))


def test_auto_takes_the_kernel_where_it_can_and_fused_says_why_it_cannot(kernels, monkeypatch):
    taken = []
    original = fused.run
    monkeypatch.setattr(fused, "run", lambda *a, **o: taken.append(True) or original(*a, **o))
    x = torch.rand(5, 2, 3)
    layer = rt.LIF(learn="tau")
    layer(x, layer.initial_state(x[0]))
    assert taken == [True]
    rt.LIF(backend="reference")(x)
    assert taken == [True]

    class Own(Surrogate):
        formula, reference = "1", "none"

        def derivative(self, d):
            return torch.ones_like(d)

    rt.LIF(surrogate=Own())(x)
    assert taken == [True]
    with pytest.raises(UnsupportedError, match="Own is not one of the surrogates"):
        rt.LIF(surrogate=Own(), backend="fused")(x)


def test_without_a_kernel_auto_is_the_reference(monkeypatch):
    monkeypatch.setattr(fused, "unsupported", lambda *a, **o: "no kernel")
    x = torch.rand(5, 2, 3)
    assert torch.equal(rt.LIF()(x)[0], rt.LIF(backend="reference")(x)[0])
