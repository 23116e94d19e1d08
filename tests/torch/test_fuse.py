"""A layer of one's own in one pass: what its steps do, and by name what cannot be fused."""

import copy
import shutil
from typing import NamedTuple

import pytest
import torch

import ranvier.torch as rt
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.torch.layer import leaves

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="no C++ compiler is here")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANVIER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class QuadraticState(NamedTuple):
    v: torch.Tensor
    trace: torch.Tensor
    since: torch.Tensor


class Quadratic(rt.SpikingLayer):
    """A quadratic neuron with a trace of its spikes, a count of the steps since the last one, and what can be learnt."""

    def __init__(self):
        super().__init__()
        self.tau = torch.nn.Parameter(torch.tensor(8.0))
        self.bias = torch.nn.Parameter(torch.linspace(0.0, 0.5, 6))
        self.register_buffer("strength", torch.tensor(0.3))
        self.surrogate = rt.Gaussian(0.4)

    def initial_state(self, x):
        return QuadraticState(torch.zeros_like(x), torch.zeros_like(x), torch.zeros(x.shape, dtype=torch.int32))

    def step(self, x, state):
        v, trace, since = state
        kept = torch.exp(-1 / self.tau)
        v = v + (1 / self.tau) * (v * (v - 1) + torch.tanh(x) * 3 + self.bias - trace)
        v = torch.where(since < 3, v * 0.5, v.clamp(-5.0, 40.0))
        spikes = self.surrogate(v - 2)
        trace = kept * trace + self.strength.abs() * spikes
        return spikes, QuadraticState(v * (1 - spikes), trace, torch.where(spikes > 0, 0, since + 1).to(since.dtype))


def results(layer, own, x):
    x = x.clone().requires_grad_()
    y, state = layer(x)
    loss = (y * torch.linspace(0, 3, y.numel(), dtype=y.dtype).cos().view_as(y)).sum() + state.v.square().sum() + state.trace.sum()
    return y, [leaf for _, leaf in leaves(state)], torch.autograd.grad(loss, [x, *own.parameters()])


@needs_compiler
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-4), (torch.float64, 1e-11)])
def test_it_is_its_steps(dtype, bound):
    own = Quadratic().to(dtype)
    layer = rt.Fused(own)
    x = 2 * torch.randn(90, 7, 6, dtype=dtype, generator=torch.Generator().manual_seed(0)) + 1
    for _ in range(2):
        ours, wanted = results(layer, own, x), results(own, own, x)
        assert wanted[0].sum() > 100
        assert torch.equal(ours[0], wanted[0])
        for got, want in zip([*ours[1], *ours[2]], [*wanted[1], *wanted[2]], strict=True):
            assert got.dtype == want.dtype and (got - want).abs().max() <= bound * want.abs().max()
        with torch.no_grad():  # what is learnt is seen
            own.tau += 1.0
            own.strength += 0.2


@needs_compiler
def test_the_layers_own_steps_where_the_loops_cannot_run():
    layer = rt.Fused(Quadratic())
    x = torch.rand(5, 3, 6)
    assert torch.equal(layer(x.double())[0], layer.layer(x.double())[0])
    assert torch.equal(torch.vmap(lambda x: layer(x)[0], in_dims=1, out_dims=1)(x), layer(x)[0])
    assert torch.equal(copy.deepcopy(layer)(x)[0], layer(x)[0])
    assert [name for name, _ in layer.named_parameters()] == ["layer.tau", "layer.bias"]


class Of(rt.SpikingLayer):
    """A step that is given."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def initial_state(self, x):
        return torch.zeros_like(x)

    def step(self, x, state):
        return self.function(x, state), state + x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, v: x * torch.rand_like(x), "rand"),
        (lambda x, v: x - x.mean(), "mean"),
        (lambda x, v: torch.cumsum(x, -1), "cumsum"),
        (lambda x, v: torch.flip(x, (0,)), "flip"),
        (lambda x, v: x if v.sum() > 0 else -x, "cannot be traced"),
        (lambda x, v: torch.nn.functional.linear(x, torch.ones(4, 4)), "cannot be traced"),
    ],
)
def test_what_cannot_be_fused_is_said(function, message):
    with pytest.raises(UnsupportedError, match=message):
        rt.Fused(Of(function))


def test_without_a_compiler(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UnsupportedError, match=r"needs a C\+\+ compiler, and none was found"):
        rt.Fused(Of(lambda x, v: 0.123 * x))
    with pytest.raises(ParameterError, match=r"Fused.layer is .*, but it must be a SpikingLayer such as rt.LIF\(50\)"):
        rt.Fused(torch.nn.Linear(3, 3))


def test_attributes_that_change_are_noticed():
    layer = Quadratic()
    fast, x = rt.Fused(layer), 6 * torch.rand(20, 3, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(fast(x)[0], layer(x)[0])
    layer.surrogate = rt.FastSigmoid(3.0)
    ours, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    fast(ours)[0].sum().backward()
    layer(plain)[0].sum().backward()
    assert plain.grad.abs().max() > 0 and torch.allclose(ours.grad, plain.grad, rtol=1e-5, atol=1e-7)


def test_a_step_that_counts_is_refused():
    class Counts(rt.SpikingLayer):
        steps = 0

        def initial_state(self, x):
            return torch.zeros_like(x)

        def step(self, x, v):
            self.steps += 1
            return v, v + self.steps * x

    with pytest.raises(UnsupportedError, match="changes its attribute 'steps'"):
        rt.Fused(Counts())
