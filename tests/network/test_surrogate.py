"""Gradients through spikes: by a surrogate, against the same network written out by hand."""

import dataclasses
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import surrogates
from ranvier.network.surrogate.distance import distance
from tests.conformance.walk import classes
from tests.network.test_gradients import conductances, currents, mixed

STEPS, DT = 200, 0.1
KINDS = [kind for _, kind in inspect.getmembers(surrogates, inspect.isclass) if issubclass(kind, surrogates.Surrogate)]
KINDS.remove(surrogates.Surrogate)


@pytest.mark.parametrize("make", [currents, conductances, mixed])
def test_the_runs_are_the_same(make):
    sim = rv.prepare(make(), dt=DT, seed=3)
    state = sim.state()
    with jax.enable_x64(True):
        final, recorded = jax.jit(sim.function(STEPS))({}, state)
        soft_final, soft = jax.jit(sim.function(STEPS, surrogate=surrogates.FastSigmoid()))({}, state)
    assert sum(int(own["spikes"].sum()) for own in recorded.values()) > 5
    for name, own in recorded.items():
        np.testing.assert_array_equal(soft[name]["spikes"], own["spikes"])
    assert jax.tree.structure(soft_final) == jax.tree.structure(final)
    for a, b in zip(jax.tree.leaves(soft_final), jax.tree.leaves(final), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


N, DELAY, REFRACTORY = 5, 3, 8
PARAMETERS = {
    "cells.capacitance": 200.0,
    "cells.threshold": -50.0,
    "cells.reset": -58.0,
    "cells.current": np.array([320.0, 350.0, 370.0, 400.0, 460.0]),
    "loop.weight": np.random.default_rng(0).uniform(20.0, 120.0, (N, N)),
    "loop.tau": 4.0,
    "loop.short_term_plasticity.utilization": 0.4,
    "loop.short_term_plasticity.recovery": 30.0,
    "loop.short_term_plasticity.facilitation": 15.0,
}
V0 = np.linspace(-60.0, -51.0, N)


TIRED = {"short_term_plasticity": rv.synapses.TsodyksMarkram(utilization=0.4, recovery=30.0, facilitation=15.0)}


def network(**how):
    model = rv.neurons.LeakyIntegrateAndFire(
        capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset=-58.0, refractory=REFRACTORY * DT
    )
    cells = rv.Population(N, model, current=PARAMETERS["cells.current"], initial={"V": V0}, name="cells")
    loop = rv.Projection(
        cells,
        cells,
        rv.synapses.ExponentialCurrent(tau=4.0),
        rv.connect.all_to_all(),
        weight=PARAMETERS["loop.weight"].ravel(),
        delay=DELAY * DT,
        name="loop",
        **how,
    )
    return rv.Network(cells, loop)


def by_hand(p, v0, surrogate):
    """The same network in plain JAX, by Euler's method. Where a neuron stands in its refractory period is no part of the gradient."""
    frozen = jax.lax.stop_gradient
    weight = p["loop.weight"].reshape(N, N)  # target, source
    left = {name: p[f"loop.short_term_plasticity.{name}"] for name in ("recovery", "facilitation", "utilization")}

    def step(carried, k):
        V, current, u, x, last, on_their_way = carried
        waiting = k <= last + REFRACTORY
        moved = V + DT * (-10.0 * (V + 60.0) + current + p["cells.current"]) / p["cells.capacitance"]
        moved = jnp.where(waiting, V, moved)
        far = jnp.maximum(V, moved) - p["cells.threshold"]
        flags = (far >= 0) & ~waiting
        soft = jnp.where(waiting, 0.0, flags + surrogate.smoothed(far) - frozen(surrogate.smoothed(far)))
        known = jnp.isfinite(last)
        since = jnp.where(known, k - last, 0.0) * DT
        decays = lambda tau: jnp.where(known, jnp.exp(-since / tau), 0.0)
        used = u * decays(left["facilitation"])
        used = used + left["utilization"] * (1 - used)
        ready = 1 - (1 - x) * decays(left["recovery"])
        on_their_way = jnp.concatenate([on_their_way[1:], (soft * used * ready)[None]])
        u, x = soft * used + (1 - soft) * u, soft * ready * (1 - used) + (1 - soft) * x
        current = current - DT * current / p["loop.tau"] + weight @ on_their_way[0]
        V = soft * p["cells.reset"] + (1 - soft) * moved
        return (V, current, u, x, jnp.where(flags, k, last), on_their_way), soft

    begin = (v0, jnp.zeros(N), jnp.zeros(N), jnp.ones(N), jnp.full(N, -jnp.inf), jnp.zeros((DELAY + 1, N)))
    (V, *_), seen = jax.lax.scan(step, begin, jnp.arange(STEPS, dtype=float))
    return V, seen


def test_gradients_through_thresholds_resets_delays_and_short_term_plasticity_are_those_by_hand():
    sim = rv.prepare(network(**TIRED), dt=DT, integrator=rv.Euler())
    state, surrogate = sim.state(), surrogates.FastSigmoid(slope=0.5)
    weights = np.random.default_rng(1).normal(size=(STEPS, N))
    with jax.enable_x64(True):
        run = sim.function(STEPS, surrogate=surrogate)

        def engine(p, v0):
            final, recorded = run(p, dataclasses.replace(state, neurons={"cells": {"V": v0}}))
            spikes = recorded["cells"]["spikes"]
            return (weights * spikes).sum() + final.neurons["cells"]["V"].sum(), spikes

        def hand(p, v0):
            V, spikes = by_hand(p, v0, surrogate)
            return (weights * spikes).sum() + V.sum(), spikes

        given = {path: np.asarray(value) for path, value in PARAMETERS.items()}
        given["loop.weight"] = given["loop.weight"].ravel()
        (found, spikes), slopes = jax.jit(jax.value_and_grad(engine, argnums=(0, 1), has_aux=True))(given, V0)
        (expected, of_hand), by = jax.jit(jax.value_and_grad(hand, argnums=(0, 1), has_aux=True))(given, V0)
    assert 15 < np.asarray(spikes).sum() < 200
    np.testing.assert_allclose(spikes, of_hand, atol=1e-12)
    assert float(found) == pytest.approx(float(expected), rel=1e-9)
    for path in given:
        np.testing.assert_allclose(slopes[0][path], by[0][path], rtol=1e-7, atol=1e-9, err_msg=path)
        assert np.abs(by[0][path]).max() > 1e-6, path
    np.testing.assert_allclose(slopes[1], by[1], rtol=1e-7)


LEARNING = {
    "loop.plasticity.potentiation": 0.05,
    "loop.plasticity.depression": 0.04,
    "loop.plasticity.tau_plus": 15.0,
    "loop.plasticity.tau_minus": 25.0,
    "loop.plasticity.potentiation_exponent": 0.0,
    "loop.plasticity.depression_exponent": 0.5,
    "cells.current": PARAMETERS["cells.current"],
    "cells.threshold": -50.0,
}
HIGH = 150.0


def learning_by_hand(p, weight, surrogate, steps):
    """Neurons whose weights onto each other learn by pairs of spikes, in plain JAX, by Euler's method."""
    of = lambda name: p[f"loop.plasticity.{name}"]

    def step(carried, k):
        V, current, weight, x, y, last, on_their_way = carried
        waiting = k <= last + REFRACTORY
        moved = jnp.where(waiting, V, V + DT * (-10.0 * (V + 60.0) + current + p["cells.current"]) / 200.0)
        far = jnp.maximum(V, moved) - p["cells.threshold"]
        flags = (far >= 0) & ~waiting
        soft = jnp.where(waiting, 0.0, flags + surrogate.smoothed(far) - jax.lax.stop_gradient(surrogate.smoothed(far)))
        on_their_way = jnp.concatenate([on_their_way[1:], soft[None]])
        x = jnp.concatenate([x[1:], (x[-1] * jnp.exp(-DT / of("tau_plus")) + soft)[None]])
        y = y * jnp.exp(-DT / of("tau_minus"))
        arriving = on_their_way[0]
        current = current - DT * current / 4.0 + weight @ arriving
        # As the trace stood when the spike now arriving was sent, and as it stands where none is.
        down = -of("depression") * HIGH * (weight / HIGH) ** of("depression_exponent") * y[:, None]
        weight = weight + arriving[None, :] * (jnp.clip(weight + down, 0.0, HIGH) - weight)
        up = of("potentiation") * HIGH * (1.0 - weight / HIGH) ** of("potentiation_exponent") * x[0][None, :]
        weight = weight + soft[:, None] * (jnp.clip(weight + up, 0.0, HIGH) - weight)
        return (soft * -58.0 + (1 - soft) * moved, current, weight, x, y + soft, jnp.where(flags, k, last), on_their_way), soft

    zeros, late = jnp.zeros(N), jnp.zeros((DELAY + 1, N))
    begin = (V0, zeros, weight, late, zeros, jnp.full(N, -jnp.inf), late)
    (_, _, weight, *_), seen = jax.lax.scan(step, begin, jnp.arange(steps, dtype=float))
    return weight, seen


def test_gradients_through_weights_that_learn_are_those_by_hand():
    rule = rv.plasticity.PairSTDP(high=HIGH, **{k.rpartition(".")[2]: x for k, x in LEARNING.items() if ".plasticity." in k})
    sim = rv.prepare(network(plasticity=rule), dt=DT, integrator=rv.Euler())
    state, surrogate, steps, rng = sim.state(), surrogates.FastSigmoid(slope=0.5), 150, np.random.default_rng(1)
    with jax.enable_x64(True):
        run = sim.function(steps, surrogate=surrogate, gradient_memory="all")

        def engine(p, weight):
            synapses = {"loop": {**state.synapses["loop"], "weight": weight}}
            final, recorded = run(p, dataclasses.replace(state, synapses=synapses))
            learnt, spikes = final.synapses["loop"]["weight"], recorded["cells"]["spikes"]
            return (learnt**2).sum() / HIGH + (spikes.sum(axis=0) * jnp.arange(N)).sum(), (learnt, spikes.sum())

        def hand(p, weight):
            learnt, spikes = learning_by_hand(p, weight.reshape(N, N), surrogate, steps)
            return (learnt**2).sum() / HIGH + (spikes.sum(axis=0) * jnp.arange(N)).sum(), (learnt.ravel(), spikes.sum())

        given = {path: np.asarray(value) for path, value in LEARNING.items()}
        weight = np.asarray(state.synapses["loop"]["weight"])
        # Forwards, one direction after the other: the programs of reverse derivatives take five times as long to compile.
        along = lambda f: jax.jit(lambda at, towards: jax.jvp(f, at, towards, has_aux=True))
        of_engine, of_hand, at = along(engine), along(hand), (given, weight)
        nowhere = jax.tree.map(np.zeros_like, at)
        for name in (*given, "weight"):
            towards = rng.uniform(0.5, 1.0, np.shape(given.get(name, weight)))
            one = (nowhere[0], towards) if name == "weight" else ({**nowhere[0], name: towards}, nowhere[1])
            _, slope, (found, spikes) = of_engine(at, one)
            _, by, (expected, _) = of_hand(at, one)
            assert float(slope) == pytest.approx(float(by), rel=1e-7, abs=1e-9) and abs(float(by)) > 1e-6, name
    assert float(spikes) > 10 and np.abs(np.asarray(found) - weight).max() > 5.0
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_is_that_of_the_layers(kind):
    torch = pytest.importorskip("torch")
    import ranvier.torch.surrogate as of_layers

    theirs = getattr(of_layers, kind.__name__)
    assert theirs.formula == kind.formula and theirs.reference == kind.reference
    assert {f.name: f.default for f in dataclasses.fields(kind)} == {f.name: f.default for f in dataclasses.fields(theirs)}
    given = {field.name: 0.7 for field in dataclasses.fields(kind)}
    assert list(given) == [field.name for field in dataclasses.fields(theirs)]
    own, d = kind(**given), np.linspace(-3.0, 3.0, 31)
    with jax.enable_x64(True):
        np.testing.assert_allclose(own.derivative(jnp.asarray(d)), theirs(**given).derivative(torch.tensor(d)), rtol=1e-12)
        np.testing.assert_allclose(own.smoothed(jnp.asarray(d)), theirs(**given).smoothed(torch.tensor(d)), rtol=1e-12, atol=1e-12)
        slope = jax.vmap(jax.grad(own.smoothed))(jnp.asarray(d))
        np.testing.assert_allclose(slope, own.derivative(jnp.asarray(d)), rtol=1e-9, atol=1e-12)
        assert np.all(np.asarray(own.derivative(jnp.array([np.inf, -np.inf]))) == (1.0 if kind is surrogates.StraightThrough else 0.0))


def test_the_layers_have_no_other():
    pytest.importorskip("torch")
    import ranvier.torch.surrogate as of_layers

    theirs = [name for name, kind in inspect.getmembers(of_layers, inspect.isclass) if issubclass(kind, of_layers.Surrogate)]
    assert sorted(theirs) == sorted([kind.__name__ for kind in KINDS] + ["Surrogate"])


TESTED = [kind for kind in classes(rv.NeuronModel) if kind.spiked is not rv.NeuronModel.spiked]


@pytest.mark.parametrize("kind", TESTED, ids=lambda kind: kind.__name__)
def test_a_distance_is_that_of_the_test(kind):
    model = kind() if kind.__name__ != "ConductanceBased" else rv.neurons.HodgkinHuxley()
    with jax.enable_x64(True):
        state = {
            v: np.broadcast_to(np.asarray(x, float), 401)
            for v, x in rv.prepare(rv.Population(401, model)).state().neurons.popitem()[1].items()
        }
        rng = np.random.default_rng(0)
        before, after = ({v: x + rng.normal(0, 60, 401) for v, x in state.items()} for _ in range(2))
        flags = np.asarray(model.spiked(before, after))
        far = distance(model.spiked, before, after)
    if kind in (rv.neurons.Passive, rv.neurons.ThresholdLinearRate):  # they never spike
        assert far is None and not flags.any()
        return
    far = np.asarray(far)
    np.testing.assert_array_equal(far >= 0, flags)
    assert flags.any() and not flags.all() and np.isfinite(far).all()


class Divided(rv.neurons.LeakyIntegrateAndFire):
    """Base of none: it does not say how far it is."""

    def spiked(self, before, after):
        return jnp.floor(after["V"] / 1000.0) != -1.0


def test_what_a_surrogate_does_not_pass_through_is_refused_by_name():
    cells = rv.Population(2, rv.neurons.HodgkinHuxley(), current=10.0, name="cells")
    other = rv.Population(2, rv.neurons.HodgkinHuxley(), name="other")
    timed = rv.Projection(cells, other, rv.synapses.Cholinergic(), rv.connect.all_to_all(), weight=0.1, name="timed")
    sim = rv.prepare(rv.Network(cells, other, timed), dt=0.05)
    with jax.enable_x64(True), pytest.raises(rv.UnsupportedError, match=r"timed .* remembers of a spike only last_spike"):
        sim.function(10, surrogate=surrogates.FastSigmoid())({}, sim.state())
    sim = rv.prepare(rv.Population(1, Divided(), name="cells"), dt=0.1)
    with jax.enable_x64(True), pytest.raises(rv.UnsupportedError, match=r"Divided.spiked of cells compares no numbers"):
        sim.function(10, surrogate=surrogates.FastSigmoid())({}, sim.state())
    with pytest.raises(rv.ParameterError, match=r"surrogate is the class FastSigmoid.* Did you mean FastSigmoid\(\)"):
        sim.function(10, surrogate=surrogates.FastSigmoid)
    with pytest.raises(rv.UnknownNameError, match="gradient_memory"):
        sim.function(10, gradient_memory="little")


class WhoSpikes(rv.plasticity.Modulator):
    def release(self, memory, spiked, t):
        return memory, 0.1 * spiked["cells"].sum()


def test_what_learns_by_a_third_factor_of_spikes_or_along_the_dendrite_is_refused_by_name():
    sim = rv.prepare(network(plasticity=rv.plasticity.RewardModulatedSTDP(reward=WhoSpikes(), high=HIGH)), dt=DT)
    with jax.enable_x64(True), pytest.raises(rv.UnsupportedError, match=r"third factor of loop \(WhoSpikes\) looks at who spikes"):
        jax.eval_shape(sim.function(10, surrogate=surrogates.FastSigmoid()), {}, sim.state())
    late = rv.prepare(network(plasticity=rv.plasticity.PairSTDP(high=HIGH), dendritic_delay=0.3), dt=DT)
    with pytest.raises(rv.UnsupportedError, match="loop learns from spikes that go along the dendrite"):
        late.function(10, surrogate=surrogates.FastSigmoid())


def test_by_what_is_compared_with_the_time_no_gradient_is_taken():
    pulse = rv.stimuli.SquarePulse(1.0, start=0.5, stop=2.0)
    source = rv.Population(1, rv.neurons.SpikeTimes([1.0]), name="source")
    cell = rv.Population(1, rv.neurons.Passive(), current=pulse, name="cell")
    wire = rv.Projection(source, cell, rv.synapses.ExponentialConductance(), rv.connect.all_to_all(), weight=0.1, name="wire")
    sim = rv.prepare(rv.Network(source, cell, wire), dt=DT, integrator={"cell": rv.RungeKutta4()})
    assert [path for path in sim.parameters if ".current." in path] == ["cell.current.amplitude"]
    end = lambda start, path="cell.current.start": sim.function(30)({path: start}, sim.state())[0].neurons["cell"]["V"][0]
    with jax.enable_x64(True):
        for kind in (jax.grad, jax.jacfwd):
            with pytest.raises(rv.UnsupportedError, match="no derivative by when a current jumps"):
                jax.eval_shape(kind(end), 0.5)
            with pytest.raises(rv.UnsupportedError, match=r"source\.times has no derivative: it decides in which step"):
                jax.eval_shape(kind(lambda t: end(t, "source.times")), np.array([1.0]))
        found = jax.jit(jax.vmap(end))(jnp.array([0.5, 1.0]))
    for kind, how in (
        (rv.stimuli.Sampled, rv.RungeKutta4()),
        (rv.stimuli.Sampled, rv.ExponentialEuler()),
        (rv.stimuli.PublishedSampling, None),
    ):
        sampled = rv.prepare(
            rv.Population(1, rv.neurons.Passive(), current=kind([1.0, 2.0], every=0.5), name="cell"), dt=DT, integrator=how
        )
        assert [path for path in sampled.parameters if ".current." in path] == ["cell.current.values"]
        last = lambda every, sim=sampled: sim.function(30)({"cell.current.every": every}, sim.state())[0].neurons["cell"]["V"][0]
        with jax.enable_x64(True), pytest.raises(rv.UnsupportedError, match="no derivative by the time between a current's samples"):
            jax.eval_shape(jax.grad(last), 0.5)
    alone = [sim.run(3.0, parameters={"cell.current.start": x}).state.neurons["cell"]["V"][0] for x in (0.5, 1.0)]
    np.testing.assert_allclose(found, alone, rtol=1e-12)


def test_without_a_word_on_spikes_no_gradient_is_taken_through_them():
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells")
    sim = rv.prepare(cells, dt=DT)
    total = lambda current, **how: sim.function(5, **how)({"cells.current": current}, sim.state())[0].neurons["cells"]["V"].sum()
    with jax.enable_x64(True):
        for kind in (jax.grad, jax.jacfwd, lambda f: jax.grad(jax.jit(f))):
            with pytest.raises(rv.UnsupportedError, match=r"a spike of cells is there or not.* surrogate=rv.surrogates.FixedSpikes\(\)"):
                jax.eval_shape(kind(total), 300.0)
        # What asks for no derivative is free, and so is a model whose spikes do nothing.
        values = jnp.array([250.0, 300.0])
        np.testing.assert_allclose(
            jax.jit(jax.vmap(total))(values), jax.vmap(lambda c: total(c, surrogate=surrogates.FixedSpikes()))(values)
        )
        smooth = rv.prepare(rv.Population(1, rv.neurons.HodgkinHuxley(), current=1.0, name="cell"), dt=0.05)
        end = lambda current: smooth.function(5)({"cell.current": current}, smooth.state())[0].neurons["cell"]["V"].sum()
        jax.eval_shape(jax.grad(end), 1.0)
        noise = rv.Population(2, rv.neurons.PoissonSource(20.0), name="noise")
        passive = rv.Population(1, rv.neurons.Passive(), name="passive")
        wire = rv.Projection(noise, passive, rv.synapses.ExponentialConductance(), rv.connect.all_to_all(), weight=0.1, name="wire")
        drawn = rv.prepare(rv.Network(noise, passive, wire), dt=DT)
        by = lambda path: lambda x: drawn.function(5)({path: x}, drawn.state())[0].neurons["passive"]["V"].sum()
        jax.eval_shape(jax.grad(by("wire.weight")), 0.1)
        with pytest.raises(rv.UnsupportedError, match="a spike of noise is there or not"):
            jax.eval_shape(jax.grad(by("noise.rate")), 20.0)
