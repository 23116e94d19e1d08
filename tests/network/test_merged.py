"""Continuous projections of one kind are computed as one: as each alone, by a program whose size is that of the kinds."""

import jax
import numpy as np

import ranvier as rv
from ranvier.network import merged

S = rv.synapses


def network(copies=1):
    """Projections from neurons and edges, onto one and two populations, of small and large matrices, with and without spikes."""
    cells = [rv.Population(n, rv.neurons.WangBuzsaki(), current=2.0, name=f"c{i}") for i, n in enumerate((2, 3))]
    others = [rv.Population(n, rv.neurons.Passive(), current=2.0, name=f"o{i}") for i, n in enumerate((2, 20))]
    kinds = {
        "graded": [(pre, post, S.GradedGABA(), 0.5, "source") for pre in cells for post in (cells[0], [cells[1], others[1]])],
        "dense": [(others[1], others[1], S.GradedGABA(), 1.0, "source") for _ in range(4)],
        "gaps": [(pre, post, S.GapJunction(), 0.5, "source") for pre in cells for post in cells],
        "graded edges": [(pre, post, S.GradedGABA(), 0.5, "edge") for pre in cells for post in cells],
        "spikes": [(pre, post, S.AlphaConductance(tau=2.0), 0.5, "edge") for pre in cells for post in (cells[0], others[1])],
    }
    wires = [
        rv.Projection(
            *(pre, post, synapse),
            rv.connect.pairwise_bernoulli(p) if p < 1 else rv.connect.all_to_all(),
            weight=rv.uniform(0.001, 0.004) if kind == "dense" else 0.002 * (1 + i),
            delay=0.5 if kind == "spikes" else 0.0,
            site=site,
            name=f"{kind} {i}{'x' * copy}",
        )
        for copy in range(copies)
        for kind, own in kinds.items()
        for i, (pre, post, synapse, p, site) in enumerate(own)
    ]
    return rv.Network(*cells, *others, *wires)


RECORDED = [rv.Record("graded 1", "current"), rv.Record("gaps 1", "conductance"), rv.Record("graded edges 2", "open"), rv.Record("c1", "V")]
NAMES = [("graded 1", "current"), ("gaps 1", "conductance"), ("graded edges 2", "open"), ("c1", "V")]


def outcome(monkeypatch, merge_from):
    monkeypatch.setattr(merged, "MERGE_FROM", merge_from)
    sim = rv.prepare(network(), dt=0.05, integrator=rv.ExponentialEuler(), record=RECORDED)
    return sim, sim.run(20.0, seed=3)


def test_as_each_alone(monkeypatch):
    apart, alone = outcome(monkeypatch, 10**9)
    sim, together = outcome(monkeypatch, 4)
    assert len(sim.explain().projections) == 20
    assert len(together.spikes) > 8
    np.testing.assert_array_equal(together.spikes.steps, alone.spikes.steps)
    for mine, theirs in zip(jax.tree.leaves(together.state), jax.tree.leaves(alone.state), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    for part, variable in NAMES:
        mine, theirs = (getattr(run[part], variable).values for run in (together, alone))
        assert mine.shape == theirs.shape
        assert np.abs(theirs).max() > 0
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)

    # It goes on from a state of the other layout, and with other numbers, in the order of the user.
    changes = {"graded 1.weight": 0.02, "gaps 3.weight": 0.0, "spikes 1.tau": 4.0, "dense 2.weight": 0.003}
    ends = [s.run(5.0, initial=alone.state, parameters=changes).state for s in (sim, apart)]
    for mine, theirs in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


def test_derivatives_are_those_of_each_alone(monkeypatch):
    cells = [rv.Population(n, rv.neurons.Passive(), initial={"V": -50.0 - 5.0 * n}, name=f"c{n}") for n in (2, 3)]
    pairs = [(pre, post) for pre in cells for post in cells]
    gaps = [rv.Projection(*pair, S.GapJunction(), rv.connect.all_to_all(), name=f"gaps {i}") for i, pair in enumerate(pairs)]
    changed = {"gaps 1.weight": 0.02, "gaps 2.weight": 0.03}
    found = []
    for merge_from in (4, 10**9):
        monkeypatch.setattr(merged, "MERGE_FROM", merge_from)
        with jax.enable_x64(True):
            sim = rv.prepare(rv.Network(*cells, *gaps), dt=0.05)
            step, state = sim.function(surrogate=rv.surrogates.FixedSpikes()), sim.state()
            last = lambda changes, step=step, state=state: step(changes, state).neurons["c3"]["V"].sum()
            found.append({path: float(slope) for path, slope in jax.jit(jax.grad(last))(changed).items()})
    assert all(abs(slope) > 1e-6 for slope in found[0].values())
    for path in changed:
        np.testing.assert_allclose(found[0][path], found[1][path], rtol=1e-9)


def test_the_program_is_of_the_size_of_the_kinds():
    def equations(copies):
        sim = rv.prepare(network(copies), dt=0.05, integrator=rv.ExponentialEuler())
        with jax.enable_x64(True):
            return str(jax.make_jaxpr(sim.function())(sim.parameters, sim.state())).count(" = ")

    # What takes the state in and out goes part by part.
    once, thrice = equations(1), equations(3)
    assert thrice < 1.3 * once, (once, thrice)
