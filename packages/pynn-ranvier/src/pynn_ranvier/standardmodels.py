"""PyNN's standard models as Ranvier's. PyNN's names and units stay outside: nF, nA and µS become pF, pA and nS."""

from __future__ import annotations

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from pyNN import errors
from pyNN.standardmodels import build_translations, cells, electrodes, synapses

import ranvier as rv

from .simulator import state


def _same(*names):
    return build_translations(*((name, name) for name in names))


def _one(values):
    """One number where all are the same, else one each."""
    values = np.asarray(values, float)
    return float(values.flat[0]) if values.size and (values == values.flat[0]).all() else values


class _Cell:
    """What a cell type says of itself.

    Class attributes:
        scale: from PyNN's units of currents and conductances to those of the model.
        weights: the same for weights.
        method: how its equations are advanced, where that is not Ranvier's choice.
        variables: PyNN's name of what can be recorded or initialized -> Ranvier's, and from its unit to PyNN's.
    """

    scale = 1000.0
    weights = 1000.0
    method = None
    variables: ClassVar[dict[str, tuple[str, float]]] = {"v": ("V", 1.0)}

    @staticmethod
    def offset(given):
        return given["i_offset"]


class _Exp:
    def synapse(self, which, given):
        end = "E" if which == "excitatory" else "I"
        tau = _one(given[f"tau_syn_{end}"])
        if not self.conductance_based:
            return rv.synapses.ExponentialCurrent(tau=tau)
        return rv.synapses.ExponentialConductance(tau=tau, reversal=_one(given[f"e_rev_{end}"]))


class _Alpha:
    def synapse(self, which, given):
        end = "E" if which == "excitatory" else "I"
        tau = _one(given[f"tau_syn_{end}"])
        if not self.conductance_based:
            return rv.synapses.AlphaCurrent(tau=tau)
        return rv.synapses.AlphaConductance(tau=tau, reversal=_one(given[f"e_rev_{end}"]))


class _IF(_Cell):
    def model(self, given):
        return rv.neurons.LeakyIntegrateAndFire(
            capacitance=_one(1000.0 * given["cm"]),
            leak=_one(1000.0 * given["cm"] / given["tau_m"]),
            rest=_one(given["v_rest"]),
            threshold=_one(given["v_thresh"]),
            reset=_one(given["v_reset"]),
            refractory=_one(given["tau_refrac"]),
        )


_IF_CURR = ("tau_m", "cm", "v_rest", "v_thresh", "v_reset", "tau_refrac", "i_offset", "tau_syn_E", "tau_syn_I")
_IF_COND = (*_IF_CURR, "e_rev_E", "e_rev_I")


class IF_curr_exp(_Exp, _IF, cells.IF_curr_exp):
    __doc__ = cells.IF_curr_exp.__doc__
    translations = _same(*_IF_CURR)


class IF_curr_alpha(_Alpha, _IF, cells.IF_curr_alpha):
    __doc__ = cells.IF_curr_alpha.__doc__
    translations = _same(*_IF_CURR)


class IF_cond_exp(_Exp, _IF, cells.IF_cond_exp):
    __doc__ = cells.IF_cond_exp.__doc__
    translations = _same(*_IF_COND)


class IF_cond_alpha(_Alpha, _IF, cells.IF_cond_alpha):
    __doc__ = cells.IF_cond_alpha.__doc__
    translations = _same(*_IF_COND)


_EIF = (*_IF_COND, "v_spike", "a", "b", "delta_T", "tau_w")


class _AdEx(_Cell):
    variables: ClassVar[dict[str, tuple[str, float]]] = {"v": ("V", 1.0), "w": ("w", 1e-3)}

    def model(self, given):
        return rv.neurons.AdaptiveExponentialIntegrateAndFire(
            capacitance=_one(1000.0 * given["cm"]),
            leak=_one(1000.0 * given["cm"] / given["tau_m"]),
            rest=_one(given["v_rest"]),
            threshold=_one(given["v_thresh"]),
            slope=_one(given["delta_T"]),
            adaptation=_one(given["a"]),
            adaptation_tau=_one(given["tau_w"]),
            adaptation_jump=_one(1000.0 * given["b"]),
            peak=_one(given["v_spike"]),
            reset=_one(given["v_reset"]),
            refractory=_one(given["tau_refrac"]),
        )


class EIF_cond_exp_isfa_ista(_Exp, _AdEx, cells.EIF_cond_exp_isfa_ista):
    __doc__ = cells.EIF_cond_exp_isfa_ista.__doc__
    translations = _same(*_EIF)


class EIF_cond_alpha_isfa_ista(_Alpha, _AdEx, cells.EIF_cond_alpha_isfa_ista):
    __doc__ = cells.EIF_cond_alpha_isfa_ista.__doc__
    translations = _same(*_EIF)


class HH_cond_exp(_Exp, _Cell, cells.HH_cond_exp):
    __doc__ = cells.HH_cond_exp.__doc__
    # nF, µS and nA go together as µF/cm², mS/cm² and µA/cm² do.
    scale = weights = 1.0
    method = rv.ExponentialEuler()  # stable at 0.1 ms
    translations = _same(
        *("gbar_Na", "gbar_K", "g_leak", "cm", "v_offset", "e_rev_Na", "e_rev_K", "e_rev_leak"),
        *("e_rev_E", "e_rev_I", "tau_syn_E", "tau_syn_I", "i_offset"),
    )

    def model(self, given):
        shift = _one(given["v_offset"])
        return rv.neurons.TraubMiles(
            capacitance=_one(given["cm"]),
            sodium=rv.channels.TraubMilesSodium(conductance=_one(given["gbar_Na"]), reversal=_one(given["e_rev_Na"]), shift=shift),
            potassium=rv.channels.TraubMilesPotassium(conductance=_one(given["gbar_K"]), reversal=_one(given["e_rev_K"]), shift=shift),
            leak=rv.channels.Leak(conductance=_one(given["g_leak"]), reversal=_one(given["e_rev_leak"])),
        )


class Izhikevich(_Cell, cells.Izhikevich):
    __doc__ = cells.Izhikevich.__doc__
    weights = 1.0  # they are kicks, in mV
    variables: ClassVar[dict[str, tuple[str, float]]] = {"v": ("V", 1.0), "u": ("u", 1.0)}
    translations = _same("a", "b", "c", "d", "i_offset")

    def model(self, given):
        return rv.neurons.Izhikevich2003(**{name: _one(given[name]) for name in "abcd"})

    def synapse(self, which, given):
        return rv.synapses.Delta()


class _Source(_Cell):
    variables: ClassVar[dict[str, tuple[str, float]]] = {}

    @staticmethod
    def offset(given):
        return None


class SpikeSourcePoisson(_Source, cells.SpikeSourcePoisson):
    __doc__ = cells.SpikeSourcePoisson.__doc__
    translations = _same("start", "rate", "duration")

    def model(self, given):
        rate, start, stop = given["rate"], given["start"], given["start"] + given["duration"]
        if (start <= 0).all() and (stop >= 1e9).all():
            return rv.neurons.PoissonSource(rate=_one(rate))
        return rv.neurons.InhomogeneousPoissonSource(lambda t: jnp.where((t >= start) & (t < stop), rate, 0.0))


class SpikeSourceArray(_Source, cells.SpikeSourceArray):
    __doc__ = cells.SpikeSourceArray.__doc__
    translations = _same("spike_times")

    def model(self, given):
        # A spike at t ends its step there.
        trains = [np.asarray(train.value, float) - state.dt for train in given["spike_times"]]
        return rv.neurons.SpikeTimes.of_trains([train[train > -state.dt / 2].clip(0.0) for train in trains])


# -- currents ----------------------------------------------------------------------------------------


class _CurrentSource:
    """A current that is injected into some neurons."""

    def __init__(self, **parameters):
        super().__init__(**parameters)
        self.into = []
        self.parameters = self.native_parameters
        self.parameters.shape = (1,)
        self.parameters.evaluate(simplify=True)

    def inject_into(self, cells, location=None):
        """Injects it into cells, a population, a view or an assembly."""
        for cell in cells:
            if not cell.celltype.injectable:
                raise TypeError("Can't inject current into a spike source.")
        ids = np.array([int(cell) for cell in cells])
        for place in np.unique(state.owners(ids)[0]):
            owner, neurons = state.populations[place], state.owners(ids)[1][state.owners(ids)[0] == place]
            owner.injected.append((neurons, self))
        state.changed()

    def set_native_parameters(self, parameters):
        for name, value in parameters.items():
            self.parameters[name] = value
        state.changed()

    def get_native_parameters(self):
        return self.parameters

    def number(self, name):
        value = self.parameters[name]
        value = getattr(value, "base_value", value)
        return np.asarray(getattr(value, "value", value), float)


class DCSource(_CurrentSource, electrodes.DCSource):
    __doc__ = electrodes.DCSource.__doc__
    translations = _same("amplitude", "start", "stop")

    def stimulus(self, scale):
        start, stop = float(self.number("start")), float(self.number("stop"))
        return rv.stimuli.SquarePulse(scale * float(self.number("amplitude")), start=start, stop=np.inf if stop >= 1e9 else stop)


class StepCurrentSource(_CurrentSource, electrodes.StepCurrentSource):
    __doc__ = electrodes.StepCurrentSource.__doc__
    translations = _same("amplitudes", "times")

    def stimulus(self, scale):
        return rv.stimuli.Steps(times=self.number("times").ravel(), values=scale * self.number("amplitudes").ravel())


class ACSource(_CurrentSource, electrodes.ACSource):
    __doc__ = electrodes.ACSource.__doc__
    translations = _same("amplitude", "start", "stop", "frequency", "offset", "phase")

    def stimulus(self, scale):
        names = ("amplitude", "start", "stop", "frequency", "offset", "phase")
        amplitude, start, stop, frequency, offset, phase = (float(self.number(name)) for name in names)
        wave = rv.stimuli.Sine(
            scale * offset, amplitude=scale * amplitude, frequency=frequency, phase=np.deg2rad(phase) - 2 * np.pi * frequency * start / 1000
        )
        return wave * rv.stimuli.SquarePulse(1.0, start=start, stop=np.inf if stop >= 1e9 else stop)


class NoisyCurrentSource(_CurrentSource, electrodes.NoisyCurrentSource):
    __doc__ = electrodes.NoisyCurrentSource.__doc__
    translations = _same("mean", "start", "stop", "stdev", "dt")

    def stimulus(self, scale):
        start, stop = float(self.number("start")), float(self.number("stop"))
        noise = rv.stimuli.WhiteNoise(
            mean=scale * float(self.number("mean")), intensity=scale * float(self.number("stdev")) * np.sqrt(state.dt)
        )
        return noise * rv.stimuli.SquarePulse(1.0, start=start, stop=np.inf if stop >= 1e9 else stop)


# -- synapses ----------------------------------------------------------------------------------------


class _Synapse:
    def _get_minimum_delay(self):
        return state.dt if state.min_delay == "auto" else state.min_delay

    def options(self, edges, sources, target, receptor):
        """What the projection is given beside weights and delays.

        Args:
            edges: the edges' parameters by name, with `pre`; weights and delays in Ranvier's units may be replaced.
            sources: how many source neurons there are.
            target, receptor: the population, and which of its receptors.
        """
        return {}


class StaticSynapse(_Synapse, synapses.StaticSynapse):
    __doc__ = synapses.StaticSynapse.__doc__
    translations = _same("weight", "delay")


class TsodyksMarkramSynapse(_Synapse, synapses.TsodyksMarkramSynapse):
    __doc__ = synapses.TsodyksMarkramSynapse.__doc__
    translations = _same("weight", "delay", "U", "tau_rec", "tau_facil", "u0", "x0", "y0")

    def options(self, edges, sources, target, receptor):
        each = {}
        for name in ("U", "tau_rec", "tau_facil"):
            each[name] = np.full(sources, edges[name][0] if len(edges[name]) else 0.5)
            each[name][edges["pre"]] = edges[name]
            if not np.array_equal(each[name][edges["pre"]], edges[name]):
                raise errors.InvalidParameterValueError(
                    f"TsodyksMarkramSynapse.{name} differs among the synapses of one source neuron; it must be one for each source."
                )
        tau = (
            np.unique(target._parameters["tau_syn_E" if receptor == "excitatory" else "tau_syn_I"])
            if "tau_syn_E" in target._parameters
            else [0.0]
        )
        return {
            "short_term_plasticity": rv.synapses.TsodyksMarkram(
                utilization=_one(each["U"]),
                recovery=_one(each["tau_rec"]),
                facilitation=_one(each["tau_facil"]),
                inactivation=float(tau[0]),
            )
        }


class STDPMechanism(_Synapse, synapses.STDPMechanism):
    __doc__ = synapses.STDPMechanism.__doc__
    base_translations = _same("weight", "delay", "dendritic_delay_fraction")

    def options(self, edges, sources, target, receptor):
        pair = self.timing_dependence
        if not isinstance(pair, SpikePairRule):
            raise NotImplementedError("Of timing rules there is SpikePairRule.")
        scale, get = target.celltype.weights, lambda name: float(np.asarray(edges[name]).flat[0])
        plus, minus = self.weight_dependence.exponents(get)
        delays, share = np.unique(edges["delay"]), get("dendritic_delay_fraction")
        dendritic = round(share * delays[0] / state.dt) * state.dt if len(delays) else 0.0
        if dendritic and len(delays) > 1:
            raise errors.InvalidParameterValueError(
                "An STDPMechanism with a dendritic delay has one delay for all synapses. Give one, or dendritic_delay_fraction=0."
            )
        edges["delay"] = np.maximum(edges["delay"] - dendritic, 0.0)
        rule = rv.plasticity.PairSTDP(
            low=scale * get("w_min"),
            high=scale * get("w_max"),
            potentiation=get("A_plus"),
            depression=get("A_minus"),
            tau_plus=get("tau_plus"),
            tau_minus=get("tau_minus"),
            potentiation_exponent=plus,
            depression_exponent=minus,
        )
        return {"plasticity": rule, "dendritic_delay": dendritic}


class AdditiveWeightDependence(synapses.AdditiveWeightDependence):
    __doc__ = synapses.AdditiveWeightDependence.__doc__
    translations = _same("w_max", "w_min")
    exponents = staticmethod(lambda get: (0.0, 0.0))


class MultiplicativeWeightDependence(synapses.MultiplicativeWeightDependence):
    __doc__ = synapses.MultiplicativeWeightDependence.__doc__
    translations = _same("w_max", "w_min")
    exponents = staticmethod(lambda get: (1.0, 1.0))


class AdditivePotentiationMultiplicativeDepression(synapses.AdditivePotentiationMultiplicativeDepression):
    __doc__ = synapses.AdditivePotentiationMultiplicativeDepression.__doc__
    translations = _same("w_max", "w_min")
    exponents = staticmethod(lambda get: (0.0, 1.0))


class GutigWeightDependence(synapses.GutigWeightDependence):
    __doc__ = synapses.GutigWeightDependence.__doc__
    translations = _same("w_max", "w_min", "mu_plus", "mu_minus")
    exponents = staticmethod(lambda get: (get("mu_plus"), get("mu_minus")))


class SpikePairRule(synapses.SpikePairRule):
    __doc__ = synapses.SpikePairRule.__doc__
    translations = _same("tau_plus", "tau_minus", "A_plus", "A_minus")
