"""The decision network of Wang 2002: rates beside Brian2's, and which pool wins."""

import json
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

PAPER = "Wang 2002, Neuron 36:955"
HOW = {"dt": 0.1}
BRIAN2 = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "wang2002_brian2.json").read_text(encoding="utf-8"))["runs"]


def brian2(population, window):
    """Brian2's rates, a seed each; of the pools late in the stimulus the winner's."""
    undecided = [run["rates (Hz)"] for run in BRIAN2 if run["coherence"] == 0.0]
    if population == "winner":
        return np.array([max(rates["A"][window], rates["B"][window]) for rates in undecided])
    return np.array([rates[population][window] for rates in undecided])


@pytest.fixture(scope="module")
def decided():
    """The published size, once: without coherence, until the end of the stimulus."""
    return rv.simulate(rv.models.wang(seed=1), duration=1500.0, seed=1, **HOW)


def test_rates_are_within_the_scatter_of_brian2(decided):
    """Of six seeds of Brian2's; four standard deviations of its seeds, as one seed here is one more draw."""
    rates = lambda begin, end: {p: decided[p].spikes.between(begin, end).rate.mean() for p in ("A", "B", "others", "inh")}
    before, late = rates(200.0, 500.0), rates(1300.0, 1500.0)
    late["winner"] = max(late["A"], late["B"])
    for population, window, when, found in (
        ("others", 0, "before the stimulus", before),
        ("inh", 0, "before the stimulus", before),
        ("others", 1, "late in it", late),
        ("inh", 1, "late in it", late),
    ):
        scatter = brian2(population, window)
        record_reproduction(
            "Wang 2002",
            f"{PAPER}, beside Brian2 2.x on the same network (benchmarks/peers/wang2002_brian2.py)",
            f"rate of {population} {when}",
            scatter.mean(),
            found[population],
            4 * scatter.std(ddof=1),
            "Hz",
        )
    scatter = brian2("winner", 1)
    assert 0.4 * scatter.min() < late["winner"] < 2.5 * scatter.max()


def test_the_stronger_stimulus_wins_and_the_decision_may_be_either():
    """51.2 % for the one, then for the other; the weaker pool is silenced."""
    for sign, winner, loser in ((1, "A", "B"), (-1, "B", "A")):
        net = rv.models.wang(coherence=51.2 * sign, seed=1, start=300.0, stop=1000.0)
        run = rv.simulate(net, duration=1000.0, seed=2, **HOW)
        rate = lambda pool, run=run: run[pool].spikes.between(800.0, 1000.0).rate.mean()
        assert rate(winner) > 6.0
        assert rate(winner) > 2.5 * rate(loser)


def test_the_sum_over_all_sources_is_that_over_the_edges():
    """Where every source reaches every target with one weight a target it is made once; else by a matrix, and alike to rounding."""
    cells = rv.Population(80, rv.neurons.LeakyIntegrateAndFire(), current=rv.uniform(350.0, 450.0), name="cells")
    weight = np.linspace(0.0, 0.05, 80)[:, None]
    by = lambda weight: rv.Network(
        cells, rv.Projection(cells, cells, rv.synapses.SaturatingNMDA(), rv.connect.all_to_all(), weight=weight, name="nmda")
    )
    almost = np.broadcast_to(weight, (80, 80)) * np.where(np.eye(80), 1 + 1e-12, 1.0)
    once, matrix = (rv.simulate(by(w), duration=50.0, dt=0.1).state.neurons["cells"]["V"] for w in (weight, almost))
    np.testing.assert_allclose(once, matrix, rtol=1e-6)
    assert "one sum for all targets" in str(rv.explain(by(weight)))
    assert "matrix" in str(rv.explain(by(almost)))
