"""Neurapse's plastic random network: its code in one loop, sample by sample, and Ranvier beside the same loop with its order of events."""

import numpy as np
import pytest

from tests.reproduces import record_reproduction

from .neurapse_plastic import EXCITATORY, Wiring, by_hand, run


@pytest.fixture(scope="module")
def reference(published):
    return published("neurapse_plastic")


def split(spikes):
    return np.bincount([neuron >= EXCITATORY for _, neuron in spikes]).tolist()


def test_the_loop_is_the_published_code(reference):
    """All 1551 spikes at their samples, and the mean weight of every hundredth step to the last digits."""
    wiring = Wiring.of(reference)
    spikes, weights, means = by_hand(wiring)
    assert sorted(spikes) == sorted(zip(reference["spk_idx"].tolist(), reference["spk_neuron"].tolist(), strict=True))
    np.testing.assert_allclose(means[::100], reference["avg_weights"], rtol=1e-14)
    there = wiring.weight != 0
    np.testing.assert_allclose(weights[there], reference["w_final"][there], rtol=1e-13)


def test_ranvier_is_the_loop_with_events_at_arrivals(reference):
    """Weights that are read and weakened where a spike arrives, and kernels that do not end: every spike, and every weight."""
    wiring = Wiring.of(reference)
    spikes, weights, means = by_hand(wiring, at_arrival=True, ends=False)
    ours = run(wiring)
    samples = sorted((int(k) + 1, int(i)) for k, i in zip(ours.spikes.steps, ours.spikes.neurons, strict=True))
    assert [s for s in samples if s[0] < 5000] == sorted(spikes)
    drawn = np.zeros_like(weights)
    for name in ours.network.projections:
        if name.startswith("drawn"):
            edges = ours.edges(name)
            drawn[edges.pre, edges.post] = np.abs(edges.weight)
    excitatory = wiring.weight > 0
    np.testing.assert_allclose(drawn[excitatory], weights[excitatory], rtol=1e-10)
    mean = (drawn * wiring.times).sum() / wiring.times[:EXCITATORY].sum()
    record_reproduction(
        "Neurapse: plastic random network",
        "Neurapse (github.com/udion/Neurapse), a loop that is its code sample by sample, with weights read and weakened at arrivals",
        "spikes of the excitatory and the inhibitory neurons; mean weight after 500 ms",
        [*split(spikes), round(means[-1], 3)],
        [*split([s for s in samples if s[0] < 5000]), round(mean, 3)],
        0.002,
    )
