"""What every layer does: state in and out, one step as a sequence, any batch, any trailing shape, learning in range."""

import copy

import pytest
import torch
from torch import nn

import ranvier.torch as rt
from ranvier.torch.layer import SpikingLayer, leaves
from ranvier.torch.planned import PlannedLayer

from .layers import DRAWING, LAYERS, N, an_input, made

DETERMINISTIC = [name for name in LAYERS if name not in DRAWING]


def subclasses(kind):
    return {kind, *(deeper for below in kind.__subclasses__() for deeper in subclasses(below))}


def test_every_layer_is_among_them():
    tested = {type(made(name)) for name in LAYERS}
    own = {kind for kind in subclasses(SpikingLayer) if kind.__module__.startswith("ranvier.") and "<locals>" not in kind.__qualname__}
    assert tested == own - {SpikingLayer, PlannedLayer, rt.EngineNetwork, rt.Fused}  # which test_engine_network.py and test_fuse.py test


@pytest.mark.parametrize("name", LAYERS)
def test_a_sequence_is_its_steps(name):
    x = an_input(name)
    whole, last = made(name)(x)
    stepwise, states = rt.trace(made(name), x) if name not in DRAWING else made(name)(x), None
    if name not in DRAWING:
        (stepwise, states) = rt.trace(made(name), x)
        torch.testing.assert_close(whole, stepwise, rtol=1e-6, atol=1e-6)
        for (_, a), (_, b) in zip(leaves(last), leaves(rt.map_state(lambda s: s[-1], states)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    assert whole.shape == x.shape and whole.dtype == x.dtype
    assert whole.abs().sum() > 0


@pytest.mark.parametrize("name", LAYERS)
def test_two_halves_are_the_whole(name):
    x = an_input(name)
    layer = made(name)
    first, state = layer(x[:5])
    second, _ = layer(x[5:], state)
    if name in DRAWING:
        assert second.shape == x[5:].shape
    else:
        torch.testing.assert_close(torch.cat([first, second]), made(name)(x)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_is_hidden_in_the_module(name):
    layer, x = made(name), an_input(name)
    before = copy.deepcopy(layer.state_dict())
    first, _ = layer(x)
    if name not in DRAWING:
        assert torch.equal(layer(x)[0], first)
    for key, value in layer.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_samples_do_not_see_each_other(name):
    x = an_input(name)
    together, _ = made(name)(x)
    alone, _ = made(name)(x[:, 1:2])
    torch.testing.assert_close(together[:, 1:2], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_without_a_batch_and_with_two(name):
    x = an_input(name)
    assert made(name)(x[:, 0])[0].shape == x[:, 0].shape
    if name != "Sequential":  # whose ordinary layers see one batch dimension
        doubled = x.unsqueeze(2).expand(-1, -1, 2, -1)
        assert made(name)(doubled)[0].shape == doubled.shape


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_reach_the_input_and_every_parameter(name):
    layer, x = made(name), an_input(name).requires_grad_()
    y, state = layer(x)
    (y.sum() + sum(leaf.float().sum() for _, leaf in leaves(state) if leaf.is_floating_point())).backward()
    assert torch.isfinite(x.grad).all() and (x.grad != 0).any()
    for key, parameter in layer.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), key
        if "connection" not in key:
            assert (parameter.grad != 0).any(), key


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "AdEx"])  # pA: its membrane needs no half precision
def test_half_precision_input_is_computed_in_single(name):
    layer, x = made(name), an_input(name).bfloat16()
    if name in ("Sequential", "Recurrent"):
        layer = layer.bfloat16() if name == "Sequential" else layer
    y, state = layer(x)
    assert y.dtype == torch.bfloat16
    assert {leaf.dtype for _, leaf in leaves(state)} <= {torch.float32, torch.int32}


def test_images_too():
    net = rt.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        rt.LIF((3, 1, 1), tau=torch.tensor([5.0, 10.0, 20.0]).reshape(3, 1, 1), learn="tau"),
        nn.AvgPool2d(2),
        rt.Recurrent(rt.LIF(), nn.Conv2d(3, 3, 3, padding=1)),
        nn.Flatten(),
        nn.Linear(27, 5),
        rt.LeakyReadout(5),
    )
    x = torch.rand(6, 2, 1, 8, 8)
    y, state = net(x)
    assert y.shape == (6, 2, 5)
    assert [None if s is None else type(s).__name__ for s in state] == [
        None,
        None,
        "LIFState",
        None,
        "RecurrentState",
        None,
        None,
        "Tensor",
    ]
    y.sum().backward()
    assert net[2].tau.raw.grad.shape == (3, 1, 1)
    net.eval()
    whole, _ = net(x)
    state = None
    for t in range(6):
        y, state = net.cell(x[t], state)
        torch.testing.assert_close(y, whole[t], rtol=1e-5, atol=1e-6)


def test_a_nested_sequential():
    inner = rt.Sequential(nn.Linear(3, 3), rt.LIF(3))
    net = rt.Sequential(inner, nn.Linear(3, 2), rt.LeakyReadout(2))
    y, (inside, _, _) = net(torch.rand(5, 2, 3))
    assert y.shape == (5, 2, 2) and inside[1].v.shape == (2, 3)


@pytest.mark.parametrize("kind", [rt.LIF, rt.CurrentLIF, rt.Izhikevich, rt.AdEx, rt.LeakyReadout, rt.CurrentReadout])
def test_a_class_with_a_step_of_its_own_is_run_by_it(kind):
    """Not by the loops of the class that it is derived from."""

    class Twice(kind):
        def step(self, x, state, **changes):
            return super().step(2 * x, state, **changes)

    x = {rt.Izhikevich: 5.0, rt.AdEx: 2_000.0}.get(kind, 2.0) * torch.ones(60, 2, N)
    y, last = Twice(N)(x)
    wanted, state = kind(N)(2 * x)
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close([s for _, s in leaves(last)], [s for _, s in leaves(state)], rtol=1e-5, atol=1e-5)
    assert not torch.equal(wanted, kind(N)(x)[0])


def test_recurrence_takes_one_step():
    layer = rt.Recurrent(rt.LIF(1, input="impulse", tau=1.0), nn.Linear(1, 1, bias=False))
    nn.init.constant_(layer.connection.weight, 5.0)
    x = torch.zeros(5, 1, 1)
    x[1] = 2.0
    assert layer(x)[0].flatten().tolist() == [0.0, 1.0, 1.0, 1.0, 1.0]


def test_a_refractory_period_in_steps():
    layer = rt.LIF(1, dt=0.1, refractory=0.5, input="impulse")
    spikes, _ = layer(torch.full((20, 1), 5.0))
    assert spikes.flatten().nonzero().flatten().tolist() == [0, 6, 12, 18]  # five steps are held after each spike


@pytest.mark.parametrize("reset", [0.0, -0.5])
def test_reset_by_subtraction_keeps_the_overshoot(reset):
    layer = rt.LIF(input="impulse", reset=reset, reset_by="subtraction", tau=1e9)
    _, state = layer.cell(torch.tensor([1.75]))
    assert state.v.item() == pytest.approx(reset + 0.75)


def test_the_euler_form_only_where_asked():
    x = torch.ones(1, 1)
    assert rt.LeakyReadout(tau=10.0)(x)[0].item() == pytest.approx(1 - torch.tensor(-0.1).exp().item())
    assert rt.LIF(tau=10.0)(x)[1].v.item() == pytest.approx(1 - torch.tensor(-0.1).exp().item())
    assert rt.LIF(tau=10.0, euler=True)(x)[1].v.item() == pytest.approx(0.1)


def test_delays_between_steps():
    layer = rt.Delays(2, 1, max_delay=4.0, delay=torch.tensor([[1.25, 3.0]]), learn="weight", dtype=torch.float64)
    nn.init.ones_(layer.weight)
    x = torch.zeros(6, 1, 2, dtype=torch.float64)
    x[0] = torch.tensor([1.0, 10.0])
    assert layer(x)[0].flatten().tolist() == [0.0, 0.75, 0.25, 10.0, 0.0, 0.0]


def test_delays_in_range_after_steep_steps():
    layer = rt.Delays(3, 2, max_delay=4.0)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1e3)
    for _ in range(5):
        optimiser.zero_grad()
        layer(torch.rand(10, 2, 3))[0].square().sum().backward()
        optimiser.step()
        assert bool(((layer.delay.value >= 0) & (layer.delay.value <= 4)).all())


@pytest.mark.parametrize("name", ["tau", "threshold", "leak", "noise"])
def test_what_is_learnt_stays_in_its_range(name):
    layer = rt.LIF(N, noise=0.1, learn=(name,))
    optimiser = torch.optim.SGD(layer.parameters(), lr=10.0)
    x = an_input("LIF")
    for sign in (1, 1, -1, -1):
        optimiser.zero_grad()
        (sign * layer(x)[1].v.sum() + sign * layer(x)[0].sum()).backward()
        optimiser.step()
        assert bool((getattr(layer, name).value >= 0).all())


def test_short_term_plasticity_by_the_papers_recursion():
    """Markram, Wang & Tsodyks 1998, eqs. 1-2 (in the form of Mongillo et al.): amplitudes of a regular train."""
    use, facilitation, recovery, interval = 0.2, 500.0, 300.0, 40
    layer = rt.ShortTermPlasticity(use=use, facilitation_tau=facilitation, recovery_tau=recovery)
    x = torch.zeros(400, dtype=torch.float64)
    x[::interval] = 1.0
    amplitudes = layer(x)[0][::interval]
    u, r = use, 1.0
    for amplitude in amplitudes.tolist():
        u = u + use * (1 - u)
        assert amplitude == pytest.approx(u * r, rel=1e-12)
        r = r - u * r
        u = use + (u - use) * torch.tensor(-interval / facilitation, dtype=torch.float64).exp().item()
        r = 1 + (r - 1) * torch.tensor(-interval / recovery, dtype=torch.float64).exp().item()
