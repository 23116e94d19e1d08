"""What others call a parameter: so that an error can say its name here."""

from __future__ import annotations

from collections.abc import Mapping

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
