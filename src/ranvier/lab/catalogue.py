"""The scenes that have a name, and a current that shows what each public neuron does."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ranvier import channels, doors, neurons, plasticity, stimuli, synapses
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
    """The scene of a neuron model, with a current that suits its class.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: a scene cannot show it.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.of_neuron(rv.neurons.Izhikevich2003()).title
        'Izhikevich2003'
    """
    doors.instance(model, "model of rv.lab.of_neuron", neurons.NeuronModel, "rv.neurons.HodgkinHuxley()")
    entry = NEURONS.get(type(model).__name__, _OTHERS)
    pulse = (
        stimuli.SquarePulse(entry.current, start=0.1 * entry.duration, stop=0.9 * entry.duration)
        if model.takes_input and model.takes_current
        else None
    )
    return scene(model, current=pulse, duration=entry.duration, dt=entry.dt, title=title)


def of_synapse(model: Any, title: str | None = None) -> Scene:
    """The scene of a synapse between two cells that suit it.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: a scene cannot show it.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.of_synapse(rv.synapses.AlphaCurrent()).title
        'AlphaCurrent'
    """
    doors.instance(model, "model of rv.lab.of_synapse", synapses.SynapseModel, "rv.synapses.AlphaCurrent()")
    if model.site == "source":
        pre, post, current = neurons.HodgkinHuxley(), neurons.HodgkinHuxley(), stimuli.SquarePulse(10.0, start=20.0, stop=80.0)
        return scene(pre=pre, synapse=model, post=post, current=current, weight=0.05, duration=150.0, title=title)
    weight = {"conductance": 4.0, "current": 100.0, "potential": 2.0}[model.weight]
    cell = neurons.LeakyIntegrateAndFire(refractory=2.0)
    return scene(synapse=model, post=cell, weight=weight, delay=1.0, duration=400.0, dt=0.1, title=title)


def of_plasticity(model: Any, title: str | None = None) -> Scene:
    """The scene of short-term plasticity: a train of spikes, and one more when it has recovered.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: a scene cannot show it.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.of_plasticity(rv.synapses.TsodyksMarkram()).title
        'TsodyksMarkram'
    """
    doors.instance(model, "model of rv.lab.of_plasticity", synapses.ShortTermPlasticity, "rv.synapses.TsodyksMarkram()")
    cell = neurons.LeakyIntegrateAndFire(refractory=2.0)
    current = synapses.ExponentialCurrent(tau=5.0)
    return scene(
        synapse=current,
        post=cell,
        weight=250.0,
        delay=1.0,
        duration=1000.0,
        dt=0.1,
        short_term_plasticity=model,
        title=title or type(model).__name__,
    )


def of_rule(model: Any, title: str | None = None) -> Scene:
    """The scene of a rule of plasticity: a train of spikes onto a cell that fires by itself, and the window that the rule opens.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: a scene cannot show it.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.of_rule(rv.plasticity.PairSTDP(high=100.0)).title
        'PairSTDP'
    """
    doors.instance(model, "model of rv.lab.of_rule", plasticity.PlasticityRule, "rv.plasticity.PairSTDP(high=100.0)")
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


def of_channel(part: Any, title: str | None = None) -> Scene:
    """The scene of an ion channel, or of an ion pool, in a membrane that has a leak besides: the current, the gates, what they rest at.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: a scene cannot show it.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.of_channel(rv.channels.HodgkinHuxleySodium()).title
        'HodgkinHuxleySodium'
    """
    doors.instance(part, "part of rv.lab.of_channel", (channels.IonChannel, channels.IonPool), "rv.channels.HodgkinHuxleySodium()")
    calcium = channels.BazhenovCalcium()
    held: dict[str, Any]
    if isinstance(part, channels.IonPool):
        held, pools = {"channel": calcium}, {"calcium": part}
    else:
        held = {"channel": part} | ({"calcium": calcium} if part.reads and not part.carries else {})
        pools = {ion: channels.CalciumPool() for ion in (*part.reads, *([part.carries] if part.carries else []))}
    if not isinstance(part, channels.Leak):
        held["leak"] = channels.Leak(reversal=-70.0)
    pulse = stimuli.SquarePulse(5.0, start=20.0, stop=180.0)
    made = scene(
        neurons.ConductanceBased(channels=held, pools=pools, initial_potential=-70.0),
        current=pulse,
        duration=200.0,
        title=title or type(part).__name__,
    )
    made.facts["summary"] = (inspect.getdoc(type(part)) or "").split("\n")[0]
    return made


def of_stimulus(stimulus: Any, title: str | None = None) -> Scene:
    """The scene of a current, into a leaky integrate-and-fire cell.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: a scene cannot show it.

    Example:
        >>> import ranvier as rv
        >>> rv.lab.of_stimulus(rv.stimuli.Sine(mean=120.0, amplitude=80.0)).title
        'Sine'
    """
    doors.instance(stimulus, "stimulus of rv.lab.of_stimulus", stimuli.Stimulus, "rv.stimuli.Sine(mean=120.0, amplitude=80.0)")
    cell = neurons.LeakyIntegrateAndFire(refractory=2.0)
    made = scene(cell, current=stimulus, duration=400.0, dt=0.1, title=title or type(stimulus).__name__)
    made.facts["summary"] = (inspect.getdoc(type(stimulus)) or "").split("\n")[0]
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
