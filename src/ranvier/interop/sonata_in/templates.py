"""Which model stands for a `model_template`: NEST's, PyNN's and NEURON's point neurons that this engine has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ranvier.errors import ParameterError, UnsupportedError, did_you_mean
from ranvier.neurons.adaptive_exponential import AdaptiveExponentialIntegrateAndFire
from ranvier.neurons.base import NeuronModel
from ranvier.neurons.integrate_and_fire import LeakyIntegrateAndFire
from ranvier.synapses.alpha import AlphaConductance, AlphaCurrent
from ranvier.synapses.base import SynapseModel
from ranvier.synapses.delta import Delta
from ranvier.synapses.exponential import ExponentialConductance, ExponentialCurrent

Given = Mapping[str, Any]


class Cells(NamedTuple):
    """Nodes of one template.

    Attributes:
        model: theirs.
        synapses: what weights above and below 0 reach; the same where weights keep their sign.
        initial: initial values.
        current: what is injected all the time, in the model's unit.
        weights: the template's unit of weights, in that of the synapses.
        currents: the template's unit of currents, in that of the model; None where it takes none.
    """

    model: NeuronModel
    synapses: tuple[SynapseModel, SynapseModel]
    initial: dict[str, Any]
    current: Any
    weights: float
    currents: float | None


class Template(NamedTuple):
    """How a template's parameters are read.

    Attributes:
        defaults: its parameters, as the simulator has them.
        build: the model and synapses that they make.
        only: parameters that are known at one value alone.
        without_effect: parameters that say nothing about the dynamics.
    """

    defaults: Mapping[str, float | None]
    build: Callable[[Given], Cells]
    only: Mapping[str, Any] = MappingProxyType({})
    without_effect: frozenset[str] = frozenset()


def one(value: Any) -> Any:
    """An array of equal numbers as that number."""
    array = np.asarray(value, np.float64)
    return float(array.flat[0]) if array.size and (array == array.flat[0]).all() else array


def _synapses(family: str, given: Given, ends: tuple[str, str], reversals: tuple[str, str]) -> tuple[SynapseModel, SynapseModel]:
    """What excites and what inhibits."""
    if family == "delta":
        return (Delta(),) * 2
    taus = [one(given[name]) for name in ends]
    if not family.startswith("cond"):
        kind = {"alpha": AlphaCurrent, "exp": ExponentialCurrent}[family.removeprefix("psc_")]
        made = [kind(tau=tau) for tau in taus]
        return (made[0], made[0]) if np.array_equal(taus[0], taus[1]) else (made[0], made[1])
    kind = {"alpha": AlphaConductance, "exp": ExponentialConductance}[family.removeprefix("cond_")]
    return tuple(kind(tau=tau, reversal=one(given[name])) for tau, name in zip(taus, reversals, strict=True))  # type: ignore[return-value]


def _nest(kind: str, family: str) -> Callable[[Given], Cells]:
    def build(given: Given) -> Cells:
        shared: dict[str, Any] = {
            "capacitance": one(given["C_m"]),
            "rest": one(given["E_L"]),
            "threshold": one(given["V_th"]),
            "reset": one(given["V_reset"]),
            "refractory": one(given["t_ref"]),
        }
        initial = {"V": one(given["E_L"] if given.get("V_m") is None else given["V_m"])}
        if kind == "iaf":
            leak = given["g_L"] if "g_L" in given else np.asarray(given["C_m"]) / np.asarray(given["tau_m"])
            model: NeuronModel = LeakyIntegrateAndFire(leak=one(leak), **shared)
        else:
            initial["w"] = one(given["w"])
            model = AdaptiveExponentialIntegrateAndFire(
                leak=one(given["g_L"]),
                slope=one(given["Delta_T"]),
                adaptation=one(given["a"]),
                adaptation_tau=one(given["tau_w"]),
                adaptation_jump=one(given["b"]),
                peak=one(given["V_peak"]),
                **shared,
            )
        synapses = _synapses(family, given, ("tau_syn_ex", "tau_syn_in"), ("E_ex", "E_in"))
        return Cells(model, synapses, initial, one(given["I_e"]), 1.0, 1.0)

    return build


def _pynn(kind: str, family: str) -> Callable[[Given], Cells]:
    def build(given: Given) -> Cells:
        capacitance = 1000.0 * np.asarray(given["cm"])
        shared: dict[str, Any] = {
            "capacitance": one(capacitance),
            "leak": one(capacitance / np.asarray(given["tau_m"])),
            "rest": one(given["v_rest"]),
            "threshold": one(given["v_thresh"]),
            "reset": one(given["v_reset"]),
            "refractory": one(given["tau_refrac"]),
        }
        initial = {"V": one(given["v_rest"])}
        if kind == "IF":
            model: NeuronModel = LeakyIntegrateAndFire(**shared)
        else:
            model = AdaptiveExponentialIntegrateAndFire(
                slope=one(given["delta_T"]),
                adaptation=one(given["a"]),
                adaptation_tau=one(given["tau_w"]),
                adaptation_jump=one(1000.0 * np.asarray(given["b"])),
                peak=one(given["v_spike"]),
                **shared,
            )
        synapses = _synapses(family, given, ("tau_syn_E", "tau_syn_I"), ("e_rev_E", "e_rev_I"))
        return Cells(model, synapses, initial, one(1000.0 * np.asarray(given["i_offset"])), 1000.0, 1000.0)

    return build


def _int_fire(given: Given) -> Cells:
    """NEURON's IntFire1: `m` decays to 0 and fires above 1. Files of the Allen Institute give its times in seconds."""
    unit = 1000.0 if np.all(np.asarray(given.get("type")) == "NEURON_IntFire1") else 1.0
    model = LeakyIntegrateAndFire(
        capacitance=one(unit * np.asarray(given["tau"])),
        leak=1.0,
        rest=0.0,
        threshold=1.0,
        reset_potential=0.0,
        refractory=one(unit * np.asarray(given["refrac"])),
    )
    return Cells(model, (Delta(),) * 2, {"V": 0.0}, 0.0, 1.0, None)


_LIF = {"E_L": -70.0, "C_m": 250.0, "t_ref": 2.0, "V_th": -55.0, "I_e": 0.0, "V_m": None}
_CURRENT = _LIF | {"tau_m": 10.0, "V_reset": -70.0}
_CONDUCTANCE = _LIF | {"g_L": 16.6667, "V_reset": -60.0, "E_ex": 0.0, "E_in": -85.0, "tau_syn_ex": 0.2, "tau_syn_in": 2.0}
_ADEX = {
    "C_m": 281.0,
    "t_ref": 0.0,
    "V_reset": -60.0,
    "E_L": -70.6,
    "g_L": 30.0,
    "I_e": 0.0,
    "a": 4.0,
    "b": 80.5,
    "Delta_T": 2.0,
    "tau_w": 144.0,
    "V_th": -50.4,
    "V_peak": 0.0,
    "V_m": None,
    "w": 0.0,
}
_TAUS = {"tau_syn_ex": 2.0, "tau_syn_in": 2.0}
_ADEX_TAUS = {"tau_syn_ex": 0.2, "tau_syn_in": 2.0}
_REVERSALS = {"E_ex": 0.0, "E_in": -85.0}
_PYNN = {"v_rest": -65.0, "cm": 1.0, "tau_m": 20.0, "tau_syn_E": 5.0, "tau_syn_I": 5.0, "i_offset": 0.0, "v_reset": -65.0}
_PYNN_IF = _PYNN | {"tau_refrac": 0.1, "v_thresh": -50.0}
_PYNN_REVERSALS = {"e_rev_E": 0.0, "e_rev_I": -70.0}
_PYNN_ADEX = {
    "cm": 0.281,
    "tau_refrac": 0.1,
    "v_spike": -40.0,
    "v_reset": -70.6,
    "v_rest": -70.6,
    "tau_m": 9.3667,
    "i_offset": 0.0,
    "a": 4.0,
    "b": 0.0805,
    "delta_T": 2.0,
    "tau_w": 144.0,
    "v_thresh": -50.4,
    "e_rev_E": 0.0,
    "tau_syn_E": 5.0,
    "e_rev_I": -80.0,
    "tau_syn_I": 5.0,
}
_QUIET = frozenset({"tau_minus", "tau_minus_triplet", "tau_Ca", "beta_Ca", "Ca", "rho", "gsl_error_tol", "type"})
_NO_NOISE = {"delta": 0.0}

TEMPLATES: dict[str, Template] = {
    "nest:iaf_psc_alpha": Template(_CURRENT | _TAUS, _nest("iaf", "psc_alpha"), {}, _QUIET),
    "nest:iaf_psc_exp": Template(_CURRENT | _TAUS, _nest("iaf", "psc_exp"), _NO_NOISE, _QUIET),
    "nest:iaf_psc_delta": Template(_CURRENT, _nest("iaf", "delta"), {"refractory_input": False}, _QUIET),
    "nest:iaf_cond_alpha": Template(_CONDUCTANCE, _nest("iaf", "cond_alpha"), {}, _QUIET),
    "nest:iaf_cond_exp": Template(_CONDUCTANCE, _nest("iaf", "cond_exp"), {}, _QUIET),
    "nest:aeif_psc_alpha": Template(_ADEX | _ADEX_TAUS, _nest("aeif", "psc_alpha"), {}, _QUIET),
    "nest:aeif_psc_exp": Template(_ADEX | _ADEX_TAUS, _nest("aeif", "psc_exp"), {}, _QUIET),
    "nest:aeif_psc_delta": Template(_ADEX, _nest("aeif", "delta"), {"refractory_input": False}, _QUIET),
    "nest:aeif_cond_alpha": Template(_ADEX | _ADEX_TAUS | _REVERSALS, _nest("aeif", "cond_alpha"), {}, _QUIET),
    "nest:aeif_cond_exp": Template(_ADEX | _ADEX_TAUS | _REVERSALS, _nest("aeif", "cond_exp"), {}, _QUIET),
    "pynn:IF_curr_alpha": Template(_PYNN_IF, _pynn("IF", "psc_alpha")),
    "pynn:IF_curr_exp": Template(_PYNN_IF, _pynn("IF", "psc_exp")),
    "pynn:IF_cond_alpha": Template(_PYNN_IF | _PYNN_REVERSALS, _pynn("IF", "cond_alpha")),
    "pynn:IF_cond_exp": Template(_PYNN_IF | _PYNN_REVERSALS, _pynn("IF", "cond_exp")),
    "pynn:EIF_cond_alpha_isfa_ista": Template(_PYNN_ADEX, _pynn("EIF", "cond_alpha")),
    "pynn:EIF_cond_exp_isfa_ista": Template(_PYNN_ADEX, _pynn("EIF", "cond_exp")),
    "nrn:IntFire1": Template({"tau": 10.0, "refrac": 5.0, "type": None}, _int_fire),
}


def template(name: Any, what: str) -> Template:
    """The template of a name.

    Raises:
        UnsupportedError: there is no model for it here.
    """
    if name in TEMPLATES:
        return TEMPLATES[name]
    raise UnsupportedError(
        f"SONATA: {what} has the model_template {name!r}, for which there is no model here. There is one for {', '.join(TEMPLATES)}."
    )


def check_parameter(name: str, value: Any, template_name: str, what: str) -> bool:
    """Whether a parameter moves the model.

    Raises:
        UnsupportedError: the template here does not have it, or at another value alone.
    """
    kind = TEMPLATES[template_name]
    if name in kind.defaults:
        return True
    if name in kind.only:
        if value == kind.only[name]:
            return False
        raise UnsupportedError(f"SONATA: {what} has {name} = {value!r}; {template_name} is here with {name} = {kind.only[name]!r} alone.")
    if name in kind.without_effect:
        return False
    raise UnsupportedError(
        f"SONATA: {what} has the parameter {name!r}, which {template_name} does not have here."
        f" {did_you_mean(name, kind.defaults)} It has {', '.join(kind.defaults)}."
    )


def narrowed_to_numbers(values: Any, what: str) -> Any:
    """A parameter of nodes as numbers, or as a word where all have that word.

    Raises:
        ParameterError: it is neither.
    """
    if all(isinstance(v, str) for v in values):
        return np.asarray(values)
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        wrong = next(v for v in values if not isinstance(v, int | float | np.number))
        raise ParameterError(f"SONATA: {what} is not a number everywhere: {wrong!r}.") from None
