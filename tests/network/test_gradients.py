"""Gradients of whole simulations by every parameter, weight, current and initial value, against finite differences."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.kernels import native_available

STEPS = 120


def lif(**changes):
    given = {"capacitance": 200.0, "leak": 10.0, "rest": -60.0, "threshold": -50.0, "reset": -60.0, "refractory": 0.5, **changes}
    return rv.neurons.LeakyIntegrateAndFire(**given)


def populations(excitatory, inhibitory, current=300.0):
    return (
        rv.Population(6, excitatory, current=current, initial={"V": rv.uniform(-60, -51)}, name="exc"),
        rv.Population(3, inhibitory, current=0.8 * current, initial={"V": rv.uniform(-60, -51)}, name="inh"),
    )


def currents():
    """Merged populations, a synapse model that two projections share, another, a Poisson input, delays."""
    exc, inh = populations(lif(), lif(capacitance=rv.uniform(150, 250), leak=8.0))
    some = rv.connect.pairwise_bernoulli(0.6)
    fast, slow = rv.synapses.ExponentialCurrent(tau=3.0), rv.synapses.AlphaCurrent(tau=1.5)
    return rv.Network(
        exc,
        inh,
        rv.Projection(exc, [exc, inh], fast, some, weight=rv.uniform(20, 60), delay=0.5, name="excitation"),
        rv.Projection(inh, [exc, inh], slow, some, weight=-40.0, delay=0.3, name="inhibition"),
        rv.PoissonInput(exc, rv.synapses.DoubleExponentialCurrent(rise=0.5, decay=2.0), rate=400.0, weight=30.0, name="drive"),
    )


def conductances():
    exc, inh = populations(lif(), rv.neurons.AdaptiveThresholdIntegrateAndFire(refractory=0.4))
    some = rv.connect.pairwise_bernoulli(0.6)
    return rv.Network(
        exc,
        inh,
        rv.Projection(
            exc, [exc, inh], rv.synapses.ExponentialConductance(tau=4.0, reversal=0.0), some, weight=1.5, delay=0.5, name="excitation"
        ),
        rv.Projection(inh, exc, rv.synapses.AlphaConductance(tau=2.0, reversal=-80.0), some, weight=rv.uniform(1, 5), name="inhibition"),
    )


def mixed():
    """Channels, synapses that act continuously, at the source and at the edge, a gap junction, amplitudes that depend on the last spike."""
    cells = rv.Population(3, rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(12.0, 1.013, 4.013), name="cells")
    other = rv.Population(2, rv.neurons.MorrisLecar(), current=20.0, name="other")
    relay = rv.Population(4, lif(threshold=-58.0, refractory=0.4), current=[250.0, 300.0, 350.0, 400.0], name="relay")
    all_of_them, tired = (
        rv.connect.all_to_all(),
        rv.synapses.TsodyksMarkram(utilization=0.4, recovery=20.0, facilitation=5.0, inactivation=3.0),
    )
    return rv.Network(
        cells,
        other,
        relay,
        rv.Projection(cells, other, rv.synapses.ExponentialConductance(tau=2.0), all_of_them, weight=0.05, name="events", site="edge"),
        rv.Projection(cells, other, rv.synapses.SaturatingNMDA(), all_of_them, weight=[[0.01, 0.02, 0.03]] * 2, name="saturating"),
        rv.Projection(cells, relay, rv.synapses.AlphaCurrent(tau=1.0), all_of_them, weight=30.0, name="relayed"),
        rv.Projection(
            relay, relay, rv.synapses.ExponentialCurrent(tau=2.0), all_of_them, weight=20.0, short_term_plasticity=tired, name="tired"
        ),
        rv.Projection(other, other, rv.synapses.GapJunction(), [[0, 1], [1, 0]], weight=0.3, name="gap"),
    )


EXACT, EULER, RK4 = rv.ExactLinear(), rv.ExponentialEuler(), rv.RungeKutta4()
CASES = [
    (currents, EXACT, "native"),
    (currents, EULER, "native"),
    (currents, RK4, "native"),
    (conductances, EULER, "native"),
    (mixed, None, "native"),  # Runge–Kutta for the channels, exact for the relay
    # The derivatives are those of the references anyway.
    (currents, EXACT, "reference"),
    (conductances, EULER, "reference"),
]


@pytest.fixture
def kernels(request, monkeypatch):
    if request.param == "reference":
        monkeypatch.setenv("RANVIER_KERNELS", "reference")
    elif not native_available():
        pytest.skip("there are no native kernels here")
    native_available.cache_clear()
    yield request.param
    monkeypatch.undo()
    native_available.cache_clear()


@pytest.mark.parametrize(
    ("make", "integrator", "kernels"),
    CASES,
    indirect=["kernels"],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_gradients_are_finite_differences(make, integrator, kernels):
    sim = rv.prepare(make(), dt=0.05 if make is mixed else 0.1, integrator=integrator, seed=3)
    state, parameters = sim.state(), sim.parameters
    rng = np.random.default_rng(0)
    smooth = {"neurons": state.neurons, "synapses": state.synapses}
    weights = jax.tree.map(lambda x: rng.normal(size=np.shape(x)), smooth)
    with jax.enable_x64(True):
        # The default, and a second program without derivatives, are once enough: what takes time is compiling.
        once = (make, integrator, kernels) == CASES[0]
        run = sim.function(steps=STEPS, gradient_memory="root" if once else "all", surrogate=rv.surrogates.FixedSpikes())

        def total(parameters, smooth):
            final, recorded = run(parameters, dataclasses.replace(state, **smooth))
            end = {"neurons": final.neurons, "synapses": final.synapses}
            size = jax.tree.map(lambda x, w: (jnp.tanh(x / 50.0) * w).sum(), end, weights)
            return sum(jax.tree.leaves(size)), {name: values["spikes"] for name, values in recorded.items() if "spikes" in values}

        both = jax.jit(jax.value_and_grad(total, argnums=(0, 1), has_aux=True))
        (_, spikes), gradients = both(parameters, smooth)
        compute = jax.jit(total) if once else lambda *given: both(*given)[0]
        leaves, structure = jax.tree.flatten_with_path((parameters, smooth))
        checked = 0
        for i, ((path, leaf), gradient) in enumerate(zip(leaves, jax.tree.leaves(gradients), strict=True)):
            towards = rng.normal(size=np.shape(leaf))
            width = 1e-5 * max(1.0, np.abs(leaf).max())
            sides = []
            for sign in (1, -1):
                changed = [np.asarray(x, np.float64) for _, x in leaves]
                changed[i] = changed[i] + sign * width * towards
                value, fired = compute(*jax.tree.unflatten(structure, changed))
                jax.tree.map(np.testing.assert_array_equal, fired, spikes)  # else there is no derivative
                sides.append(float(value))
            expected = (sides[0] - sides[1]) / (2 * width)
            found = float((np.asarray(gradient) * towards).sum())
            assert found == pytest.approx(expected, rel=2e-5, abs=1e-8), jax.tree_util.keystr(path)
            checked += abs(expected) > 1e-8
    assert all(spikes[name].any() for name in ("exc", "inh", "cells", "relay") if name in spikes)
    assert checked > 0.6 * len(leaves)


@pytest.mark.parametrize("integrator", [EXACT, EULER], ids=lambda x: type(x).__name__)
def test_a_batch_is_the_runs_one_by_one_and_second_derivatives_are_differences_of_first(integrator):
    sim = rv.prepare(currents(), dt=0.1, integrator=integrator, seed=3)
    state, values = sim.state(), np.array([150.0, 200.0, 260.0])
    # Runs with other numbers come before, so that the function must go back to those that it was prepared with.
    runs = [sim.run(10.0, parameters={"exc.capacitance": c}, initial=state).state.neurons["exc"]["V"] for c in values]
    run = sim.function(steps=100, gradient_memory="all", surrogate=rv.surrogates.FixedSpikes())
    end = lambda c: run({"exc.capacitance": c}, state)[0].neurons["exc"]["V"]
    slope = jax.grad(lambda c: end(c).sum())
    curve = lambda c: jax.jvp(slope, (c,), (1.0,))
    with jax.enable_x64(True):
        batch, (slopes, seconds) = jax.jit(lambda c, d: (jax.vmap(end)(c), jax.vmap(curve)(d)))(values, np.array([199.99, 200.0, 200.01]))
    np.testing.assert_array_equal(batch, runs)
    assert float(seconds[1]) == pytest.approx(float(slopes[2] - slopes[0]) / 0.02, rel=1e-6)


def test_a_gradient_in_single_precision_is_that_in_double():
    found = {}
    for precision in ("double", "single"):
        sim = rv.prepare(currents(), dt=0.1, seed=3, precision=precision, record=[])
        run, state = sim.function(60, gradient_memory="all", surrogate=rv.surrogates.FastSigmoid(slope=1.0)), sim.state()
        parameters = {path: x for path, x in sim.parameters.items() if path.startswith(("exc.", "excitation."))}
        late = lambda p, run=run, state=state: (run(p, state)[1]["inh"]["spikes"] * np.linspace(0.0, 1.0, 60)[:, None]).sum()
        with jax.enable_x64(True):
            found[precision] = jax.jit(jax.grad(late))(parameters)
    for path, slope in found["double"].items():
        assert found["single"][path].dtype == np.float32
        np.testing.assert_allclose(found["single"][path], slope, rtol=1e-2, atol=1e-3 * np.abs(slope).max(), err_msg=path)
    assert np.abs(found["double"]["excitation.weight"]).max() > 0 and np.abs(found["double"]["exc.threshold"]).max() > 0


def test_what_a_run_begins_with_is_state_and_no_parameter_of_the_function():
    sim = rv.prepare(rv.Population(1, rv.neurons.HodgkinHuxley(), name="cell"), dt=0.1)
    assert "cell.initial_potential" not in sim.parameters
    with jax.enable_x64(True), pytest.raises(rv.UnsupportedError, match=r"the function takes a state.*sim.state\(parameters="):
        sim.function(10)({"cell.initial_potential": -60.0}, sim.state())
    changed = sim.state(parameters={"cell.initial_potential": -60.0})
    assert changed.neurons["cell"]["V"].tolist() == [-60.0]


SIM = rv.prepare(currents(), dt=0.1, record=[])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"exc.capacitance": True}, "capacitance'] is True"),
        ({"exc.capacitance": [200.0, "x"]}, "an array of numbers"),
        ({"exc.capacitance": 1j}, "an array of numbers"),
        ({"exc.capacitance": rv.normal(200.0, 1.0)}, "an array of numbers"),
        ({"inhibition.weight": np.full((9, 3), -40.0)}, r"as the network was prepared.*has the shape \(9, 3\), and \(\) there"),
        ({"excitation.tau": np.full(3, 2.0)}, r"as the network was prepared.*has the shape \(3,\), and \(\) there"),
    ],
)
def test_what_is_no_plain_number_or_has_another_shape_is_refused_by_name(given, words):
    with jax.enable_x64(True), pytest.raises(rv.ParameterError, match=words):
        SIM.function(2)(given, SIM.state())


def test_a_quantity_is_refused_and_not_taken_for_a_number():
    mV = pytest.importorskip("pint").UnitRegistry().mV
    with jax.enable_x64(True), pytest.raises(rv.ParameterError, match="takes plain numbers"):
        SIM.function(2)({"exc.capacitance": 200.0 * mV}, SIM.state())


def test_a_gradient_of_neurons_alone_keeps_no_more_than_three_root_steps_states():
    cell, steps = rv.Population(1, rv.neurons.HodgkinHuxley(), current=10.0, name="cell"), 10_000
    sim = rv.prepare(cell, dt=0.025, integrator=EULER)
    sim.records = []
    state, path = sim.state(), "cell.sodium.conductance"
    run = sim.function(steps)
    end = lambda g: run({path: g}, state)[0].neurons["cell"]["V"][0]
    with jax.enable_x64(True):
        bytes_of = lambda f: jax.jit(f).lower(120.0).compile().memory_analysis().temp_size_in_bytes
        more = bytes_of(jax.grad(end)) - bytes_of(end)
    of_one = sum(np.asarray(x).nbytes for x in jax.tree.leaves((state.neurons, state.last_spike, state.crossed, state.step)))
    assert 1.5 * np.sqrt(steps) * of_one < more < 3 * np.sqrt(steps) * of_one
