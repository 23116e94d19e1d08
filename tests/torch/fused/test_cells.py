"""The fused cells are their layers, step by step: the same spikes, states and gradients within rounding."""

import pytest
import torch

import ranvier.torch as rt
from ranvier.torch import fused
from ranvier.torch.fused import cell
from ranvier.torch.layer import leaves

TOLERANCE = {torch.float32: 2e-4, torch.float64: 1e-10}  # sums in another order, an exponential of its own: of the largest value

PARAMETERS = ("leak", "adaptation", "adaptation_tau", "adaptation_jump")
LAYERS = {
    "Izhikevich": (lambda **o: rt.Izhikevich(6, surrogate=rt.Gaussian(), learn=("a", "b", "c", "d"), **o), 25.0, "izhikevich_published"),
    "Izhikevich, Euler": (lambda **o: rt.Izhikevich(6, scheme="euler", dt=0.1, learn="b", **o), 300.0, "izhikevich_euler"),
    "AdEx": (lambda **o: rt.AdEx(6, refractory=0.3, surrogate=rt.ArcTangent(), learn=PARAMETERS, **o), 30_000.0, "adex"),
    "AdEx without a refractory period": (
        lambda **o: rt.AdEx(6, capacitance=torch.linspace(200.0, 300.0, 6), surrogate=rt.Triangle(), **o), 30_000.0, "adex",
    ),
    "CurrentLIF": (lambda **o: rt.CurrentLIF(6, tau=5.0, refractory=2.0, learn=("tau", "synapse_tau", "leak"), **o), 2.0, "leaky_sum"),
    "CurrentLIF by subtraction": (
        lambda **o: rt.CurrentLIF(6, tau=torch.linspace(3.0, 9.0, 6), reset_by="subtraction", **o), 2.0, "leaky_sum",
    ),
    "LeakyReadout": (lambda **o: rt.LeakyReadout(6, learn=("tau", "leak", "rest"), **o), 200.0, "leak"),
    "LeakyReadout of impulses": (lambda **o: rt.LeakyReadout(6, input="impulse", tau=torch.linspace(3.0, 9.0, 6), **o), 200.0, "leak"),
    "CurrentReadout": (lambda **o: rt.CurrentReadout(6, learn=("tau", "leak", "rest", "synapse_tau"), **o), 200.0, "leak"),
}  # fmt: skip


def results(run, layer, x, state):
    x = x.clone().requires_grad_()
    state = rt.map_state(lambda s: s.detach().clone().requires_grad_(s.is_floating_point()), state)
    y, after = run(x, state)
    weights = torch.linspace(-1, 2, y.numel(), dtype=x.dtype).cos().view_as(y)
    floating = [leaf for _, leaf in leaves(after) if leaf.is_floating_point()]
    loss = (weights * y).sum() + sum((0.01 * leaf).square().sum() for leaf in floating)
    wanted = [x, *(leaf for _, leaf in leaves(state) if leaf.is_floating_point()), *layer.parameters()]
    return y, [leaf for _, leaf in leaves(after)], torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("steps", [1, 70])
def test_it_is_the_reference(name, dtype, steps, monkeypatch):
    make, strength, which = LAYERS[name]
    if fused.built_in(which) is None:
        pytest.skip("the native module is not there")
    layer = make(dtype=dtype)
    x = strength * torch.rand(steps, 60, 6, dtype=dtype, generator=torch.Generator().manual_seed(0))
    if name == "Izhikevich":
        x[5:10, :3] = -400.0  # where its step is another one
    state = layer.initial_state(x[0])
    taken = []
    original = cell.sequence
    monkeypatch.setattr(cell, "sequence", lambda *a: taken.append(True) or original(*a))
    ours, wanted = (results(run, layer, x, state) for run in (layer.sequence, layer.step_by_step))
    assert taken
    assert steps == 1 or wanted[0].sum() > 100
    if isinstance(layer, rt.LeakyReadout):
        torch.testing.assert_close(ours[0], wanted[0], rtol=1e-6, atol=1e-6)
    else:
        assert torch.equal(ours[0], wanted[0])
    for got, want in zip([*ours[1], *ours[2]], [*wanted[1], *wanted[2]], strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        assert (got - want).abs().max() <= TOLERANCE[dtype] * want.abs().max() + 1e-30


def test_the_cells_are_those_of_the_layers():
    """What is in the native module is what the steps say today."""
    from pathlib import Path

    from ranvier.torch.fused import builtin

    folder = Path(__file__).parents[3] / "src" / "ranvier" / "kernels" / "native" / "cells"  # what is built; no wheel holds it
    for name in builtin.NUMBERS:
        assert (folder / f"{name}.h").read_text() == builtin.text(name), "python -m ranvier.torch.fused.builtin writes it anew"


def test_without_gradients_in_threads_and_with_a_constant_input():
    layer = rt.AdEx(1000)
    x = torch.full((1, 40, 1000), 5_000.0).expand(50, 40, 1000)
    with torch.no_grad():
        y, state = layer(x)
        wanted, last = layer.step_by_step(x, layer.initial_state(x[0]))
    assert torch.equal(y, wanted) and y.sum() > 1000
    torch.testing.assert_close(state.v, last.v, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("small", [1 << 18, 0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("adaptive", [True, False])
def test_recurrent_neurons_are_the_reference(adaptive, bias, dtype, small, monkeypatch):
    """With the loops' own products, and with PyTorch's. Its spikes are equal here, where no potential is at its threshold."""
    if fused.built_in("leak") is None:
        pytest.skip("the native module is not there")
    monkeypatch.setattr(fused.recurrent, "SMALL", small)
    torch.manual_seed(0)
    kind = rt.AdaptiveLIF if adaptive else rt.LIF
    own = {"learn": ("tau", "threshold_jump")} if adaptive else {"learn": ("tau", "threshold"), "refractory": 2.0}
    neurons = kind(20, tau=5.0, surrogate=rt.ArcTangent(), dtype=dtype, **own)
    layer = rt.Recurrent(neurons, torch.nn.Linear(20, 20, bias=bias, dtype=dtype))
    x = 3 * torch.rand(60, 4, 2, 20, dtype=dtype)
    state = layer.initial_state(x[0])
    state = state._replace(output=(torch.rand_like(x[0]) > 0.5).to(dtype))
    monkeypatch.setattr(layer, "step_by_step", None)
    reference = lambda x, state: rt.Recurrent.step_by_step(layer, x, state)
    ours, wanted = (results(run, layer, x, state) for run in (layer.sequence, reference))
    assert wanted[0].sum() > 500
    assert torch.equal(ours[0], wanted[0])
    for got, want in zip([*ours[1], *ours[2]], [*wanted[1], *wanted[2]], strict=True):
        assert (got - want).abs().max() <= TOLERANCE[dtype] * want.abs().max() + 1e-30


FROM_REST = {
    "LIF": (lambda: rt.LIF(6, refractory=2.0), 2.0),
    "AdaptiveLIF": (lambda: rt.AdaptiveLIF(6), 2.0),
    "CurrentLIF": (lambda: rt.CurrentLIF(6, refractory=2.0), 2.0),
    "Izhikevich": (lambda: rt.Izhikevich(6), 25.0),
    "AdEx": (lambda: rt.AdEx(6, refractory=0.3), 30_000.0),
    "LeakyReadout": (lambda: rt.LeakyReadout(6), 2.0),
    "CurrentReadout": (lambda: rt.CurrentReadout(6), 2.0),
    "Recurrent": (lambda: rt.Recurrent(rt.LIF(6), torch.nn.Linear(6, 6)), 2.0),
}


@pytest.mark.parametrize("name", FROM_REST)
def test_calls_from_rest_are_planned_once(name, monkeypatch):
    """A plan is that of a call with the same state given, also after a setting has changed; inference may come before training."""
    if fused.built_in("leak") is None:
        pytest.skip("the native module is not there")
    torch.manual_seed(0)
    (make, strength), made = FROM_REST[name], []
    layer = make()
    loops = type(layer)._loops
    monkeypatch.setattr(type(layer), "_loops", lambda self, x: made.append(self) or loops(self, x))
    neurons = layer.layer if name == "Recurrent" else layer
    for dt in (0.25, 0.125):
        neurons.dt, made[:] = dt, []
        x = strength * torch.rand(41, 3, 6)
        with torch.inference_mode():
            layer(x)
            layer(x, layer.initial_state(x[0]))
        ours, again, wanted = (results(run, layer, x, None) for run in (layer, layer, lambda x, _: layer(x, layer.initial_state(x[0]))))
        assert made == [layer]
        for got in (ours, again):
            torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-30)
        last, first = layer(x)[1], layer(x)[1]
        leaves(last)[0][1].zero_()  # nobody else's
        torch.testing.assert_close([s for _, s in leaves(layer(x)[1])], [s for _, s in leaves(first)])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")  # PyTorch's own, on first use of forward mode
@pytest.mark.parametrize("name", [name for name in FROM_REST if name != "Recurrent"])
def test_forward_mode_is_not_lost(name):
    make, strength = FROM_REST[name]
    layer, x = make(), strength * torch.rand(9, 2, 6, generator=torch.Generator().manual_seed(0))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        found = [torch.autograd.forward_ad.unpack_dual(run(dual)).tangent for run in (
            lambda x: layer(x)[0], lambda x: layer(x, layer.initial_state(x[0]))[0],
            lambda x: layer.step_by_step(x, layer.initial_state(x[0]))[0],
        )]  # fmt: skip
    torch.testing.assert_close(found[0], found[2])
    torch.testing.assert_close(found[1], found[2])
