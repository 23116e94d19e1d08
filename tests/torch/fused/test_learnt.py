"""Calls from rest of layers that learn: the numbers of a step and their derivatives are made by hand, and are those of PyTorch's graph."""

import copy
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

import ranvier.torch as rt
from ranvier.errors import UnsupportedError
from ranvier.torch import fused
from ranvier.torch.layer import leaves

pytestmark = pytest.mark.skipif(fused.built_in("leak") is None, reason="the native module is not there")

TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-10}  # of the largest value: sums are in another order
KINDS = {
    "LIF": (rt.LIF, 4.0, {"tau": 5.0}),
    "AdaptiveLIF": (rt.AdaptiveLIF, 4.0, {"tau": 5.0, "threshold_max": 1.3}),
    "CurrentLIF": (rt.CurrentLIF, 2.0, {"tau": 5.0, "synapse_tau": 3.0}),
    "Izhikevich": (rt.Izhikevich, 25.0, {"surrogate": rt.Gaussian()}),
    "AdEx": (rt.AdEx, 30_000.0, {"surrogate": rt.Gaussian(), "refractory": 0.2}),
    "LeakyReadout": (rt.LeakyReadout, 2.0, {"tau": 5.0}),
    "CurrentReadout": (rt.CurrentReadout, 2.0, {"tau": 5.0}),
}
LEARNABLE = [(kind, name) for kind, (layer, _, _) in KINDS.items() for name in layer.learnable if name != "noise"]
COLUMN = torch.tensor([[4.0], [5.0], [7.0]])
LAYERS = {
    "one for all": lambda **o: rt.LIF(tau=5.0, learn=("tau", "threshold", "leak", "rest"), **o),
    "one a neuron": lambda **o: rt.LIF(6, tau=5.0, refractory=2.0, learn=("tau", "threshold", "leak", "rest"), **o),
    "one a channel, and one of them not learnt": lambda **o: rt.LIF((3, 1), tau=COLUMN, leak=COLUMN / 5, learn="tau", **o),
    "one a channel, with an axis to spare": lambda **o: rt.LIF(tau=COLUMN[None], threshold=0.8, learn=("tau", "threshold"), **o),
    "of several shapes": lambda **o: rt.LIF(tau=COLUMN, rest=torch.linspace(-0.2, 0.2, 6), learn=("tau", "leak"), **o),
    "Euler, by subtraction": lambda **o: rt.LIF(6, tau=5.0, euler=True, reset_by="subtraction", learn=("tau", "leak", "threshold"), **o),
    "impulses": lambda **o: rt.LIF(6, tau=5.0, input="impulse", learn=("tau", "rest"), **o),
    "reset a tensor": lambda **o: rt.LIF(6, tau=5.0, reset=torch.linspace(-0.5, 0.2, 6), reset_by="subtraction", learn="threshold", **o),
    "adaptive": lambda **o: rt.AdaptiveLIF(
        6, tau=5.0, reset_by="subtraction", refractory=1.0, threshold_max=1.5,
        learn=("tau", "threshold", "threshold_tau", "threshold_jump", "rest"), **o,
    ),
    "a current whose membrane is numbers": lambda **o: rt.CurrentLIF(6, tau=5.0, refractory=2.0, learn="synapse_tau", **o),
    "a current, time constants equal": lambda **o: rt.CurrentLIF(6, tau=5.0, synapse_tau=5.0, learn=("tau", "synapse_tau", "leak"), **o),
    "Izhikevich": lambda **o: rt.Izhikevich(6, surrogate=rt.Gaussian(), learn=("a", "b", "c", "d"), **o),
    "AdEx": lambda **o: rt.AdEx(6, surrogate=rt.Gaussian(), learn=("leak", "adaptation", "adaptation_tau", "adaptation_jump"), **o),
    "readout": lambda **o: rt.LeakyReadout(6, learn=("tau", "leak", "rest"), **o),
    "readout of currents": lambda **o: rt.CurrentReadout(6, learn=("tau", "leak", "rest", "synapse_tau"), **o),
    "recurrent": lambda **o: rt.Recurrent(rt.LIF(6, tau=5.0, learn=("tau", "threshold", "rest"), **o), nn.Linear(6, 6, **o)),
    "recurrent, adaptive, without a bias": lambda **o: rt.Recurrent(
        rt.AdaptiveLIF(6, tau=5.0, refractory=1.0, learn=("tau", "threshold", "threshold_jump"), **o), nn.Linear(6, 6, bias=False, **o)
    ),
}  # fmt: skip
STRENGTH = {"Izhikevich": 25.0, "AdEx": 30_000.0}


def an_input(name, dtype=torch.float32, steps=40):
    return STRENGTH.get(name, 4.0) * torch.rand(steps, 2, 3, 6, dtype=dtype, generator=torch.Generator().manual_seed(0))


def by_steps(layer, x):
    return layer.step_by_step(x, layer.initial_state(x[0]))


def planned(layer, x):
    """The call, which must be one by a plan."""
    known, given = layer._known(), (layer.connection.weight, layer.connection.bias) if isinstance(layer, rt.Recurrent) else ()
    assert known is not None
    done = fused.quick.sequence(layer, *known, x, *given)
    assert done is not None
    return done


def results(run, layer, x, wanted=None):
    """Output, last state, and gradients of a loss that weighs every output and the last state differently."""
    x = x.clone().requires_grad_()
    y, after = run(layer, x)
    weights = torch.linspace(-1, 2, y.numel(), dtype=x.dtype).cos().view_as(y)
    loss = (weights * y).sum() + sum((0.1 * s).square().sum() for _, s in leaves(after) if s.is_floating_point())
    return y, [s for _, s in leaves(after)], torch.autograd.grad(loss, wanted or [x, *layer.parameters()])


def assert_same(ours, wanted, dtype):
    torch.testing.assert_close(ours[0], wanted[0], rtol=1e-6, atol=1e-6)
    for got, want in zip([*ours[1], *ours[2]], [*wanted[1], *wanted[2]], strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        assert (got - want).abs().max() <= TOLERANCE[dtype] * want.abs().max() + 1e-30


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("steps", [1, 40])
def test_it_is_the_reference(name, dtype, steps):
    torch.manual_seed(0)
    layer, x = LAYERS[name](dtype=dtype), an_input(name, dtype, steps)
    ours, wanted = (results(run, layer, x) for run in (planned, by_steps))
    assert steps == 1 or wanted[0].sum() > 30
    assert_same(ours, wanted, dtype)
    if not isinstance(layer, rt.LeakyReadout):
        assert torch.equal(ours[0], wanted[0])


@pytest.mark.parametrize(("kind", "name"), LEARNABLE)
def test_each_parameter_alone(kind, name):
    make, strength, options = KINDS[kind]
    layer = make(6, learn=name, dtype=torch.float64, **options)
    with torch.no_grad():
        next(layer.parameters()).mul_(torch.linspace(0.98, 1.02, 6, dtype=torch.float64))
    x = strength / 4 * an_input("LIF", torch.float64)
    ours, wanted = (results(run, layer, x) for run in (planned, by_steps))
    assert bool(wanted[2][1].any())
    assert_same(ours, wanted, torch.float64)


@pytest.mark.parametrize("name", ["readout", "readout of currents"])
def test_gradcheck(name):
    layer, x = LAYERS[name](dtype=torch.float64), an_input(name, torch.float64, 5).requires_grad_()
    own = dict(layer.named_parameters())

    def run(x, *values):
        y, after = torch.func.functional_call(layer, dict(zip(own, values, strict=True)), (x,))
        return y, *(s for _, s in leaves(after))

    assert torch.autograd.gradcheck(run, (x, *own.values()))


@pytest.mark.parametrize("name", ["one for all", "one a neuron", "adaptive", "a current, time constants equal"])
def test_gradcheck_where_no_spike_is_about_to_change(name):
    """Away from the threshold a narrow surrogate is zero, and the gradient is the true one."""
    layer, x = LAYERS[name](dtype=torch.float64, surrogate=rt.Triangle(1.0, 1e-9)), an_input(name, torch.float64, 8).requires_grad_()
    own = dict(layer.named_parameters())

    def run(x, *values):
        _, after = torch.func.functional_call(layer, dict(zip(own, values, strict=True)), (x,))
        return tuple(s for _, s in leaves(after) if s.is_floating_point())

    assert layer(x)[0].sum() > 3
    assert torch.autograd.gradcheck(run, (x, *own.values()))


def test_at_the_bounds_of_what_is_learnt():
    layer, x = rt.LIF(6, learn=("tau", "threshold"), dtype=torch.float64), an_input("LIF", torch.float64)
    with torch.no_grad():
        layer.tau.raw[:] = torch.tensor([-60.0, -51.0, 0.0, 3.0, 51.0, 60.0])
    ours, wanted = (results(run, layer, x) for run in (planned, by_steps))
    assert wanted[2][1][[0, 1, 4, 5]].eq(0).all() and wanted[2][1][3] != 0
    assert_same(ours, wanted, torch.float64)


@pytest.mark.parametrize("name", LAYERS)
def test_only_what_is_asked_for(name):
    """`requires_grad` may change between calls, and x may need none."""
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name)
    for frozen in range(len(list(layer.parameters()))):
        for place, parameter in enumerate(layer.parameters()):
            parameter.requires_grad_(place != frozen)
        asked = [p for p in layer.parameters() if p.requires_grad]
        if asked:
            ours, wanted = (results(run, layer, x, asked) for run in (planned, by_steps))
            assert_same(ours, wanted, torch.float32)
        y, _ = planned(layer, x)
        assert y.requires_grad == bool(asked)
    layer.requires_grad_(False)
    assert not planned(layer, x)[0].requires_grad
    leaf = x.clone().requires_grad_()
    torch.testing.assert_close(*(torch.autograd.grad(run(layer, leaf)[0].sum(), leaf) for run in (planned, by_steps)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_learnt_is_read_at_every_call(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1e-3)
    for _ in range(3):
        optimiser.zero_grad()
        y, _ = planned(layer, x)
        assert torch.equal(y, by_steps(layer, x)[0]) or isinstance(layer, rt.LeakyReadout)
        y.square().mean().backward()
        torch.nn.utils.clip_grad_norm_(layer.parameters(), 10.0)
        optimiser.step()
    ours, wanted = (results(run, layer, x) for run in (planned, by_steps))
    assert_same(ours, wanted, torch.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_a_gradient_is_that_of_the_call_whatever_an_optimiser_did_since(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name)
    neurons = layer.neurons
    wanted = torch.autograd.grad(planned(layer, x)[0].square().sum(), [*neurons.parameters()])
    y = planned(layer, x)[0].square().sum()
    with torch.no_grad():
        for parameter in neurons.parameters():
            parameter += 0.1
    for got, want in zip(torch.autograd.grad(y, [*neurons.parameters()]), wanted, strict=True):
        assert torch.equal(got, want)


@pytest.mark.parametrize("name", LAYERS)
def test_copies_are_layers_of_their_own(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name)
    before, _ = planned(layer, x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer).to(torch.float64)):
        dtype = next(other.parameters()).dtype
        assert torch.equal(planned(other, x)[0], before) if dtype == x.dtype else planned(other, x.to(dtype))[0].dtype == dtype
        with torch.no_grad():
            for parameter in other.parameters():
                parameter -= 0.3
        ours, wanted = (results(run, other, x.to(dtype)) for run in (planned, by_steps))
        assert_same(ours, wanted, dtype)
        assert torch.equal(planned(layer, x)[0], before)


@pytest.mark.parametrize("name", LAYERS)
def test_inference_before_training(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name, steps=41)
    with torch.inference_mode():
        inferred, _ = planned(layer, x)
    with torch.no_grad():
        assert torch.equal(planned(layer, x)[0], inferred)
    ours, wanted = (results(run, layer, x) for run in (planned, by_steps))
    assert torch.equal(ours[0], inferred)
    assert_same(ours, wanted, torch.float32)


@pytest.mark.parametrize("name", LAYERS)
def test_a_second_derivative_is_refused_and_a_first_with_a_graph_is_not(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name)
    parameters = [*layer.parameters()]
    plain = torch.autograd.grad(planned(layer, x)[0].sum(), parameters)
    graphed = torch.autograd.grad(planned(layer, x)[0].sum(), parameters, create_graph=True)
    for got, want in zip(graphed, plain, strict=True):
        assert torch.equal(got, want)
    with pytest.raises(UnsupportedError, match="no second derivative"):
        sum(g.square().sum() for g in graphed).backward()


@pytest.mark.parametrize("name", LAYERS)
def test_the_last_state_goes_on(name):
    torch.manual_seed(0)
    layer, x = LAYERS[name](), an_input(name)

    def halves(layer, x):
        first, state = planned(layer, x[:20])
        second, state = layer(x[20:], state)
        return torch.cat([first, second]), state

    assert_same(*(results(run, layer, x) for run in (halves, by_steps)), torch.float32)


def test_in_another_precision_than_what_is_learnt():
    layer, x = rt.LIF(tau=5.0, learn="tau"), an_input("LIF", torch.float64)
    ours, wanted = (results(run, layer, x) for run in (lambda layer, x: layer(x), by_steps))
    assert ours[2][1].dtype == torch.float32
    assert torch.equal(ours[0], wanted[0])
    torch.testing.assert_close(ours[2], wanted[2], rtol=1e-5, atol=1e-6)


def test_what_is_learnt_may_be_parametrised():
    layer, x = rt.LIF(6, tau=5.0, learn="tau"), an_input("LIF")
    nn.utils.parametrize.register_parametrization(layer.tau, "raw", Halved())
    ours, wanted = (results(run, layer, x) for run in (lambda layer, x: layer(x), by_steps))
    assert_same(ours, wanted, torch.float32)


class Halved(nn.Module):
    def forward(self, raw):
        return raw / 2


def test_a_graph_that_is_kept_until_the_end_is_no_reason_to_complain():
    script = """
import torch, ranvier.torch as rt
kept, _ = rt.LIF(5, learn=("tau", "threshold"))(torch.randn(4, 2, 5))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
