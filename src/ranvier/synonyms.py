"""What others call a parameter: so that an error can say its name here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import ModuleType

NAMES = {
    "capacitance": ("c", "cm", "cmem", "membranecapacitance"),
    "leak": ("gl", "gleak", "gm", "gleakage"),
    "rest": ("el", "vrest", "eleak", "urest", "vl", "vleak", "restingpotential"),
    "threshold": ("vth", "vt", "vthresh", "vthreshold", "theta", "thresh", "uth"),
    "reset": ("vr", "vreset", "vres", "ureset"),
    "refractory": ("tref", "tauref", "trefractory", "taurefrac", "trefrac", "refractoryperiod", "taurefractory"),
    "slope": ("deltat", "delta"),
    "peak": ("vpeak", "vcut", "vspike", "vmax"),
    "adaptation": ("a",),
    "adaptation_jump": ("b",),
    "adaptation_tau": ("tauw",),
    "tau": ("tausyn", "taus", "tausyne", "tausyni", "tausynex", "tausynin", "taudecay"),
    "reversal": ("erev", "esyn", "e", "vrev", "ereversal"),
    "conductance": ("gbar", "gmax", "g"),
    "weight": ("w",),
}
IONS = {"na": "sodium", "k": "potassium", "ca": "calcium", "l": "leak"}
CURRENTS = ("i", "iext", "ie", "iapp", "iinj", "ioffset", "iinput", "current", "input")

THINGS = {
    "lif": "rv.neurons.LeakyIntegrateAndFire",
    "iaf": "rv.neurons.LeakyIntegrateAndFire",
    "glif": "rv.neurons.GeneralizedIntegrateAndFire",
    "gif": "rv.neurons.GeneralizedIntegrateAndFire",
    "adex": "rv.neurons.AdaptiveExponentialIntegrateAndFire",
    "aeif": "rv.neurons.AdaptiveExponentialIntegrateAndFire",
    "eif": "rv.neurons.ExponentialIntegrateAndFire",
    "qif": "rv.neurons.QuadraticIntegrateAndFire",
    "hh": "rv.neurons.HodgkinHuxley",
    "izhikevich": "rv.neurons.Izhikevich2003",
    "neurongroup": "rv.Population",
    "group": "rv.Population",
    "layer": "rv.Population",
    "neurons": "rv.Population",
    "synapses": "rv.Projection",
    "connection": "rv.Projection",
    "spikemonitor": "run.spikes: spikes are always recorded",
    "statemonitor": "rv.Record",
    "monitor": "rv.Record",
    "poissongroup": "rv.neurons.PoissonSource",
    "poissongenerator": "rv.PoissonInput",
    "spikegeneratorgroup": "rv.neurons.SpikeTimes",
    "run": "rv.simulate",
    "load": "rv.open_store",
}
"""What others call the things themselves."""


def elsewhere(name: str, places: Mapping[str, ModuleType]) -> str:
    """A sentence on where what is called `name` is; empty where nothing is near.

    Args:
        name: what was looked for in `rv`.
        places: the modules of `rv` that it may be in.

    Example:
        >>> import ranvier as rv
        >>> elsewhere("LIF", {"neurons": rv.neurons}), elsewhere("HodgkinHuxly", {"neurons": rv.neurons})
        (' Did you mean rv.neurons.LeakyIntegrateAndFire?', ' Did you mean rv.neurons.HodgkinHuxley?')
    """
    import ranvier

    known = {**{n: f"rv.{n}" for n in dir(ranvier)}, **{n: f"rv.{place}.{n}" for place, module in places.items() for n in dir(module)}}
    found = [f"rv.{place}.{name}" for place, module in places.items() if name in dir(module)]
    if not found and name.lower().replace("_", "") in THINGS:
        found = [THINGS[name.lower().replace("_", "")]]
    if not found:
        found = [known[n] for n in difflib.get_close_matches(name, known, n=2, cutoff=0.75)]
    return f" Did you mean {' or '.join(found)}?" if found else ""


def instead_of(name: str, known: Mapping[str, str]) -> str:
    """A sentence on what to write in place of `name`; empty where nothing is known.

    Args:
        name: the word that was given.
        known: the model's own words, each with the class of the component that stands there (empty for a number).

    Example:
        >>> instead_of("V_th", {"threshold": "", "reset": ""})
        "That is 'threshold' here."
        >>> instead_of("gNa", {"sodium": "HodgkinHuxleySodium"})
        'Channels have their own: sodium=rv.channels.HodgkinHuxleySodium(conductance=…).'
    """
    word = name.lower().replace("_", "")
    for own, others in NAMES.items():
        if own in known and word in others:
            return f"That is {own!r} here."
    ion = IONS.get(word[1:] if word[:1] in ("g", "e") else "", "")
    if known.get(ion):
        field = "conductance" if word[0] == "g" else "reversal"
        return f"Channels have their own: {ion}=rv.channels.{known[ion]}({field}=…)."
    if word in ("tau", "taum", "taumem", "tm") and {"capacitance", "leak"} <= set(known):
        return "The membrane's time constant is capacitance / leak: give capacitance=tau * leak."
    if word in ("r", "rm", "rmem", "resistance") and "leak" in known:
        return "The leak is a conductance: leak=1 / R."
    if word in CURRENTS:
        return "A current is given to what runs: rv.simulate(model, current=…) or rv.Population(n, model, current=…)."
    return ""
