"""The scenes that have a name, and a current that shows what each public neuron does."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ranvier import neurons, plasticity, stimuli, synapses
from ranvier.lab.scene import Scene, scene


@dataclasses.dataclass(frozen=True)
class Entry:
    """How a class is shown: with which current, for how long, at which step (ms)."""

    name: str
    current: float
    duration: float = 200.0
    dt: float = 0.025


NEURONS = {
    "AdaptiveExponentialIntegrateAndFire": Entry("adex", 1000.0, 300.0, 0.05),
    "AdaptiveThresholdIntegrateAndFire": Entry("adaptive-threshold", 300.0, 300.0, 0.1),
    "BazhenovNeuron": Entry("bazhenov", 10.0, 200.0, 0.01),
    "ConnorStevens": Entry("connor-stevens", 10.0, 200.0, 0.01),
    "EscapeNoiseIntegrateAndFire": Entry("escape-noise", 110.0, 500.0, 0.1),
    "ExponentialIntegrateAndFire": Entry("eif", 1.0, 300.0, 0.05),
    "FitzHughNagumo": Entry("fitzhugh-nagumo", 0.5, 300.0, 0.05),
    "GeneralizedIntegrateAndFire": Entry("gif", 400.0, 500.0, 0.1),
    "HindmarshRose": Entry("hindmarsh-rose", 3.0, 1000.0, 0.05),
    "HodgkinHuxley": Entry("hh", 10.0),
    "Izhikevich2003": Entry("izhikevich", 10.0, 500.0, 0.1),
    "Izhikevich2007": Entry("izhikevich-2007", 100.0, 500.0, 0.1),
    "LeakyIntegrateAndFire": Entry("lif", 300.0, 200.0, 0.1),
    "LocalNeuron": Entry("local-neuron", 5.0, 300.0, 0.01),
    "MorrisLecar": Entry("morris-lecar", 100.0, 500.0, 0.05),
    "NoisyIntegrateAndFire": Entry("noisy", 95.0, 500.0, 0.1),
    "Passive": Entry("passive", 1.0, 200.0, 0.05),
    "ProjectionNeuron": Entry("projection-neuron", 5.0, 300.0, 0.01),
    "QuadraticIntegrateAndFire": Entry("qif", 200.0, 300.0, 0.1),
    "TraubMiles": Entry("traub-miles", 2.0, 200.0, 0.01),
    "WangBuzsaki": Entry("wang-buzsaki", 1.0, 200.0, 0.01),
}
_OTHERS = Entry("", 10.0, 200.0, 0.025)


def of_neuron(model: Any, title: str | None = None) -> Scene:
    """The scene of a neuron model, with a current that suits its class."""
    entry = NEURONS.get(type(model).__name__, _OTHERS)
    pulse = (
        stimuli.SquarePulse(entry.current, start=0.1 * entry.duration, stop=0.9 * entry.duration)
        if model.takes_input and model.takes_current
        else None
    )
    return scene(model, current=pulse, duration=entry.duration, dt=entry.dt, title=title)


def of_synapse(model: Any, title: str | None = None) -> Scene:
    """The scene of a synapse between two cells that suit it."""
    if model.site == "source":
        pre, post, current = neurons.HodgkinHuxley(), neurons.HodgkinHuxley(), stimuli.SquarePulse(10.0, start=20.0, stop=80.0)
        return scene(pre=pre, synapse=model, post=post, current=current, weight=0.05, duration=150.0, title=title)
    weight = {"conductance": 4.0, "current": 100.0, "potential": 2.0}[model.weight]
    cell = neurons.LeakyIntegrateAndFire(refractory=2.0)
    return scene(synapse=model, post=cell, weight=weight, delay=1.0, duration=400.0, dt=0.1, title=title)


def of_plasticity(model: Any, title: str | None = None) -> Scene:
    """The scene of short-term plasticity: a train of spikes, and one more when it has recovered."""
    cell = neurons.LeakyIntegrateAndFire(refractory=2.0)
    current = synapses.ExponentialCurrent(tau=5.0)
    return scene(synapse=current, post=cell, weight=250.0, delay=1.0, duration=1000.0, dt=0.1, short_term_plasticity=model, title=title)


def of_rule(model: Any, title: str | None = None) -> Scene:
    """The scene of a rule of plasticity: a train of spikes onto a cell that fires by itself, and the window that the rule opens."""
    if math.isinf(float(np.asarray(model.high))):
        model = model.with_values({"high": 100.0})
    cell = neurons.LeakyIntegrateAndFire(refractory=2.0)
    made = scene(
        synapse=synapses.ExponentialCurrent(),
        post=cell,
        current=stimuli.Constant(110.0),
        weight=0.5 * float(np.asarray(model.high)),
        delay=1.0,
        duration=2000.0,
        dt=0.1,
        plasticity=model,
        title=title,
    )
    made.facts["settings"]["train"] = {"cell": 0, "start": 20.0, "rate": 20.0, "count": 40, "recovery": 0.0}
    return made


def by_name() -> dict[str, Callable[[], Scene]]:
    """What `ranvier scene NAME` knows: a function that makes each scene."""
    known: dict[str, Callable[[], Scene]] = {
        entry.name: partial(lambda cls: of_neuron(getattr(neurons, cls)()), name) for name, entry in NEURONS.items()
    }
    known["stp"] = lambda: of_plasticity(synapses.TsodyksMarkram(), "Short-term plasticity")
    known["stdp"] = lambda: of_rule(
        plasticity.PairSTDP(high=100.0, potentiation=0.02, depression=0.021), "Spike-timing-dependent plasticity"
    )
    known["synapse"] = lambda: of_synapse(synapses.ExponentialConductance())
    return known
