"""Synapses that act continuously after a delay: gap junctions, graded release, NMDA receptors that saturate."""

import jax
import numpy as np
import pytest

import ranvier as rv

DT = 0.1
DELAYS = np.array([[0, 12, 7], [3, 0, 0], [20, 1, 0]])  # steps, [targets, sources]
WEIGHTS = np.array([[0.0, 0.3, 0.2], [0.5, 0.0, 0.1], [0.4, 0.7, 0.0]])
START = np.array([-70.0, -20.0, -50.0])
SPIKES = ((5, 0), (31, 1), (33, 2), (60, 0), (64, 0))  # step, neuron


def network(synapse, delays=DELAYS, weights=WEIGHTS, **options):
    """Three membranes, and three cells that fire at given times beside them, whose spikes the synapse notes."""
    cells = rv.Population(3, rv.neurons.Passive(leak=0.1, rest=-60.0), initial={"V": START}, name="cells")
    given = rv.neurons.SpikeTimes([k * DT for k, _ in SPIKES], [i for _, i in SPIKES])
    fire = rv.Population(3, given, name="fire") if synapse.emits else None
    post, pre = np.nonzero(weights)
    fibres = rv.Projection(
        fire or cells,
        cells,
        synapse,
        rv.connect.edge_list(pre, post),
        weight=weights[post, pre],
        delay=delays[post, pre] * DT,
        name="fibres",
        **options,
    )
    return rv.Network(cells, *([fire] if fire else []), fibres)


def dense(synapse, steps, delays=DELAYS, weights=WEIGHTS):
    """The same with one value for each pair, every stage of RK4 written out."""
    model = rv.neurons.Passive(leak=0.1, rest=-60.0)
    own = {v: np.asarray(x, float) for v, x in synapse.initial_state(3, None).items()}
    y, history = {"V": START.copy(), **own}, []

    def sent(y):
        with jax.enable_x64(True):
            out = synapse.transmit(y, rv.synapses.Presynaptic({"V": y["V"]}), 0.0)
        return {k: np.broadcast_to(np.asarray(x, float), (3,)) for k, x in (out if isinstance(out, dict) else {"": out}).items()}

    def rate(y, k, c):
        now, arrived = sent(y), {}
        for name in now:
            at = lambda step, name=name: history[max(step, 0)][name]
            each = np.empty((3, 3))
            for i in range(3):
                for j in range(3):
                    d = delays[i, j]
                    each[i, j] = now[name][j] if d == 0 else (1 - c) * at(k - d)[j] + c * at(k - d + 1)[j]
            arrived[name] = (weights * each).sum(axis=1)
        with jax.enable_x64(True):
            conductance, offset = synapse.membrane_input(arrived.get("", arrived), y["V"])
            moved = synapse.derivatives(y, rv.synapses.Presynaptic({"V": y["V"]}), 0.0)
        current = np.asarray(offset) - np.asarray(conductance) * y["V"]
        slope = {"V": (0.1 * (-60.0 - y["V"]) + current) / float(model.capacitance)}
        return {v: slope[v] if v in slope else np.asarray(moved[v], float) for v in y}

    rows = [y["V"]]
    add = lambda y, h, s: {v: y[v] + h * s[v] for v in y}
    for k in range(steps):
        history.append(sent(y))
        a = rate(y, k, 0.0)
        b = rate(add(y, DT / 2, a), k, 0.5)
        c = rate(add(y, DT / 2, b), k, 0.5)
        d = rate(add(y, DT, c), k, 1.0)
        y = {v: y[v] + DT / 6 * (a[v] + 2 * b[v] + 2 * c[v] + d[v]) for v in y}
        for step, i in SPIKES:
            if step == k and "rising" in y:
                y["rising"][i] += 1.0
        rows.append(y["V"])
    return np.array(rows)


@pytest.mark.parametrize(
    "synapse", [rv.synapses.GapJunction(), rv.synapses.GradedGABA(), rv.synapses.SaturatingNMDA()], ids=lambda s: type(s).__name__
)
def test_delays_are_those_of_a_dense_reference(synapse):
    """Some edges have none, one has one step, others many: to rounding, and in single precision to what that has."""
    steps = 90
    run = lambda net, **options: rv.simulate(net, duration=steps * DT, dt=DT, integrator=rv.RungeKutta4(), **options)
    record = rv.Record("cells", "V")
    expected = dense(synapse, steps)
    assert np.abs(np.diff(expected, axis=0)).max() > 0.05
    found = run(network(synapse), record=record)["cells"].V.values
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert np.abs(found - dense(synapse, steps, 0 * DELAYS)).max() > 0.05
    single = run(network(synapse), record=record, precision="single")["cells"].V.values
    np.testing.assert_allclose(single, expected, atol=2e-3)


def test_one_delay_for_all_is_the_same_by_matrix_and_by_edge_and_of_second_order():
    """Against the delayed equation solved by steps: V' = (g (0 − V) + w (V(t − τ) − V)) / C, constant before 0."""
    g, w, tau, start = 0.1, 0.4, 2.0, 10.0

    def at(dt, **options):
        cell = rv.Population(1, rv.neurons.Passive(leak=g, rest=0.0, capacitance=1.0), initial={"V": start}, name="cell")
        net = rv.Network(cell, rv.Projection(cell, cell, rv.synapses.GapJunction(), [[1]], weight=w, delay=tau, **options))
        return rv.simulate(net, duration=2 * tau, dt=dt).state.neurons["cell"]["V"][0]

    a, b, s = g + w, w, tau
    c1 = b * start / a
    c2 = start - c1
    middle = c1 + c2 * np.exp(-a * s)
    exact = middle * np.exp(-a * s) + b * c1 / a * (1 - np.exp(-a * s)) + b * c2 * s * np.exp(-a * s)
    errors = [abs(at(dt) - exact) for dt in (0.2, 0.1)]
    assert errors[1] < 2e-4
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.15)
    assert at(0.1) == pytest.approx(at(0.1, site="edge"), abs=1e-13)


def test_a_run_goes_on_bit_for_bit_from_its_state_and_from_its_store(tmp_path):
    net = network(rv.synapses.GapJunction())
    whole = rv.simulate(net, duration=6.0, dt=DT)
    half = rv.simulate(net, duration=2.7, dt=DT)
    assert half.state.traces["fibres"]["sent V"].shape == (32, 3)
    before = rv.simulate(net, duration=2.6, dt=DT).state.neurons["cells"]["V"]
    np.testing.assert_array_equal(half.state.traces["fibres"]["sent V"][0], before)
    file = tmp_path / "state.npz"
    half.state.save(file)
    later = rv.simulate(net, duration=3.3, dt=DT, initial=rv.SimulationState.load(file))
    np.testing.assert_array_equal(later.state.neurons["cells"]["V"], whole.state.neurons["cells"]["V"])
    rv.simulate(net, duration=2.7, dt=DT, store=tmp_path / "store")
    resumed = rv.resume(tmp_path / "store", duration=6.0)
    np.testing.assert_array_equal(resumed.state.neurons["cells"]["V"], whole.state.neurons["cells"]["V"])
    with pytest.raises(rv.ParameterError, match=r"cannot go on with dt = 0\.05"):
        rv.simulate(net, duration=1.0, dt=0.05, initial=half.state)


def test_other_delays_and_a_gradient_through_them():
    sim = rv.prepare(network(rv.synapses.GapJunction()), dt=DT)
    shorter = np.maximum(DELAYS - 1, 0)
    post, pre = np.nonzero(WEIGHTS)
    changed = sim.run(6.0, parameters={"fibres.delay": shorter[post, pre] * DT})
    expected = rv.simulate(network(rv.synapses.GapJunction(), shorter), duration=6.0, dt=DT)
    np.testing.assert_array_equal(changed.state.neurons["cells"]["V"], expected.state.neurons["cells"]["V"])
    assert "after a delay (what was sent is kept for 32 steps)" in str(sim.explain())
    with jax.enable_x64(True):
        function, state = sim.function(steps=30), sim.state()
        weights = np.asarray(sim.parameters["fibres.weight"])
        end = lambda w: function({**sim.parameters, "fibres.weight": w}, state)[0].neurons["cells"]["V"].sum()
        both, h = jax.jit(jax.value_and_grad(end)), 1e-5
        slope = both(weights)[1]
        moved = [both(weights + h * e)[0] - both(weights - h * e)[0] for e in np.eye(len(weights))[:2]]
    np.testing.assert_allclose(slope[:2], np.array(moved) / (2 * h), rtol=1e-6)
