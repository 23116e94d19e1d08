"""Neuron models from text are like any other: same numbers, same kernel, gradients, stores, copies."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pint
import pytest

import ranvier as rv
from ranvier.network import loop
from ranvier.testing import check_neuron

LIF_PARAMETERS = {"capacitance": "200 pF", "leak": "10 nS", "rest": "-60 mV", "V_t": "-50 mV"}


def lif(**other):
    given = {
        "threshold": "V >= V_t",
        "reset": "V = rest",
        "refractory": 5.0,
        "parameters": LIF_PARAMETERS,
        "initial": {"V": "rest"},
        "name": "TextLIF",
    }
    return rv.neurons.from_equations("dV/dt = (leak*(rest - V) + I) / capacitance : mV (unless refractory)", **{**given, **other})


HH = """
dV/dt = (g_Na*m**3*h*(E_Na - V) + g_K*n**4*(E_K - V) + g_L*(E_L - V) + I) / C : mV
dm/dt = alpha_m*(1 - m) - beta_m*m : 1
dh/dt = alpha_h*(1 - h) - beta_h*h : 1
dn/dt = alpha_n*(1 - n) - beta_n*n : 1
alpha_m = 1/exprel(-(V + 40*mV)/(10*mV))/ms : 1/ms
beta_m = 4*exp(-(V + 65*mV)/(18*mV))/ms : 1/ms
alpha_h = 0.07*exp(-(V + 65*mV)/(20*mV))/ms : 1/ms
beta_h = 1/(1 + exp(-(V + 35*mV)/(10*mV)))/ms : 1/ms
alpha_n = 0.1/exprel(-(V + 55*mV)/(10*mV))/ms : 1/ms
beta_n = 0.125*exp(-(V + 65*mV)/(80*mV))/ms : 1/ms
g_Na : mS/cm**2  # sodium
"""
HH_PARAMETERS = {
    "g_Na": 120.0,
    "g_K": "36 mS/cm**2",
    "g_L": "0.3 mS/cm**2",
    "E_Na": "50 mV",
    "E_K": "-77 mV",
    "E_L": "-54.387 mV",
    "C": "1 uF/cm**2",
}


def test_it_is_the_class_that_it_describes():
    mine, own = lif()(), rv.neurons.LeakyIntegrateAndFire(refractory=5.0)
    runs = [rv.simulate(rv.Population(3, m, name="c"), current=[200.0, 300.0, 400.0], duration=100.0, dt=0.1) for m in (mine, own)]
    assert len(runs[0].spikes) > 10
    np.testing.assert_array_equal(runs[0].V.values, runs[1].V.values)
    explained = str(rv.explain(rv.Population(3, mine, current=300.0, name="c")))
    assert "ExactLinear" in explained and "native: one kernel takes the whole step" in explained


def test_conductance_based_cells_keep_their_published_spikes():
    cell = rv.neurons.from_equations(HH, threshold="V > 0*mV", parameters=HH_PARAMETERS, initial={"V": "-65 mV"})
    assert cell.input_unit == "uA/cm^2" and cell.__dataclass_fields__["g_Na"].metadata["parameter"].text == "sodium"
    own = rv.neurons.HodgkinHuxley()
    gates = {name: float(value[0]) for name, value in rv.simulate(own, duration=0.01).state.neurons["hodgkin_huxley"].items()}
    start = {"m": gates["sodium.m"], "h": gates["sodium.h"], "n": gates["potassium.n"]}
    runs = [rv.simulate(cell(), current=10.0, duration=60.0, initial=start), rv.simulate(own, current=10.0, duration=60.0)]
    np.testing.assert_allclose(runs[0].spikes.times, runs[1].spikes.times, atol=0.011)
    assert len(runs[0].spikes) == 4
    assert runs[0].alpha_m.attrs["units"] == "1/ms"


@pytest.mark.parametrize("noise", ["s*sqrt(2/tau)*xi", "s/sqrt(tau)*(xi_1 - xi_2)"])
def test_noise_has_its_strength(noise):
    """The variance of an Ornstein–Uhlenbeck process; two independent noises add up."""
    equations = f"dV/dt = (m - V)/tau + {noise} : mV"
    cell = rv.neurons.from_equations(equations, parameters={"m": "-60 mV", "tau": "5 ms", "s": "2 mV"}, initial={"V": "m"})
    many = rv.Population(4000, cell(), name="many")
    run = rv.simulate(many, duration=40.0, dt=0.05, seed=1, record=rv.Record(many, "V", every=40.0))
    last = run["many"].V.values[-1]
    assert last.mean() == pytest.approx(-60.0, abs=0.15) and last.std() == pytest.approx(2.0, abs=0.1)
    with pytest.raises(rv.UnsupportedError, match="white noise"):
        rv.simulate(many, duration=1.0, integrator=rv.RungeKutta4())


def test_a_hazard_fires_at_its_rate():
    poisson = rv.neurons.from_equations("rate : Hz", hazard="rate", parameters={"rate": 50.0})
    assert not poisson.takes_input
    rate = rv.simulate(rv.Population(500, poisson(rate=80.0)), duration=1000.0, dt=0.1, seed=1).spikes.rate.mean()
    assert rate == pytest.approx(80.0, abs=1.5)


def test_functions_and_stimuli_in_the_equations():
    text = "dV/dt = (E - V)/tau + drive(t)/C : mV"
    given = {"parameters": {"E": "-65 mV", "tau": "20 ms", "C": "200 pF"}, "initial": {"V": "E"}}
    pulse = rv.stimuli.SquarePulse(100.0, start=10, stop=20)
    asked = rv.neurons.from_equations(text, functions={"drive": (pulse, "pA")}, **given)
    written = rv.neurons.from_equations("dV/dt = (E - V)/tau + (100*pA if 10*ms <= t and t < 20*ms else 0)/C : mV", **given)
    function = rv.neurons.from_equations(text, functions={"drive": (lambda t: jnp.where((t >= 10) & (t < 20), 0.1, 0.0), "nA")}, **given)
    injected = rv.neurons.from_equations("dV/dt = (E - V)/tau + I/C : mV", **given)
    runs = [rv.simulate(m(), duration=40.0, dt=0.1, integrator=rv.RungeKutta4()).V.values for m in (asked, written, function)]
    runs.append(rv.simulate(injected(), current=pulse, duration=40.0, dt=0.1, integrator=rv.RungeKutta4()).V.values)
    assert runs[0].max() > -62.0
    for other in runs[1:]:
        np.testing.assert_allclose(other, runs[0], rtol=0, atol=1e-12)
    model = asked()
    changed = rv.prepare(rv.Population(1, model, name="c"), dt=0.1).run(40.0, parameters={"c.drive.amplitude": 200.0})
    assert changed.V.values.max() > runs[0].max() + 1.0


def test_variables_that_only_a_spike_changes():
    cell = rv.neurons.from_equations(
        "dV/dt = (E - V)/tau + I/C : mV\ncount : 1\nlast = count**2 : 1",
        threshold="V > th",
        reset="V = E; count += 1",
        parameters={"E": "-65 mV", "tau": "20 ms", "C": "200 pF", "th": "-50 mV"},
        initial={"V": "E"},
    )
    run = rv.simulate(cell(), current=300.0, duration=100.0, dt=0.1)
    assert len(run.spikes) > 2 and run.count.values[-1] == len(run.spikes) and run["last"].values[-1] == len(run.spikes) ** 2


def test_values_and_units_go_through_one_door():
    unit = pint.UnitRegistry()
    given = {
        **LIF_PARAMETERS,
        "leak": unit.Quantity(0.01, "microsiemens"),
        "rest": "-0.06 volt",
        "V_t": -0.05 * unit.volt,
        "capacitance": "0.2 nF",
    }
    cell = lif(parameters=given, refractory=0.005 * unit.second)
    assert cell().leak == 0.01 and cell.__dataclass_fields__["leak"].metadata["parameter"].unit == "uS"
    assert cell().refractory == pytest.approx(5.0)
    runs = [rv.simulate(m(), current=300.0, duration=100.0, dt=0.1).spikes.times for m in (cell, lif())]
    np.testing.assert_array_equal(*runs)
    bare = rv.neurons.from_equations(
        "dV/dt = (E - V)/tau : volt\ntau : second\nE : volt", parameters={"tau": "10 ms", "E": "-60 mV"}, initial={"V": "-0.05 volt"}
    )
    assert (bare().tau, bare().E) == (10.0, -60.0) and rv.simulate(bare(), duration=0.1).V.values[0] == -50.0
    with pytest.raises(rv.ParameterError, match="E"):
        bare(E="much")
    required = rv.neurons.from_equations("dV/dt = (E - V)/tau : mV\nE : mV", parameters={"tau": "10 ms"})
    with pytest.raises(TypeError, match="E"):
        required()


def test_names_that_a_class_has_itself():
    cell = rv.neurons.from_equations("dV/dt = (reset - V)/held : mV", parameters={"reset": "-60 mV", "held": "10 ms"})
    assert cell(reset=-70.0, held=5.0).reset_ == -70.0
    assert rv.simulate(cell(held=1.0), duration=20.0, dt=0.1).V.values[-1] == pytest.approx(-60.0, abs=1e-6)


def test_equal_texts_are_one_class_and_compile_once():
    assert lif() is lif() and lif() is not lif(reset="V = V_t - 1*mV")
    rv.simulate(rv.Population(2, lif()(), name="c"), current=300.0, duration=1.0, dt=0.1)
    compiled = loop.compilations
    rv.simulate(rv.Population(2, lif()(leak=12.0), name="c"), current=250.0, duration=1.0, dt=0.1)
    assert loop.compilations == compiled


def test_copies_in_and_out_of_other_processes():
    model = lif()(leak=[5.0, 6.0])
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert type(other) is type(model) and other.leak.tolist() == [5.0, 6.0]


def test_gradients_pass():
    with jax.enable_x64(True):
        derivatives = []
        for model in (lif()(), rv.neurons.LeakyIntegrateAndFire(refractory=5.0)):
            sim = rv.prepare(rv.Population(2, model, current=150.0, name="c"), dt=0.1)
            step = sim.function(steps=50, surrogate=rv.surrogates.FixedSpikes())
            start = sim.state()
            loss = lambda p, step=step, start=start: step(p, start)[0].neurons["c"]["V"].sum()
            derivatives.append(jax.grad(loss)({k: jnp.asarray(v) for k, v in sim.parameters.items()}))
        for name in ("c.capacitance", "c.leak", "c.rest", "c.current"):
            assert derivatives[0][name] == pytest.approx(float(derivatives[1][name]), rel=1e-12) and derivatives[0][name] != 0.0


def test_describing_shows_the_equations(capsys):
    rv.describe(lif(doc="A leaky cell.", reference="Lapicque 1907"))
    shown = capsys.readouterr().out
    assert shown.startswith("TextLIF: A leaky cell.") and "dV/dt = (leak*(rest - V) + I) / capacitance\n" in shown
    assert (
        "V >= V_t: a spike, V = rest, and V is held for `refractory`" in shown
        and "leak         10 nS" in shown
        and "Lapicque 1907" in shown
    )
    assert "<math" in lif()()._repr_html_()


def test_a_store_is_resumed_from_its_text(tmp_path):
    drive = rv.stimuli.Steps([300.0, 350.0], [0.0, 20.0])
    cells = rv.Population(3, lif()(), current=drive, name="c")
    rv.simulate(cells, duration=30.0, dt=0.1, store=tmp_path / "a.zarr")
    run = rv.resume(tmp_path / "a.zarr", duration=60.0)
    assert type(run.network.populations["c"].model) is lif()
    np.testing.assert_array_equal(run.spikes.times, rv.simulate(cells, duration=60.0, dt=0.1).spikes.times)
    other = rv.Population(3, lif(reset="V = V_t - 1*mV")(), current=drive, name="c")
    with pytest.raises(rv.StoreError, match="V_t - 1"):
        rv.resume(tmp_path / "a.zarr", other, duration=70.0)


def test_a_store_with_a_function_names_it_and_is_resumed_with_the_network(tmp_path):
    cell = rv.neurons.from_equations("dV/dt = (f(t)*mV - V)/tau : mV", functions={"f": lambda t: jnp.sin(t)}, parameters={"tau": "5 ms"})
    cells = rv.Population(1, cell(), name="c")
    rv.simulate(cells, duration=5.0, dt=0.1, store=tmp_path / "a.zarr")
    with pytest.raises(rv.StoreError, match="<lambda>, which cannot be rebuilt"):
        rv.resume(tmp_path / "a.zarr", duration=10.0)
    assert rv.resume(tmp_path / "a.zarr", cells, duration=10.0).state.time == pytest.approx(10.0)


MODELS = {
    "leaky": lif,
    "Hodgkin–Huxley": lambda: rv.neurons.from_equations(
        HH, threshold="V > 0*mV", parameters=HH_PARAMETERS, initial={"V": "-65 mV", "h": 0.6}
    ),
    "noisy": lambda: rv.neurons.from_equations("dV/dt = (I/nA*mV - V)/tau + mV*xi/sqrt(tau) : mV", parameters={"tau": "5 ms"}),
    "at random": lambda: rv.neurons.from_equations(
        "dV/dt = -V/tau + I/C : mV", hazard="10*Hz*exp(V/mV)", reset="V = 0", parameters={"tau": "5 ms", "C": "1 pF"}
    ),
    "in time": lambda: rv.neurons.from_equations("dV/dt = (A*sin(2*pi*t/T) - V)/ms : mV", parameters={"A": "2 mV", "T": "9 ms"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_conformance(name):
    check_neuron(MODELS[name]()())
