"""A network of stellate cells (Acker, Kopell & White 2003)."""

import numpy as np

import ranvier as rv
from tests.reproduces import record_reproduction


def in_step(trains, begin, end):
    """How far the cells are in step, 0 to 1: the mean length of the mean of their phases."""
    times = np.arange(begin, end, 25.0)
    phases = []
    for train in trains:
        i = np.searchsorted(train, times, side="right") - 1
        assert i.min() >= 0 and i.max() + 1 < len(train)
        phases.append((times - train[i]) / (train[i + 1] - train[i]))
    return abs(np.exp(2j * np.pi * np.array(phases)).mean(axis=0)).mean()


def test_stellate_cells_fall_into_step_at_theta():
    coupled, alone = (
        rv.simulate(rv.models.stellate_cells(weight=w), duration=4000.0, dt=0.05, seed=1)["stellate"].spikes for w in (0.01, 0.0)
    )
    assert in_step(alone.trains, 3000.0, 3800.0) < 0.4
    paper = "Acker, Kopell & White 2003, J Comput Neurosci 15:71: excitatory stellate cells synchronise at theta"
    record_reproduction(
        "Stellate cell: a network of 20", paper, "cells in step, 1 is all", 1.0, in_step(coupled.trains, 3000.0, 3800.0), 0.02
    )
    record_reproduction(
        "Stellate cell: a network of 20",
        paper,
        "rate in step, theta is 4 to 12",
        8.0,
        coupled.between(2000.0, 4000.0).rate.mean(),
        4.0,
        "Hz",
    )
