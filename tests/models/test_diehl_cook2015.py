"""Neurons that compete for digits (after Diehl & Cook 2015): no label is used until they have learnt."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from ranvier.models.diehl_cook2015 import EACH, TOTAL, answers
from tests.reproduces import record_reproduction

sklearn_datasets = pytest.importorskip("sklearn.datasets")
NEURONS, TESTED = 400, 360


def shown(images, seed, **learnt):
    run = rv.simulate(
        rv.models.diehl_cook(images, NEURONS, **learnt), duration=len(images) * EACH, dt=1.0, seed=seed, integrator=rv.ExponentialEuler()
    )
    return run, answers(run, len(images))


@pytest.mark.filterwarnings("ignore:.*rate of.*spikes a step")
def test_they_learn_the_digits():
    """Three times through 1437 images; then weights stay, each neuron is given the digits that it answers to, and 360 others are read."""
    digits = sklearn_datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(digits.data))
    images, labels = digits.data[order], digits.target[order]
    train, test = slice(TESTED, None), slice(None, TESTED)
    learnt = {}
    for epoch in range(3):
        run, _ = shown(images[train], epoch, learning_rate=0.05 * 0.7**epoch, **learnt)
        weight, edges = np.zeros((NEURONS, 64)), run.edges("pixels→neurons")
        weight[edges.post, edges.pre] = edges.weight
        learnt = {"weight": weight, "shift": np.asarray(run.state.neurons["neurons"]["shift"])}
    assert np.allclose(weight.sum(axis=1), TOTAL, rtol=0.05)
    _, known = shown(images[train], 100, learning_rate=0.0, **learnt)
    to_digits = np.array([known[labels[train] == digit].mean(axis=0) for digit in range(10)])  # [digits, neurons]
    to_digits /= np.maximum(to_digits.sum(axis=0), 1e-9)
    _, new = shown(images[test], 101, learning_rate=0.0, **learnt)
    right = np.mean((new @ to_digits.T).argmax(axis=1) == labels[test])
    source = "Diehl & Cook 2015, Front Comput Neurosci 9:99 (MNIST: 0.83 with 100 neurons, 0.91 with 1600)"
    record_reproduction("Competing neurons", source, "share of scikit-learn's digits that 400 neurons read", 0.9, right, 0.05)


def test_bad_input():
    with pytest.raises(ParameterError, match="each image needs a pixel"):
        rv.models.diehl_cook(np.zeros((2, 4)))
    with pytest.raises(ParameterError, match="weight has the shape"):
        rv.models.diehl_cook(np.eye(4), 3, weight=np.ones((4, 3)))
    with pytest.raises(ParameterError, match="Give it one"):
        rv.plasticity.PostsynapticSTDP()
