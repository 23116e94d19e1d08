"""Synapse models from text are like any other: same numbers as the package's own, same kernel, stores."""

import copy
import pickle

import numpy as np
import pytest

import ranvier as rv
from ranvier.testing import check_synapse


def exponential(**other):
    given = {"on_pre": "g += w", "parameters": {"tau": "5 ms", "E": "0 mV"}, "name": "TextExponential"}
    return rv.synapses.from_equations("dg/dt = -g/tau : nS\nI = g*(E - V) : pA", **{**given, **other})


def current():
    return rv.synapses.from_equations("di/dt = -i/tau : pA\nI = i : pA", on_pre="i += w", parameters={"tau": "5 ms"})


def kick():
    return rv.synapses.from_equations(on_pre="V += w")


def graded():
    return rv.synapses.from_equations(
        """ds/dt = opening*(1 - s)*release - closing*s : 1
        release = 1/(1 + exp(-(V_pre - half)/slope)) : 1
        I_post = w*s*(E - V_post) : uA/cm**2 (summed)""",
        parameters={"opening": "10 1/ms", "closing": "0.16 1/ms", "half": "-20 mV", "slope": "1.5 mV", "E": "-70 mV"},
    )


def saturating():
    return rv.synapses.from_equations(
        """ds/dt = -s/decay + alpha*x*(1 - s) : 1
        dx/dt = -x/rise : 1
        B = 1/(1 + Mg/(3.57*mM)*exp(-0.062*V/mV)) : 1
        I = w*s*B*(E - V) : nA""",
        on_pre="x += 1",
        parameters={"decay": "100 ms", "alpha": "0.5 1/ms", "rise": "2 ms", "Mg": "1 mM", "E": "0 mV"},
    )


def junction():
    return rv.synapses.from_equations("I = w*(V_pre - V) : pA")


CASES = {
    "exponential": (exponential, rv.synapses.ExponentialConductance, "target", "conductance", 0.1),
    "current": (current, rv.synapses.ExponentialCurrent, "target", "current", 2.0),
    "kick": (kick, rv.synapses.Delta, "target", "potential", 2.0),
    "graded": (graded, rv.synapses.GradedGABA, "source", "conductance", 0.5),
    "saturating": (saturating, rv.synapses.SaturatingNMDA, "source", "conductance", 0.05),
    "junction": (junction, rv.synapses.GapJunction, "source", "conductance", 0.05),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("integrator", [rv.RungeKutta4(), rv.ExponentialEuler()], ids=["Runge–Kutta", "exponential Euler"])
def test_they_are_the_packages_own(name, integrator):
    made, own, site, weight, strength = CASES[name]
    assert (made().site, made().weight) == (site, weight)
    runs = []
    for synapse in (made()(), own()):
        sources = rv.Population(3, rv.neurons.HodgkinHuxley(), current=[0.0, 8.0, 12.0], name="sources")
        targets = rv.Population(2, rv.neurons.HodgkinHuxley(), initial={"V": [-65.0, -60.0]}, name="targets")
        wire = rv.Projection(sources, targets, synapse, [[1.0, 0.5, 1.0], [0.0, 1.0, 2.0]], weight=strength)
        net = rv.Network(sources, targets, wire)
        runs.append(rv.simulate(net, duration=40.0, dt=0.02, integrator=integrator, record=rv.Record(targets, "V"))["targets"].V.values)
    assert np.ptp(runs[1][:, 0]) > 0.1
    np.testing.assert_allclose(runs[0], runs[1], rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", CASES)
def test_conformance(name):
    check_synapse(CASES[name][0]()())


def coba(synapse, **reversal):
    lif = rv.neurons.LeakyIntegrateAndFire(refractory=5.0)
    exc, inh = (rv.Population(n, lif, initial={"V": rv.normal(-65, 5)}, name=name) for n, name in ((400, "exc"), (100, "inh")))
    some, (word, (up, down)) = rv.connect.pairwise_bernoulli(0.1), next(iter(reversal.items()))
    start = {"e": {"g": rv.normal(40, 15, low=0)}, "i": {"g": rv.normal(200, 99, low=0)}}
    e = rv.Projection(exc, [exc, inh], synapse(tau=5.0, **{word: up}), some, weight=8.0, initial=start["e"], name="e")
    i = rv.Projection(inh, [exc, inh], synapse(tau=10.0, **{word: down}), some, weight=60.0, initial=start["i"], name="i")
    return rv.Network(exc, inh, e, i)


def test_a_network_is_native_and_has_the_same_spikes(tmp_path):
    how = {"dt": 0.1, "integrator": rv.ExponentialEuler()}
    mine, own = coba(exponential(), E=(0.0, -80.0)), coba(rv.synapses.ExponentialConductance, reversal=(0.0, -80.0))
    assert str(rv.explain(mine, **how)).count("native: one kernel takes the whole step") == 2
    runs = [rv.simulate(net, duration=100.0, seed=1, **how) for net in (mine, own)]
    assert len(runs[0].spikes) > 100
    np.testing.assert_array_equal(runs[0].spikes.times, runs[1].spikes.times)
    rv.simulate(mine, duration=50.0, seed=1, store=tmp_path / "a.zarr", **how)
    resumed = rv.resume(tmp_path / "a.zarr", duration=100.0)
    assert type(resumed.network.projections["e"].synapse) is exponential()
    np.testing.assert_array_equal(resumed.spikes.times, runs[0].spikes.times)


def test_a_factor_of_the_weight():
    double, twice = rv.synapses.from_equations(on_pre="V_post += 2*w"), rv.synapses.Delta()
    ends = []
    for synapse, weight in ((double(), 1.5), (twice, 3.0)):
        source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -50.0}, name="source")
        cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cell")
        net = rv.Network(source, cell, rv.Projection(source, cell, synapse, rv.connect.all_to_all(), weight=weight))
        ends.append(rv.simulate(net, duration=3.0, dt=0.1).state.neurons["cell"]["V"][0])
    assert ends[0] == ends[1] > -59.0


def test_copies_and_descriptions(capsys):
    model = exponential()(tau=7.0)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(other) is type(model) and other.tau == 7.0
    rv.describe(exponential())
    shown = capsys.readouterr().out
    assert "I = g*(E - V)\n" in shown and "a spike that arrives: g = g + w" in shown and "E    0 mV" in shown
    assert "a presynaptic spike: x = x + 1" in saturating().equations


ALPHA = "dg/dt = -g/tau : nS\nI = g*(E - V) : pA"
GROWS = "ds/dt = (1 - s)/tau : 1\nI = s*(E - V)*nS : pA"
FALLS = "ds/dt = -s/tau : 1\nI = s*(E - V)*nS : pA"
PAIR = "I = w*exp((V_pre - V)/mV)*mV : pA"
WRONG = [
    ({"on_pre": "g += 1*nS"}, rv.ParameterError, "I = g", "the weight w is nowhere"),
    ({"equations": "dg/dt = -g/tau : nS\nI = w*g*(E - V) : pA"}, rv.ParameterError, "I = w", "it would count twice"),
    ({"equations": "dg/dt = -g/tau : nS"}, rv.ParameterError, "g += w", "what arrives does nothing"),
    (
        {"equations": "ds/dt = (1 - s)/tau : 1\nI = s*(E - V)*nS : pA", "on_pre": "s += w"},
        rv.UnsupportedError,
        "(1 - s)",
        "one state|of its own",
    ),
    (
        {"equations": "ds/dt = -s/tau : 1\nI = s*(E - V)*nS : pA", "on_pre": "s += w"},
        rv.UnitError,
        "s += w",
        "must be a conductance or a current",
    ),
    ({"on_pre": "g += w*(1 - g/nS)"}, rv.UnsupportedError, "g += w", "adds the weight"),
    ({"on_pre": "h_post += w"}, rv.UnsupportedError, "h_post", "not a variable of the equations"),
    ({"on_pre": "g += w; g *= 0.5"}, rv.UnsupportedError, "g *= 0.5", "cannot share a state"),
    ({"on_pre": "g += w; V += 1*mV"}, rv.ParameterError, "V += 1*mV", "The weight is called w"),
    ({"equations": "dg/dt = -g/tau*V/mV : nS\nI = g*(E - V) : pA"}, rv.UnsupportedError, "V", "does not see the target's potential"),
    ({"equations": "dg/dt = -g/tau*w/nS : nS\nI = g*(E - V) : pA"}, rv.UnsupportedError, "w", "The engine multiplies"),
    ({"equations": "dg/dt = V_pre/mV*g/ms : nS\nI = g*(E - V) : pA"}, rv.UnsupportedError, "V_pre/mV*g/ms", "cannot depend on V_pre"),
    (
        {"equations": "I = w*exp((V_pre - V)/mV)*mV : pA", "on_pre": None},
        rv.UnsupportedError,
        "exp((V_pre - V)/mV)",
        "another for each pair",
    ),
    ({"equations": "I = w*(V_pre - V) + w*w*mV/nS : pA", "on_pre": None}, rv.UnsupportedError, "w*(V_pre", "the weight once"),
    ({"equations": "I : pA"}, rv.ParameterError, "I", "is defined once"),
    ({"equations": f"{ALPHA}\nw : nS"}, rv.ParameterError, "w", "belongs to the synapse's surroundings"),
    ({"equations": "dg/dt = -g/tu : nS\nI = g*(E - V) : pA"}, rv.UnknownNameError, "tu", "Did you mean 'tau'"),
]


@pytest.mark.parametrize(("given", "kind", "place", "says"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_errors_point_into_the_text(given, kind, place, says):
    with pytest.raises(kind, match=says) as raised:
        rv.synapses.from_equations(**{"equations": ALPHA, "on_pre": "g += w", "parameters": {"tau": "5 ms", "E": "0 mV"}, **given})
    _, line, caret = str(raised.value).rsplit("\n", 2)
    assert line[caret.index("^") :].startswith(place)


def test_what_a_synapse_conducts_is_its_weight():
    with pytest.raises(rv.UnsupportedError, match="leave g_max out"):
        exponential(parameters={"tau": "5 ms", "E": "0 mV", "g_max": "3 nS"})
    with pytest.raises(rv.ParameterError, match="there is no synapse"):
        rv.synapses.from_equations()
