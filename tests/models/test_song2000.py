"""Song, Miller and Abbott's neuron (2000): synapses compete, and those that fire together win."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from ranvier.models.song2000 import STRONGEST
from tests.reproduces import record_reproduction

PAPER = "Song, Miller & Abbott 2000, Nat Neurosci 3:919"
HOW = {"dt": 0.5, "seed": 1, "integrator": rv.ExponentialEuler()}


def test_weights_become_bimodal():
    """From a uniform distribution, where a fifth is within a tenth of an edge."""
    run = rv.simulate(rv.models.song_miller_abbott(), duration=400_000.0, **HOW)
    weight = run.edges("apart→cell").weight / STRONGEST
    share = np.mean((weight < 0.1) | (weight > 0.9))
    record_reproduction(
        "Competing synapses",
        f"{PAPER}, figure 2: most weights are at the edges",
        "share of the weights within a tenth of an edge (after 400 s)",
        0.8,
        share,
        0.2,
    )
    counts = np.histogram(weight, 10, (0.0, 1.0))[0]
    assert min(counts[0], counts[-1]) > 3 * counts[3:7].max()


def test_inputs_that_fire_together_win():
    run = rv.simulate(rv.models.song_miller_abbott(correlation=0.5), duration=40_000.0, **HOW)
    together, apart = (run.edges(f"{name}→cell").weight / STRONGEST for name in ("together", "apart"))
    source = f"{PAPER}, figure 5: the correlated inputs are strong, the others weak"
    record_reproduction("Competing synapses", source, "mean weight of the correlated inputs, of the strongest", 1.0, together.mean(), 0.15)
    assert apart.mean() < 0.35 and np.quantile(together, 0.1) > np.quantile(apart, 0.8)


def test_its_inputs():
    net = rv.models.song_miller_abbott(rate=12.0, correlation=0.3, seed=4)
    assert [p.n for p in net.populations.values()] == [500, 500, 200, 1]
    rates = np.asarray(net.populations["together"].model.rate.values)
    assert rates.mean() == pytest.approx(12.0, rel=0.02) and rates.std() == pytest.approx(3.6, rel=0.02)
    rule = net.projections["apart→cell"].plasticity
    assert rule.depression == pytest.approx(1.05 * rule.potentiation)
    with pytest.raises(ParameterError, match="correlation"):
        rv.models.song_miller_abbott(correlation=-0.1)
