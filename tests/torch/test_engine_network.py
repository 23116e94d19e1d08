"""A network of the engine as a layer: the values of `rv.simulate`, the gradients of finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

import ranvier as rv
import ranvier.torch as rt
from ranvier.errors import ParameterError, UnknownNameError, UnsupportedError

DOUBLE = torch.float64
STEPS, N, DT = 30, 3, 0.1


def network(current):
    driven = rv.Population(N, rv.neurons.LeakyIntegrateAndFire(refractory=0.5), current=current, name="driven")
    after = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), name="after")
    return rv.Network(driven, after, rv.Projection(driven, after, rv.synapses.ExponentialCurrent(tau=2.0), np.ones((2, N)), weight=100.0))


@pytest.fixture(scope="module")
def layer():
    return rt.EngineNetwork(network(rt.TensorCurrent()), output="after", dt=DT, integrator=rv.ExponentialEuler())


def currents(high=4_000.0, batch=2):
    return high * torch.rand(STEPS, batch, N, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))


def test_the_values_of_simulate(layer):
    x = currents()
    v, _ = layer(x)
    for sample in range(2):
        net = network(rv.stimuli.Sampled(x[:, sample].numpy(), every=DT))
        run = rv.simulate(
            net, duration=STEPS * DT, dt=DT, integrator=rv.ExponentialEuler(), record=[rv.Record(net.populations["after"], "V")]
        )
        assert len(run["driven"].spikes) > 3  # that reach the population whose potential comes out
        np.testing.assert_allclose(v[:, sample].numpy(), run["after"]["V"].values[1:], rtol=0, atol=1e-10)


def test_two_halves_are_the_whole_and_steps_too(layer):
    x = currents()
    whole, last = layer(x)
    first, state = layer(x[:12])
    second, end = layer(x[12:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(end, last, strict=True))
    one, _ = layer.cell(x[0])
    torch.testing.assert_close(one, whole[0], rtol=0, atol=1e-12)
    alone, _ = layer(x[:, 0])
    torch.testing.assert_close(alone, whole[:, 0], rtol=0, atol=1e-12)


def test_gradients_pass_a_network_that_spikes(layer):
    """To the driven potentials themselves, none to the other population, which only spikes reach."""
    x = currents().requires_grad_()
    v, state = layer(x)
    (grad,) = torch.autograd.grad(v.sum(), x, retain_graph=True)
    assert (grad == 0).all()
    potentials = [leaf for leaf in state if leaf.is_floating_point() and leaf.shape[-1] == N]
    (grad,) = torch.autograd.grad(sum(leaf.sum() for leaf in potentials), x)
    assert torch.isfinite(grad).all() and (grad != 0).any()


def test_gradients_are_those_of_finite_differences():
    """Below the threshold, through the input and through the state handed over."""
    cells = rv.Population(N, rv.neurons.FitzHughNagumo(), current=rt.TensorCurrent(), name="cells")
    layer = rt.EngineNetwork(rv.Network(cells), output="cells", dt=DT)

    def run(x):
        _, state = layer(x[:3])
        return layer(x[3:], state)[0]

    x = torch.rand(6, 1, N, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(run, (x,), eps=1e-5, atol=1e-7)


def test_between_other_layers_it_learns():
    torch.manual_seed(0)
    cells = rv.Population(N, rv.neurons.FitzHughNagumo(), current=rt.TensorCurrent(), name="cells")
    net = rt.Sequential(nn.Linear(4, N), rt.EngineNetwork(rv.Network(cells), output="cells", dt=DT), nn.Linear(N, 1))
    x, target = torch.rand(10, 3, 4), torch.rand(10, 3, 1)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(net(x)[0], target)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert (net[0].weight.grad != 0).any()
    assert losses[-1] < 0.5 * losses[0]


def test_with_a_surrogate_spikes_come_out_and_learn():
    """The same spikes, and the gradient of the layer that has the same neurons."""
    neuron = rv.neurons.LeakyIntegrateAndFire(capacitance=5.0, leak=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=0.0)
    cells = rv.Population(N, neuron, current=rt.TensorCurrent(), initial={"V": 0.0}, name="cells")
    engine = rt.EngineNetwork(
        rv.Network(cells), output="cells", variable="spikes", dt=1.0, integrator=rv.ExponentialEuler(), surrogate=rv.surrogates.ArcTangent()
    )
    layer = rt.LIF(N, tau=5.0, surrogate=rt.ArcTangent())
    # Constant: a step in which the potential falls may have spiked at its beginning, to the engine.
    x = (1.1 + torch.rand(2, N, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))).expand(STEPS, 2, N).clone().requires_grad_()
    share = torch.rand(STEPS, 2, N, dtype=DOUBLE, generator=torch.Generator().manual_seed(1))
    (ours, _), (theirs, _) = engine(x), layer(x)
    assert ours.sum() > 5
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    mine, other = (torch.autograd.grad((share * y).sum(), x)[0] for y in (ours, theirs))
    assert (mine != 0).any()
    torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


def test_bad_input(layer):
    with pytest.raises(ParameterError, match=r"surrogate=rv.surrogates.FastSigmoid\(\)"):
        rt.EngineNetwork(network(rt.TensorCurrent()), output="after", variable="spikes")
    with pytest.raises(ParameterError, match=r"0 populations of the network have current=rt.TensorCurrent\(\)"):
        rt.EngineNetwork(network(10.0), output="after")
    with pytest.raises(UnknownNameError, match=r"Did you mean 'after'"):
        rt.EngineNetwork(network(rt.TensorCurrent()), output="aftre")
    with pytest.raises(UnknownNameError, match=r"variable of 'after' 'v'"):
        rt.EngineNetwork(network(rt.TensorCurrent()), output="after", variable="v")
    with pytest.raises(ParameterError, match=r"x has the shape \[5, 2, 4\], but it must be \[T, B, …, 3\]"):
        layer(torch.rand(5, 2, 4))
    with pytest.raises(UnsupportedError):
        rt.EngineNetwork(network(rt.TensorCurrent()), output="after", integrator=rv.AdamsBashforth2())
