"""A small network that learns, and what its weights must be, event by event."""

from __future__ import annotations

import numpy as np

import ranvier as rv

DT, SOURCES, CELLS = 0.1, 12, 3
HOW = {"duration": 200.0, "dt": DT, "seed": 5}


def trains(n=SOURCES, spikes=60):
    rng = np.random.default_rng(3)
    return [np.sort(rng.choice(np.arange(1, 2000), spikes, replace=False)) * DT for _ in range(n)]


def network(rule, *, weight=None, sign=1.0, more=(), **options):
    source = rv.Population(SOURCES, rv.neurons.SpikeTimes.of_trains(trains()), name="source")
    cells = rv.Population(CELLS, rv.neurons.LeakyIntegrateAndFire(refractory=0.5), current=450.0, name="cells")
    given = rv.uniform(min(2.0 * sign, 8.0 * sign), max(2.0 * sign, 8.0 * sign)) if weight is None else weight
    wire = rv.Projection(
        source,
        cells,
        rv.synapses.ExponentialCurrent(tau=3.0),
        rv.connect.pairwise_bernoulli(0.6),
        weight=given,
        plasticity=rule,
        name="wire",
        **{"delay": rv.uniform(0.0, 3.0), **options},
    )
    return rv.Network(*more, source, cells, wire)


def steps_of(run, population, neuron):
    first, _ = run.spikes.populations[population]
    return run.spikes.steps[run.spikes.neurons == first + neuron]


def events(run, edges, j, source="source"):
    """Arrivals and spikes of the target of one edge, in steps."""
    arrivals = steps_of(run, source, edges.pre[j]) + round(float(edges.delay[j]) / DT)
    return arrivals[arrivals < round(run.spikes.stop / DT)], steps_of(run, "cells", edges.post[j])


def by_hand(run, before, at_arrival, at_target, low=0.0, high=10.0, source="source", back=0):
    """Every weight from the spikes alone.

    `at_arrival(weight, ages of the arrivals before, ages of the target's spikes before)`, in ms, gives the change, and so does `at_target`.
    The target's spikes are back at the synapse after `back` steps.
    """
    weights = before.weight.copy()
    for j in range(len(weights)):
        arrivals, spikes = events(run, before, j, source)
        spikes = spikes[spikes + back < round(run.spikes.stop / DT)] + back
        for t, kind in sorted([(t, 0) for t in arrivals] + [(t, 1) for t in spikes]):
            ages = (t - arrivals[arrivals < t + kind]) * DT, (t - spikes[spikes < t]) * DT
            weights[j] = np.clip(weights[j] + (at_target if kind else at_arrival)(weights[j], *ages), low, high)
    return weights
