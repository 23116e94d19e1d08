"""Exact derivatives of spike times, against finite differences of an event-driven simulation in double precision that knows no steps."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

import ranvier as rv
from ranvier.surrogates import FastSigmoid, SpikeTimes

DT, DURATION, MOST = 0.1, 60.0, 8
SOURCE = np.array([3.0, 12.0])  # ms


def event_driven(p, spikes, lags, of_sources):
    """When neurons of a network spike, by events: closed forms between them, crossings to the last bit.

    Args:
        p: capacitance, leak, rest, threshold, reset, current, refractory and V `[n]`, i `[n, kinds]`, tau `[kinds]`, and edges as
            lists of (pre, post, kind, weight, delay); the sources' edges have pre below 0.
        spikes: how many of each neuron's are wanted.
        lags: how much later than its crossing a neuron's spike acts, `[n, most]`; `of_sources` those of given spikes.
    """
    n = len(p["V"])
    a, gain = p["leak"] / p["capacitance"], 1 / p["capacitance"]
    drive = (p["leak"] * p["rest"] + p["current"]) / p["capacitance"]
    V, i, now = p["V"].copy(), p["i"].copy(), np.zeros(n)
    free = np.zeros(n)
    arrivals = sorted((t + of_sources + d, post, kind, w) for pre, post, kind, w, d in p["edges"] if pre < 0 for t in SOURCE)
    times = [[] for _ in range(n)]

    def at(j, t):
        s = np.asarray(t - now[j])
        keep, decays = np.exp(-a[j] * s), np.exp(-s[..., None] / p["tau"])
        kernel = (keep[..., None] - decays) / (1 / p["tau"] - a[j])
        return V[j] * keep + drive[j] / a[j] * (1 - keep) + gain[j] * (i[j] * kernel).sum(-1), i[j] * decays

    def go(j, t):
        """Takes one neuron to a time, in which it gets no input and does not spike."""
        if now[j] < free[j]:
            stop = min(t, free[j])
            i[j] *= np.exp(-(stop - now[j]) / p["tau"])
            now[j] = stop
        if t > now[j]:
            V[j], i[j] = at(j, t)
            now[j] = t

    while min(map(len, times)) < min(spikes) or any(len(t) < s for t, s in zip(times, spikes, strict=True)):
        until = arrivals[0][0] if arrivals else DURATION
        first = (until, -1)
        for j in range(n):
            begin = max(now[j], free[j])
            if begin >= first[0]:
                continue
            if begin > now[j]:
                go(j, begin)
            grid = np.linspace(begin, first[0], 200)
            above = at(j, grid)[0] - p["threshold"][j]
            found = np.flatnonzero((above[1:] >= 0) & (above[:-1] < 0))
            if len(found):
                t = brentq(lambda t, j=j: at(j, t)[0] - p["threshold"][j], grid[found[0]], grid[found[0] + 1], xtol=1e-14, rtol=1e-15)
                first = min(first, (t, j))
        t, j = first
        if j < 0:
            if not arrivals:
                break
            _, post, kind, w = arrivals.pop(0)
            go(post, t)
            i[post, kind] += w
            continue
        lag = lags[j, len(times[j])] if len(times[j]) < lags.shape[1] else 0.0
        times[j].append(t)
        go(j, t)
        V[j], free[j] = p["reset"][j], t + lag + p["refractory"][j]
        arrivals = sorted([*arrivals, *((t + lag + d, post, kind, w) for pre, post, kind, w, d in p["edges"] if pre == j)])
    return times


def flat(p):
    """As the reference takes it, from numbers by the engine's paths."""
    n = len(p["V"])
    of = {name.partition(".")[2]: np.broadcast_to(value, (n,)).astype(float) for name, value in p.items() if name.startswith("cells.")}
    edges = []
    for name, kind in (("fast", 0), ("slow", 1), ("given", 0)):
        if f"{name}.weight" in p:
            for (pre, post), w, d in zip(
                EDGES[name], p[f"{name}.weight"], np.broadcast_to(p[f"{name}.delay"], len(EDGES[name])), strict=True
            ):
                edges.append((-1 if name == "given" else pre, post, kind, w, d))
    tau = np.array([p["fast.tau"], p["slow.tau"]])
    return {**of, "V": p["V"], "i": p["i"], "tau": tau, "edges": edges, "refractory": np.full(n, 2.0)}


EDGES = {"fast": [(0, 1), (1, 2), (2, 0), (0, 2)], "slow": [(2, 1), (1, 0)], "given": [(0, 0), (0, 2)]}


def network(dt):
    model = rv.neurons.LeakyIntegrateAndFire(
        capacitance=np.array([200.0, 180.0, 230.0]), leak=np.array([10.0, 9.0, 11.0]), rest=-60, threshold=-50, reset=-58, refractory=2.0
    )
    cells = rv.Population(3, model, current=np.array([160.0, 95.0, 90.0]), initial={"V": np.array([-52.0, -57.0, -60.0])}, name="cells")
    source = rv.Population(1, rv.neurons.SpikeTimes(SOURCE), name="source")
    kinds = {"fast": rv.synapses.ExponentialCurrent(tau=3.0), "slow": rv.synapses.ExponentialCurrent(tau=8.0)}
    wires = []
    # No spike arrives at the very moment at which its target comes out of its refractory period: there is a kink.
    weights = {"fast": [260.0, 310.0, 70.0, 150.0], "slow": [-35.0, -60.0], "given": [90.0, 240.0]}
    delays = {"fast": [1.5, 0.7, 2.2, 3.1], "slow": 1.3, "given": 0.3}
    for name, pairs in EDGES.items():
        start = cells if name != "given" else source
        rule = rv.connect.edge_list(*np.array(pairs).T)
        kind = kinds.get(name, rv.synapses.ExponentialCurrent(tau=3.0))
        wires.append(rv.Projection(start, cells, kind, rule, weight=np.array(weights[name]), delay=delays[name], name=name))
    return rv.prepare(rv.Network(cells, source, *wires), dt=dt)


def numbers_of(sim):
    p = {path: np.asarray(value, float) for path, value in sim.parameters.items() if not path.startswith("source")}
    p["fast.delay"], p["slow.delay"], p["given.delay"] = np.array([1.5, 0.7, 2.2, 3.1]), np.array(1.3), np.array(0.3)
    return p


@pytest.fixture(scope="module")
def recurrent():
    """A network, its spike times, and their derivative by everything, weighted at random."""
    return differentiated(network(DT))


def differentiated(sim):
    state, p = sim.state(), numbers_of(sim)
    share = np.random.default_rng(0).normal(size=(3, MOST))
    with jax.enable_x64(True):
        run = sim.function(round(DURATION / sim.dt), surrogate=SpikeTimes(MOST))

        def loss(p, V):
            times = run(p, dataclasses.replace(state, neurons={**state.neurons, "cells": {"V": V}}))[1]["cells"]["times"]
            return jnp.where(jnp.isfinite(times), times * share, 0.0).sum(), times

        (_, times), slopes = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(p, state.neurons["cells"]["V"])
    by, of_V = jax.tree.map(np.asarray, slopes)
    by["fast.tau"] = by["fast.tau"] + by.pop("given.tau")  # one and the same, for the reference
    return sim, p, share, np.asarray(times), {**by, "V": of_V}


def reference(sim, p, share, times, lags, of_sources):
    """The times by events, and their weighted sum."""
    V = p.get("V", sim.state().neurons["cells"]["V"])
    counts = np.isfinite(times).sum(1)
    found = event_driven(flat({**p, "V": V, "i": np.zeros((3, 2))}), counts, lags, of_sources)
    found = [np.array(own[:count]) for own, count in zip(found, counts, strict=True)]
    return found, sum((own * mine[: len(own)]).sum() for own, mine in zip(found, share, strict=True))


def test_times_and_derivatives_are_those_by_events(recurrent):
    sim, p, share, times, slopes = recurrent
    some = np.where(np.isfinite(times), times, 0.0)
    lags = np.ceil(some / DT - 1e-9) * DT - some  # what the engine's spikes do comes at the ends of steps
    found, _ = reference(sim, p, share, times, lags, DT)
    assert sum(map(len, found)) > 6
    for own, theirs in zip(found, times, strict=True):
        np.testing.assert_allclose(theirs[: len(own)], own, rtol=0, atol=1e-11)
    in_steps = sim.run(DURATION)["cells"].spikes
    np.testing.assert_array_equal(np.sort(np.floor(times[np.isfinite(times)] / DT)), np.sort(in_steps.steps))
    rng = np.random.default_rng(1)
    for path, slope in slopes.items():
        value = p[path] if path != "V" else sim.state().neurons["cells"]["V"]
        towards, width = rng.normal(size=np.shape(value)), 1e-5 * max(1.0, np.abs(value).max())
        sides = [reference(sim, {**p, path: value + sign * width * towards}, share, times, lags, DT)[1] for sign in (1, -1)]
        expected = (sides[0] - sides[1]) / (2 * width)
        assert (slope * towards).sum() == pytest.approx(expected, rel=1e-5, abs=1e-7), path
        assert abs(expected) > 1e-4, path


def test_towards_shorter_steps_they_are_those_without_steps(recurrent):
    errors = []
    for sim, p, share, times, slopes in (recurrent, differentiated(network(DT / 10))):
        lags = np.zeros_like(times)
        towards = {path: np.random.default_rng(2).normal(size=np.shape(p[path])) * np.abs(p[path]) * 1e-6 for path in slopes if path != "V"}
        sides = [
            reference(sim, {**p, **{path: p[path] + sign * x for path, x in towards.items()}}, share, times, lags, 0.0)[1]
            for sign in (1, -1)
        ]
        found = sum((slopes[path] * x).sum() for path, x in towards.items())
        errors.append(abs(found / ((sides[0] - sides[1]) / 2) - 1))
    assert errors[1] < errors[0] / 5 < 0.1  # late spikes of this network are sensitive


def test_what_is_kept_grows_with_spikes_and_not_with_steps():
    cells = rv.Population(20, rv.neurons.LeakyIntegrateAndFire(), current=np.linspace(250.0, 400.0, 20), name="cells")
    loop = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), rv.connect.all_to_all(), weight=1.0, delay=1.0, name="loop")
    sim = rv.prepare(rv.Network(cells, loop), dt=0.1)
    state = sim.state()

    def kept(steps, surrogate):
        def total(weight):
            recorded = sim.function(steps, surrogate=surrogate)({"loop.weight": weight}, state)[1]
            return recorded["cells"].get("times", recorded["cells"].get("spikes")).sum()

        with jax.enable_x64(True):
            back = jax.eval_shape(lambda w: jax.vjp(total, w)[1], jnp.asarray(1.0))
        return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(back))

    few, longer, more = kept(500, SpikeTimes(10)), kept(5000, SpikeTimes(10)), kept(500, SpikeTimes(20))
    assert few == longer
    each = 4 + 8 * (2 + 3)  # a step; the moment, the speed; the slopes by the leak, the time constant and the last spike
    assert more - few == 20 * 10 * each
    assert kept(5000, FastSigmoid()) > 2 * kept(500, FastSigmoid()) > 2 * few


def test_a_batch_is_the_runs_one_by_one_and_what_cannot_be_known_is_not_a_number(recurrent):
    sim, _, share, times, slopes = recurrent
    steps, state = round(DURATION / DT), sim.state()
    with jax.enable_x64(True):
        run = lambda w, d, most: sim.function(steps, surrogate=SpikeTimes(most))({"slow.weight": w, "given.delay": d}, state)[1]["cells"]

        def loss(w):
            found = run(w, 0.3, MOST)["times"]
            return jnp.where(jnp.isfinite(found), found * share, 0.0).sum(), found

        weights = jnp.array([[-35.0, -60.0], [-30.0, -50.0]])
        batch, found = jax.jit(jax.vmap(jax.grad(loss, has_aux=True)))(weights)
        few = jax.jit(lambda w, d: run(w, d, 2)["times"])
        short, late, other = few(weights[0], 0.3), few(weights[0], 0.4), few(weights[1], 0.3)
    np.testing.assert_allclose(found[0], times, rtol=1e-12)
    np.testing.assert_allclose(batch[0], slopes["slow.weight"], rtol=1e-9)
    np.testing.assert_allclose(found[1][:, 0], other[:, 0], rtol=1e-12)
    # Neuron 0 has a third spike, for which there is no room: what comes after it is not known.
    third = times[0, 2]
    np.testing.assert_array_equal(np.isnan(short), np.isfinite(times[:, :2]) & (times[:, :2] > third))
    assert np.isnan(short).any()
    assert np.isnan(late).all()  # the network has another delay


def test_what_has_no_exact_spike_times_is_refused_by_name():
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells")

    def refused(what, match, **how):
        with pytest.raises(rv.UnsupportedError, match=match):
            rv.prepare(what, dt=0.1, **how).function(10, surrogate=SpikeTimes())

    refused(rv.Population(1, rv.neurons.HodgkinHuxley(), name="hh"), r"hh is a HodgkinHuxley; .* surrogate=rv.surrogates.FastSigmoid\(\)")
    refused(rv.Population(1, cells.model, current=rv.stimuli.SquarePulse(1.0, 0, 1), name="pulsed"), "current of pulsed is a SquarePulse")
    refused(cells, r"goes with rv.ExactLinear\(\).* cells has RungeKutta4", integrator=rv.RungeKutta4())
    refused(cells, r"record=\[\]", record=[rv.Record(cells, "V")])
    wire = lambda synapse, **how: rv.Network(cells, rv.Projection(cells, cells, synapse, rv.connect.all_to_all(), name="wire", **how))
    refused(wire(rv.synapses.AlphaCurrent()), "wire is of AlphaCurrent; it must be ExponentialCurrent")
    refused(wire(rv.synapses.ExponentialCurrent(), short_term_plasticity=rv.synapses.TsodyksMarkram()), "wire has short-term plasticity")
    refused(rv.Network(cells, rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(), rate=1.0, name="drive")), "drive is a PoissonInput")
    sim = rv.prepare(wire(rv.synapses.ExponentialCurrent(), weight=1.0, delay=1.0), dt=0.1)
    with pytest.raises(rv.ParameterError, match="say how many steps"):
        sim.function(surrogate=SpikeTimes())
    with jax.enable_x64(True):
        function = sim.function(200, surrogate=SpikeTimes())
        state = sim.state()
        with pytest.raises(rv.UnsupportedError, match="without spikes in the last steps"):
            function({}, dataclasses.replace(state, in_flight={"cells": ~state.in_flight["cells"]}))
        end = lambda w: function({"wire.weight": w}, state)[0].neurons["cells"]["V"].sum()
        with pytest.raises(rv.UnsupportedError, match="derivatives of spike times alone"):
            jax.eval_shape(jax.grad(end), 1.0)
