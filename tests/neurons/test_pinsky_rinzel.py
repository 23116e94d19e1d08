"""The two-compartment cell of Pinsky & Rinzel against its paper's equations, and what reaches a port."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import ranvier as rv
from tests.reproduces import record_reproduction

PAPER = "Pinsky & Rinzel 1994, J Comput Neurosci 1:39"


def published(_, state, soma, dendrite, gc=2.1, p=0.5):
    """The paper's equations in its own numbers: potentials are counted from rest."""
    v, d, h, n, s, c, q, calcium = state
    exp = np.exp
    am, bm = 0.32 * (13.1 - v) / (exp((13.1 - v) / 4) - 1), 0.28 * (v - 40.1) / (exp((v - 40.1) / 5) - 1)
    an, bn = 0.016 * (35.1 - v) / (exp((35.1 - v) / 5) - 1), 0.25 * exp(0.5 - 0.025 * v)
    ah, bh = 0.128 * exp((17 - v) / 18), 4 / (1 + exp((40 - v) / 5))
    as_, bs = 1.6 / (1 + exp(-0.072 * (d - 65))), 0.02 * (d - 51.1) / (exp((d - 51.1) / 5) - 1)
    ac = exp((d - 10) / 11 - (d - 6.5) / 27) / 18.975 if d <= 50 else 2 * exp((6.5 - d) / 27)
    bc = 2 * exp((6.5 - d) / 27) - ac if d <= 50 else 0.0
    aq, bq = min(2e-5 * calcium, 0.01), 0.001
    ica = 10 * s**2 * (d - 140)
    ina, ik = 30 * (am / (am + bm)) ** 2 * h * (v - 120), 15 * n * (v + 15)
    ikc, iahp = 15 * c * min(calcium / 250, 1) * (d + 15), 0.8 * q * (d + 15)
    return [
        (-0.1 * v - ina - ik + gc / p * (d - v) + soma / p) / 3,
        (-0.1 * d - ica - iahp - ikc + gc / (1 - p) * (v - d) + dendrite / (1 - p)) / 3,
        ah * (1 - h) - bh * h,
        an * (1 - n) - bn * n,
        as_ * (1 - s) - bs * s,
        ac * (1 - c) - bc * c,
        aq * (1 - q) - bq * q,
        -0.13 * ica - 0.075 * calcium,
    ]


def crossings(soma, dendrite, duration):
    upward = lambda t, y, *_: y[0] - 50.0
    upward.direction = 1
    start = [-4.6, -4.5, 0.999, 0.001, 0.009, 0.007, 0.010, 0.2]
    found = solve_ivp(published, (0, duration), start, "LSODA", args=(soma, dendrite), events=upward, rtol=1e-8, atol=1e-9, max_step=0.5)
    return found.t_events[0]


@pytest.mark.parametrize(("what", "soma", "dendrite"), [("soma", 0.75, 0.0), ("dendrite", -0.5, 1.5)])
def test_its_spikes_are_those_of_the_papers_equations(what, soma, dendrite):
    duration = 400.0
    expected = crossings(soma, dendrite, duration)
    model = rv.neurons.PinskyRinzel(dendritic_current=dendrite)
    found = rv.simulate(model, current=soma, duration=duration, dt=0.02).spikes.times
    assert len(expected) >= 3
    record_reproduction(
        "Pinsky–Rinzel 1994",
        f"{PAPER}, appendix: its equations solved by SciPy's LSODA",
        f"spikes with a current into the {what}",
        expected,
        found,
        0.1,
        "ms",
    )


def test_it_bursts_slowly_at_a_small_current_and_spikes_at_a_large_one():
    """Figure 2 and the abstract: bursts below 8 Hz at a small current into the soma, spikes one by one at a large one."""
    few, many = (rv.simulate(rv.neurons.PinskyRinzel(), current=current, duration=2000.0, dt=0.05).spikes.times for current in (0.75, 2.5))
    first_of_burst = few[np.diff(few, prepend=-np.inf) > 100.0]
    assert len(few) >= 2 * len(first_of_burst) - 1
    rate = 1000.0 / np.diff(first_of_burst).mean()
    record_reproduction("Pinsky–Rinzel 1994", f"{PAPER}, abstract: below 8 Hz", "bursts a second at 0.75 µA/cm²", 4.0, rate, 4.0, "Hz")
    assert np.diff(many[many > 500]).max() < 30.0


def network(onto, model=None, synapse=None, **options):
    source = rv.Population(2, rv.neurons.SpikeTimes.of_trains([[2.0, 9.0], [4.0]]), name="source")
    cells = rv.Population(3, model or rv.neurons.PinskyRinzel(), current=-0.5, name="cells")
    weight = np.array([[0.02, 0.0], [0.05, 0.03], [0.0, 0.04]])
    kind = synapse or rv.synapses.ExponentialConductance(tau=5.0, reversal=0.0)
    return rv.Network(source, cells, rv.Projection(source, cells, kind, weight, onto=onto, delay=0.5, name="fibres", **options))


def potentials(net, **options):
    run = rv.simulate(net, duration=20.0, dt=0.05, record=rv.Record("cells", ["V", "V_dendrite"]), **options)["cells"]
    return run.V.values, run.V_dendrite.values


def test_a_synapse_onto_the_dendrite_acts_there():
    """As the same conductance does as a current into the dendrite, summed over its targets by hand; with states at the edges alike."""
    V, D = potentials(network("dendrite"))
    V0, D0 = potentials(network(None))
    later = slice(60, 120)  # the dendrite leads where it is reached, the soma where it is
    assert ((D - D0)[later, 1] > 0).all() and ((V0 - V)[later, 1] > 0).all()
    at_edges = potentials(network("dendrite", site="edge"))
    np.testing.assert_allclose(at_edges[1], D, atol=1e-9)
    # One step by hand: what the conductance does to the derivative of the dendrite, and to nothing else.
    model = rv.neurons.PinskyRinzel()
    with jax.enable_x64(True):
        state = {name: jnp.asarray(x, jnp.float64) for name, x in model.initial_state(1, None).items()}
        nothing = rv.neurons.Inputs(jnp.zeros(1), jnp.zeros(1))
        reached = dataclasses.replace(nothing, ports={"dendrite": rv.neurons.Inputs(jnp.full(1, 0.1), jnp.zeros(1))})
        before, after = (model.derivatives(state, inputs, jnp.zeros(())) for inputs in (nothing, reached))
    change = {name: float(np.asarray(after[name] - before[name])[0]) for name in before}
    assert change.pop("V_dendrite") == pytest.approx(-0.1 * -64.5 / 0.5 / 3.0, rel=1e-5)
    assert not any(change.values())


def test_kicks_inputs_and_states_onto_a_port():
    kicked = network("dendrite", synapse=rv.synapses.Delta())
    D = potentials(kicked)[1]
    assert D[51, 1] - D[50, 1] == pytest.approx(0.05, abs=0.02)
    both = network("dendrite")
    drive = rv.PoissonInput(both.populations["cells"], rv.synapses.AlphaConductance(tau=2.0), rate=5000.0, weight=0.01, onto="dendrite")
    driven = rv.Network(*both.populations.values(), *both.projections.values(), drive)
    assert (potentials(driven)[1][100] > potentials(both)[1][100]).all()
    half = rv.simulate(both, duration=7.0, dt=0.05)
    later = rv.simulate(both, duration=13.0, dt=0.05, initial=half.state)
    np.testing.assert_array_equal(later.state.neurons["cells"]["V_dendrite"], potentials(both)[1][-1])


def test_ports_that_are_not_there_are_refused_by_name():
    with pytest.raises(rv.ParameterError, match=r"onto is 'axon', but it must be a port of[\s\S]*PinskyRinzel has 'dendrite'"):
        network("axon")
    with pytest.raises(rv.ParameterError, match="HodgkinHuxley has none: leave out onto"):
        network("dendrite", model=rv.neurons.HodgkinHuxley())
    with pytest.raises(rv.UnsupportedError, match="it has several compartments"):
        rv.simulate(network("dendrite"), duration=1.0, integrator=rv.ExactLinear())
