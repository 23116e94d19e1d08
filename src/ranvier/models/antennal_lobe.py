"""The locust antennal lobe of PSST's Day 6."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.model import INPUT, PerNeuron, parameter
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons.base import NeuronModel
from ranvier.neurons.bazhenov import LocalNeuron, ProjectionNeuron
from ranvier.random import Key
from ranvier.stimuli.base import Stimulus, as_stimulus
from ranvier.stimuli.sampled import PublishedSampling
from ranvier.synapses.kinetic import Cholinergic, GradedGABA

PROJECTION_NEURONS, LOCAL_NEURONS = 90, 30
DRIVEN_SHARE = 0.33
NOISE = 0.01


class Odor(Stimulus):
    """The current an odor makes in the neurons it drives: it rises, and decays when the odor is gone."""

    equations = """I(t) = 0 before start
I(t) = amplitude (1 - exp(-(t - start)/rise)) while start <= t < stop
I(t) = amplitude * 0.9996 exp(-(t - stop)/decay) from stop on"""
    reference = "Mohanta & Assisi 2019 (PSST), Day 6"

    amplitude: PerNeuron = parameter(10.0, INPUT, text="current at full strength")
    start: PerNeuron = parameter(100.0, "ms", text="when the odor comes")
    stop: PerNeuron = parameter(600.0, "ms", text="when it goes")
    rise: PerNeuron = parameter(75.0, "ms", (1e-12, np.inf), "time constant of the rise")
    decay: PerNeuron = parameter(150.0, "ms", (1e-12, np.inf), "time constant of the decay")

    def __call__(self, t: Any) -> Any:
        there = t < self.stop
        exponential = jnp.exp(jnp.where(there, -jnp.maximum(t - self.start, 0.0) / self.rise, -(t - self.stop) / self.decay))
        return self.amplitude * jnp.where(there, 1.0 - exponential, 0.9996 * exponential)


def _matrix(value: Any, what: str) -> np.ndarray:
    """Connections, of numbers or of truth values."""
    if isinstance(value, np.ndarray) and value.dtype == bool and not np.ma.isMaskedArray(value):
        value = value.astype(np.float64)
    return doors.numbers(value, what, rank=2, example="np.zeros((120, 120))")


def _cell(value: Any, what: str) -> NeuronModel:
    return doors.instance(value, what, NeuronModel, "rv.neurons.ProjectionNeuron()")


def _initial_values(value: Any, what: str) -> dict[str, dict[str, Any]]:
    example = "{'PN': {'V': -70.0}}"
    given = doors.mapping(value, what, example)
    doors.only(given, ("PN", "LN", "acetylcholine", "GABA"), what)
    return {name: doors.mapping(values, f"{what}[{name!r}]", example) for name, values in given.items()}


@doors.checked(
    ach_mat=doors.optional(_matrix),
    fgaba_mat=doors.optional(_matrix),
    driven=doors.optional(doors.indices),
    stimulus=doors.optional(as_stimulus),
    pn=doors.optional(_cell),
    ln=doors.optional(_cell),
    initial=doors.optional(_initial_values),
    gaba=doors.flag,
    seed=doors.seed,
    site=doors.optional(doors.one_of("source", "edge")),
    published=doors.flag,
)
def antennal_lobe(
    *,
    ach_mat: Any = None,
    fgaba_mat: Any = None,
    driven: Any = None,
    stimulus: Any = None,
    pn: NeuronModel | None = None,
    ln: NeuronModel | None = None,
    initial: dict[str, dict[str, Any]] | None = None,
    gaba: bool = True,
    seed: int = 0,
    site: str | None = None,
    published: bool = False,
) -> Network:
    """A network of projection neurons (PN) and local neurons (LN) of the locust antennal lobe.

    PNs excite LNs by fast cholinergic synapses; LNs inhibit PNs and each other
    by graded fast GABA. An odor drives a third of all neurons.

    Args:
        ach_mat: cholinergic connections `[neurons, neurons]`, rows
            postsynaptic, PNs first, as PSST saves it; drawn from `seed` when left out
            (PN to LN with probability one half).
        fgaba_mat: GABA connections, likewise (LN to every neuron with
            probability one half, none to itself).
        driven: the indices of the neurons that the stimulus reaches; drawn when left out.
        stimulus: the current into them: a number, a function of t or a stimulus; `Odor()` when left out.
        pn, ln: the cells' models, with parameters of your own; `ProjectionNeuron()`
            and `LocalNeuron()` when left out.
        initial: `{"PN": {...}, "LN": {...}}`, initial values by variable. When
            left out V is −70 mV and the gates 0, each with 1 % of noise.
        gaba: False leaves the inhibition out.
        seed: what is drawn is drawn from this.
        site: `"edge"` gives each synapse a state of its own (PSST's layout); by
            default there is one a presynaptic neuron.
        published: computes the odor and the times of spikes with the rounding
            of the published code (`PublishedSampling` of the odor every 0.01
            ms, `Cholinergic(published_rounding=True)`), to reproduce it.

    Returns:
        A network with the populations `"PN"` and `"LN"` and the projections
        `"acetylcholine"` and `"GABA"`. Of PSST's 120 neurons the first 90 are
        PNs; given matrices of another size keep that share of three quarters.

    Source: Mohanta & Assisi 2019 (PSST), Day 6, after Bazhenov et al. 2001,
    Neuron 30:553 and 569.

    Example:
        >>> import ranvier as rv
        >>> network = rv.models.antennal_lobe(seed=1)
        >>> {name: cells.n for name, cells in network.populations.items()}, list(network.projections)
        ({'PN': 90, 'LN': 30}, ['acetylcholine', 'GABA'])
    """
    pn, ln = pn or ProjectionNeuron(), ln or LocalNeuron()
    given = [m for m in (ach_mat, fgaba_mat) if m is not None]
    total = given[0].shape[0] if given else PROJECTION_NEURONS + LOCAL_NEURONS
    for matrix in given:
        if matrix.shape != (total, total):
            raise ParameterError(
                f"ach_mat and fgaba_mat must be square and of one size, [neurons, neurons]; one has the shape {matrix.shape}."
            )
    n_pn = total * 3 // 4
    n_ln = total - n_pn
    key = Key(seed).child("antennal lobe")
    if ach_mat is None:
        ach = (key.child("acetylcholine").uniform(n_ln * n_pn) < 0.5).reshape(n_ln, n_pn)
    else:
        ach = ach_mat
        _refuse_others(ach, (slice(n_pn, None), slice(None, n_pn)), "ach_mat", "from projection to local neurons")
        ach = ach[n_pn:, :n_pn]
    if fgaba_mat is None:
        inhibition = (key.child("GABA").uniform(total * n_ln) < 0.5).reshape(total, n_ln)
        inhibition[n_pn + np.arange(n_ln), np.arange(n_ln)] = False
    else:
        inhibition = fgaba_mat
        _refuse_others(inhibition, (slice(None), slice(n_pn, None)), "fgaba_mat", "from local neurons")
        inhibition = inhibition[:, n_pn:]
    if driven is None:
        order = np.argsort(key.child("driven").uniform(total), kind="stable")
        driven = np.sort(order[: int(DRIVEN_SHARE * total)])
    driven = doors.indices(driven, "driven", total)
    reached = np.zeros(total)
    reached[driven] = 1.0
    if stimulus is None:
        stimulus = _published_odor() if published else Odor()
    current: Stimulus = stimulus
    if initial is None:
        initial = {"PN": _initial(pn, n_pn, key.child("PN")), "LN": _initial(ln, n_ln, key.child("LN"))}

    PN = Population(n_pn, pn, initial=initial.get("PN"), current=reached[:n_pn] * current, name="PN")
    LN = Population(n_ln, ln, initial=initial.get("LN"), current=reached[n_pn:] * current, name="LN")
    parts: list[Any] = [
        PN,
        LN,
        Projection(
            PN,
            LN,
            Cholinergic(published_rounding=published),
            ach,
            weight=0.3,
            site=site,
            name="acetylcholine",
            initial=initial.get("acetylcholine", {"last_spike": -1e4} if published else None),
        ),
    ]
    if gaba:
        parts.append(Projection(LN, [PN, LN], GradedGABA(), inhibition, weight=0.8, site=site, name="GABA", initial=initial.get("GABA")))
    return Network(*parts)


def _published_odor() -> Stimulus:
    t = np.arange(0.0, 1000.0, 0.01)
    rising, falling = 1 - np.exp(-(t - 100) / 75), 0.9996 * np.exp(-(t - 600) / 150)
    return PublishedSampling(10.0 * np.where(t < 100, 0.0, np.where(t < 600, rising, falling)), every=0.01)


def _initial(model: Any, n: int, key: Key) -> dict[str, Any]:
    """PSST's start: V at −70 mV, gates closed, calcium at rest, all with 1 % of noise."""
    state = dict.fromkeys(jax.eval_shape(lambda: model.initial_state(1, key)), 0.0)
    state["V"] = -70.0
    if "calcium.concentration" in state:
        state["calcium.concentration"] = 2.4e-4
    return {name: value * (1 + NOISE * key.child(name).normal(n)) for name, value in state.items()}


def _refuse_others(matrix: np.ndarray, allowed: tuple[slice, slice], name: str, which: str) -> None:
    outside = matrix.astype(bool)
    outside = outside.copy()
    outside[allowed] = False
    if outside.any():
        post, pre = np.argwhere(outside)[0]
        raise ParameterError(
            f"{name} has a connection from neuron {pre} to neuron {post}, but in the antennal lobe it holds only those {which}."
        )
