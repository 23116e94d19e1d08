"""What a network is: populations, and projections between them."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors, units
from ranvier.connect.base import ConnectionRule
from ranvier.connect.matrix import matrix
from ranvier.connect.some import OfChosen, Some, between
from ranvier.errors import ParameterError, unknown
from ranvier.model import in_input_unit
from ranvier.neurons.base import NeuronModel
from ranvier.plasticity.base import PlasticityRule, by_potential
from ranvier.plasticity.fixed import FixedWeights
from ranvier.plasticity.structure import StructuralRule
from ranvier.random import Distribution
from ranvier.stimuli.base import Stimulus, as_stimulus
from ranvier.subpopulation import Subpopulation
from ranvier.synapses.base import SynapseModel
from ranvier.synapses.release import VesicleRelease
from ranvier.synapses.short_term_plasticity import ShortTermPlasticity

if TYPE_CHECKING:
    from ranvier.network.edges import ProjectionEdges


def _checked_initial(given: Any, what: str, unit_of: Callable[[str], str]) -> dict[str, Any]:
    """Initial values by name, in plain numbers and arrays of their own."""
    if given is None:
        return {}
    result = {}
    for key, value in doors.mapping(given, what, "{'V': -65.0}").items():
        unit = unit_of(key)
        unit = unit_of(f"component.{key}") if unit == "1" else unit  # a name given in short
        result[key] = doors.values(value, f"{what}[{key!r}]", infinite=True, unit=unit)
    return result


def _checked_values(value: Any, what: str, unit: Callable[[], str], low: float = -math.inf) -> Any:
    """A weight or a delay: numbers, a distribution, or a function of the pair."""
    if callable(value) and not isinstance(value, Distribution | Stimulus | type) and not units.is_quantity(value):
        return value
    known = unit() if units.is_quantity(value) or low == 0 else "1"
    return doors.values(value, what, rank=(0, 1, 2), low=low, unit=known, one="edge")


def weight_unit(what: str, synapse: SynapseModel, targets: tuple[Population, ...]) -> str:
    """The unit of a weight.

    Raises:
        ParameterError: there are several.
    """
    input_units = {t.model.input_unit for t in targets}
    if len(input_units) > 1:
        raise ParameterError(
            f"{what} goes to populations whose inputs are in different units ({', '.join(sorted(input_units))}). Make one for each."
        )
    unit = input_units.pop()
    return {"conductance": f"({unit})/mV", "potential": "mV"}.get(synapse.weight, unit)


class Population:
    """Neurons of one model.

    Args:
        n: how many.
        model: the neuron model; its parameters are numbers, arrays `[n]` or
            distributions.
        initial: initial values by variable name, each a number, an array `[n]`
            or a distribution. A gate may be named in short (`"m"`) where one
            component alone has it.
        current: what is injected: a number, an array `[n]`, a function of t,
            or a stimulus.
        name: its name in results; by default made from the model's.

    Example:
        >>> import ranvier as rv
        >>> rv.Population(20, rv.neurons.HodgkinHuxley(), initial={"V": rv.normal(-65, 2)}, name="cells")
        <Population 'cells': 20 HodgkinHuxley>
    """

    def __init__(
        self,
        n: int,
        model: NeuronModel,
        *,
        initial: Mapping[str, Any] | None = None,
        current: Any = None,
        name: str | None = None,
    ):
        self.name = doors.name(name, "Population.name", "population")
        of = "Population" if name is None else f"Population {name!r}"
        self.n = doors.count(n, f"{of}.n")
        self.model: NeuronModel = doors.instance(model, f"{of}.model", NeuronModel, "rv.neurons.HodgkinHuxley()")
        self.initial = _checked_initial(initial, f"{of}.initial", self.model.unit_of)
        self.current: Stimulus | None = None
        if current is not None:
            if not self.model.takes_current:
                raise ParameterError(f"{of}.current moves nothing: no current is in the equations of {type(model).__name__}.")
            self.current = in_input_unit(as_stimulus(current, f"{of}.current"), self.model.input_unit, f"{of}.current")

    __iter__ = None  # it has indices, and is no list

    def __getitem__(self, chosen: Any) -> Subpopulation:
        """Some of its neurons: `exc[:240]`, `exc[[3, 5, 8]]`, or by a mask. Projections, inputs, records and results take them.

        Example:
            >>> import ranvier as rv
            >>> exc = rv.Population(1000, rv.neurons.LeakyIntegrateAndFire(), name="exc")
            >>> wire = rv.Projection(exc[:240], exc[240:], rv.synapses.Delta(), rv.connect.pairwise_bernoulli(0.1), name="wire")
            >>> edges = rv.Network(exc, wire).edges("wire")
            >>> int(edges.pre.max()) < 240 <= int(edges.post.min())
            True
        """
        return Subpopulation(self, chosen)

    def __repr__(self) -> str:
        return f"<Population {self.name or '(unnamed)'!r}: {self.n} {type(self.model).__name__}>"


class Projection:
    """Synapses of one model from one or several populations onto one or several.

    Args:
        source: the presynaptic population, some of its neurons, `exc[:240]`, or a list of such: their neurons are then counted
            through in that order. Several are for spikes that are delivered to a state of the target.
        target: the postsynaptic population, or a list of them; their neurons
            are then counted through in that order. Some neurons of one, too: rules, matrices, weights and
            functions of the pair then count these alone, from 0.
        synapse: the synapse model.
        connect: a rule from `rv.connect`, or a matrix `[targets, sources]`
            (rows postsynaptic), dense or SciPy sparse.
        weight: a number, an array with one weight an edge (in the order of the
            list where edges are given in one, else by target, then source), a
            column `[targets, 1]` or row `[1, sources]` or full matrix
            `[targets, sources]`, a distribution, or a function of the source's
            and the target's numbers, such as `lambda pre, post: 1 / (1 + abs(post - pre))`
            or `rv.connect.by_distance(…)`. In the unit that the synapse says: a
            conductance is in the target's input unit per mV (mS/cm² for a
            membrane per area, nS for pA, µS for nA).
        delay: from the spike to its arrival (ms), given likewise. A synapse that acts continuously (gap junctions, graded release,
            `SaturatingNMDA`) sends its targets what it sent so long ago; between the ends of steps that is taken as straight,
            so that the method is of second order in it, and before the start it is what it is then.
        initial: initial values of the synapse's variables.
        short_term_plasticity: how the amplitude of a spike depends on those before
            it, such as `rv.synapses.TsodyksMarkram()`; one state a source neuron.
        short_term_site: `"edge"` gives every synapse short-term plasticity of its own: the rule's parameters are then numbers, arrays with
            one value an edge, or distributions from which each edge draws.
        release: how a spike releases at random, such as `rv.synapses.VesicleRelease(sites=5, probability=0.3)`.
        plasticity: the rule by which weights change while the network runs, such as `rv.plasticity.PairSTDP(high=10.0)`. They are
            then state: recorded (`rv.Record(projection, "weight")`), kept in checkpoints, read by `run.edges`.
        structure: the rule by which synapses come and go while the network runs, such as `rv.plasticity.SynapticElements()`. They are then
            state: kept in checkpoints, read by `run.edges`; how many there are is recorded as `rv.Record(projection, "edges")`.
        dendritic_delay: of projections that learn: how long a signal takes between the synapse and the target's soma (ms), one number.
            `delay` is then the time to the synapse; there the target's spikes arrive this much later than they are fired, and
            what the synapse transmits arrives this much later at the soma.
        onto: the port of the target neurons that it reaches, where their model has several: `"dendrite"`. By default their `V`.
        site: overrides where the state lives (`"edge"` gives every synapse its own).
        share: whether states at the targets may be shared with projections and inputs of equal kinetics; False keeps
            them apart, so that they can be recorded alone.
        name: its name in results; by default `"source→target"`.

    Projections (and Poisson inputs) with equal synapses onto the same neurons share
    one state a neuron where the response is linear: the sum is what matters.

    Attributes:
        sources, targets: the populations.

    Example:
        >>> import ranvier as rv
        >>> lif = rv.neurons.LeakyIntegrateAndFire()
        >>> exc, inh = rv.Population(80, lif, name="exc"), rv.Population(20, lif, name="inh")
        >>> every = rv.Projection([exc, inh], [exc, inh], rv.synapses.Delta(), rv.connect.fixed_in_degree(10), name="every")
        >>> len(rv.Network(exc, inh, every).edges("every"))
        1000
    """

    def __init__(
        self,
        source: Population | Subpopulation | Sequence[Population | Subpopulation],
        target: Population | Subpopulation | Sequence[Population | Subpopulation],
        synapse: SynapseModel,
        connect: Any,
        *,
        weight: Any = 1.0,
        delay: Any = 0.0,
        initial: Mapping[str, Any] | None = None,
        short_term_plasticity: Any = None,
        short_term_site: str = "source",
        release: VesicleRelease | None = None,
        plasticity: PlasticityRule | None = None,
        structure: StructuralRule | None = None,
        dendritic_delay: Any = 0.0,
        onto: str | None = None,
        site: str | None = None,
        share: bool = True,
        name: str | None = None,
    ):
        self.name = doors.name(name, "Projection.name", "projection")
        of = "Projection" if name is None else f"Projection {name!r}"
        given_sources: Any = doors.instances(source, f"{of}.source", (Population, Subpopulation), "rv.Population(100, model)")
        self.sources = _each_once(given_sources, f"{of}.source")
        self.targets = _checked_targets(target, f"{of}.target", synapse)
        self.onto = _checked_port(onto, self.targets, f"{of}.onto")
        self.synapse: SynapseModel = doors.instance(synapse, f"{of}.synapse", SynapseModel, "rv.synapses.GradedGABA()")
        if site is not None:
            doors.choice(site, f"{of}.site", ("source", "target", "edge"))
        if site not in (None, synapse.site, "edge"):
            raise ParameterError(
                f"{type(synapse).__name__} keeps its state at the site {synapse.site!r}; it can be moved to 'edge' only, not to {site!r}."
            )
        if short_term_plasticity is not None:
            doors.instance(short_term_plasticity, f"{of}.short_term_plasticity", ShortTermPlasticity, "rv.synapses.TsodyksMarkram()")
            if not (synapse.event_driven and site != "edge" and synapse.site == "target"):
                raise ParameterError(
                    f"Projection.short_term_plasticity scales the spikes that are delivered to a state of the target; "
                    f"{type(synapse).__name__} {'acts continuously' if not synapse.event_driven else 'has its state elsewhere here'}. "
                    "Use a synapse such as rv.synapses.ExponentialCurrent()."
                )
        self.short_term_plasticity = short_term_plasticity
        self.short_term_site = doors.choice(short_term_site, f"{of}.short_term_site", ("source", "edge"))
        if short_term_site == "edge" and short_term_plasticity is None:
            raise ParameterError(f"{of}.short_term_site says where short_term_plasticity has its states, and there is none. Leave it out.")
        self.release = _checked_release(release, self, site, plasticity if structure is None else structure, of)
        if len(self.sources) > 1:
            _check_several(self, synapse, site, short_term_plasticity, structure if plasticity is None else plasticity, of)
        self.rule: ConnectionRule = connect if isinstance(connect, ConnectionRule) else _as_rule(connect)
        given_targets = list(target) if isinstance(target, list | tuple) else [target]
        chosen = [*given_sources, *given_targets]
        some = between(self.rule, given_sources, given_targets) if any(isinstance(one, Subpopulation) for one in chosen) else None
        self.rule = some or self.rule
        self.weight = _of_chosen(_checked_values(weight, f"{of}.weight", lambda: weight_unit(f"{of}.weight", synapse, self.targets)), some)
        self.delay = _of_chosen(_checked_values(delay, f"{of}.delay", lambda: "ms", 0.0), some)
        self.initial = _checked_initial(initial, f"{of}.initial", lambda v: synapse.variable_units.get(v, "1"))
        self.site = site or synapse.site
        if self.initial and self.site == "target" and any(isinstance(one, Subpopulation) for one in given_targets):
            raise ParameterError(
                f"{of}.initial would be that of all neurons of {given_targets[0]!r}'s population: the state at a target is a population's. "
                "Give it to a projection onto the whole population, or as initial of the run's state."
            )
        self.structure: StructuralRule | None = structure
        if structure is not None:
            doors.instance(structure, f"{of}.structure", StructuralRule, "rv.plasticity.SynapticElements()")
            unit = weight_unit(f"{of}.structure", synapse, self.targets)
            self.structure = in_input_unit(structure, unit, f"{of}.structure")
            plasticity = FixedWeights() if plasticity is None else plasticity
        self.plasticity = None if plasticity is None else _checked_plasticity(plasticity, self, of)
        self.dendritic_delay = doors.duration(dendritic_delay, f"{of}.dendritic_delay")
        if self.dendritic_delay and self.plasticity is None:
            raise ParameterError(f"{of}.dendritic_delay is for a projection that learns; else only the sum matters: add it to delay.")
        if self.dendritic_delay and self.plasticity is not None and by_potential(self.plasticity):
            raise ParameterError(
                f"{of}.dendritic_delay delays the target's spikes on their way to the synapse; {type(plasticity).__name__} sees its "
                "potential, at once. Leave it at 0."
            )
        self.share = doors.flag(share, f"{of}.share")

    @property
    def source(self) -> Population:
        """The population that it comes from; of several, the first."""
        return self.sources[0]

    def __repr__(self) -> str:
        sources, targets = (", ".join(map(repr, some)) for some in (self.sources, self.targets))
        return f"<Projection {self.name or '(unnamed)'!r}: {type(self.synapse).__name__} {sources} → {targets}>"


class PoissonInput:
    """Spikes from outside: each target neuron hears Poisson sources of its own.

    Args:
        target: the population, some of its neurons (`exc[:240]`), or a list of them.
        synapse: what the spikes are delivered to, shared with projections of equal kinetics.
        rate: of one source (Hz): a number, an array with one a target neuron, or a distribution; or what changes in time, a
            stimulus or a function of the time (ms) that gives one number, or one a target neuron. Below 0 it counts as 0.
        sources: how many there are for each target neuron: a number, or an array.
        weight: of one spike, in the unit that the synapse says: one number a population.
        correlation: of the counts of any two target neurons, from 0 to 1: this share of each one's spikes comes from sources that all
            of them hear. All then have one rate.
        onto: the port that it reaches, as of a `Projection`.
        name: its name; by default `"poisson→target"`.

    The sum of the sources is one Poisson process of rate `sources · rate`; the
    number of its spikes in a step is drawn for each neuron anew.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(100, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> drive = rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(tau=2.0), rate=10.0, sources=1000, weight=15.0)
        >>> bool(rv.simulate(rv.Network(cells, drive), duration=200.0, dt=0.1).spikes.rate.mean() > 1)
        True
        >>> rhythm = rv.stimuli.Sine(10.0, amplitude=10.0, frequency=4.0)
        >>> wave = rv.PoissonInput(cells, rv.synapses.Delta(), rate=rhythm, sources=1000, weight=0.1, correlation=0.2)
        >>> len(rv.simulate(rv.Network(cells, wave), duration=200.0, dt=0.1).spikes) > 0
        True
    """

    def __init__(
        self,
        target: Population | Subpopulation | Sequence[Population | Subpopulation],
        synapse: SynapseModel,
        *,
        rate: Any,
        sources: Any = 1,
        weight: Any = 1.0,
        correlation: Any = 0.0,
        onto: str | None = None,
        name: str | None = None,
    ):
        self.name = doors.name(name, "PoissonInput.name", "Poisson input")
        of = "PoissonInput" if name is None else f"PoissonInput {name!r}"
        self.targets = _checked_targets(target, f"{of}.target", synapse)
        self.onto = _checked_port(onto, self.targets, f"{of}.onto")
        self.synapse: SynapseModel = doors.instance(synapse, f"{of}.synapse", SynapseModel, "rv.synapses.Delta()")
        if not synapse.event_driven or synapse.site != "target":
            raise ParameterError(
                f"Poisson spikes are delivered to a state of the target; {type(synapse).__name__} has none that takes them. "
                "Use a synapse such as rv.synapses.ExponentialCurrent() or rv.synapses.Delta()."
            )
        self.rate = _checked_rate(rate, f"{of}.rate")
        self.sources = doors.values(sources, f"{of}.sources", low=0.0)
        given = list(target) if isinstance(target, list | tuple) else [target]
        if any(isinstance(one, Subpopulation) for one in given):
            self.rate, self.sources = _onto_chosen(self.rate, self.sources, given, of)
        unit = weight_unit(f"{of}.weight", synapse, self.targets) if units.is_quantity(weight) else "1"
        self.weight = doors.number(weight, f"{of}.weight", unit=unit, hint="One spike weighs as much as another.")
        self.correlation = doors.probability(correlation, f"{of}.correlation")

    def __repr__(self) -> str:
        return f"<PoissonInput {self.name or '(unnamed)'!r}: {type(self.synapse).__name__} → {', '.join(map(repr, self.targets))}>"


def _checked_port(onto: Any, targets: tuple[Population, ...], what: str) -> str:
    """The port that is reached, `""` for none by name.

    Raises:
        ParameterError: a target has none of that name.
    """
    if onto is None or (isinstance(onto, str) and onto == ""):
        return ""
    for target in targets:
        kind, ports = type(target.model).__name__, list(target.model.ports)
        if not isinstance(onto, str) or onto not in ports:
            hint = f"{kind} has {', '.join(map(repr, ports))}." if ports else f"{kind} has none: leave out onto."
            raise doors.refusal(what, onto, f"a port of {target!r}", hint)
    return str(onto)


def _checked_rate(rate: Any, what: str) -> Any:
    """The rate of a Poisson input: numbers, a distribution, or a stimulus in Hz."""
    changes = isinstance(rate, Stimulus) or (callable(rate) and not isinstance(rate, Distribution | type) and not units.is_quantity(rate))
    if not changes:
        return doors.values(rate, what, low=0.0, unit="Hz")
    stimulus = in_input_unit(as_stimulus(rate, what), "Hz", what)
    if stimulus.noise(0.0) is not None:
        raise ParameterError(f"{what} cannot have white noise: it would have no value at any time.")
    return stimulus


def _checked_plasticity(given: Any, projection: Projection, of: str) -> PlasticityRule:
    """A rule of plasticity, its bounds in the unit of the weights.

    Raises:
        ParameterError: it cannot go with this synapse.
    """
    rule: PlasticityRule = doors.instance(given, f"{of}.plasticity", PlasticityRule, "rv.plasticity.PairSTDP(high=10.0)")
    synapse = projection.synapse
    kind = type(synapse).__name__
    if not synapse.event_driven or projection.site != "target":
        why = "acts continuously" if not synapse.event_driven else "has its state at the edges here"
        raise ParameterError(
            f"{of}.plasticity changes weights at spikes that are delivered to a state of the target; {kind} {why}. "
            "Use a synapse such as rv.synapses.ExponentialCurrent(), and leave out `site`."
        )
    if len(projection.targets) > 1:
        raise ParameterError(f"{of}.plasticity: a projection that learns goes to one population. Make one projection for each.")
    return in_input_unit(rule, weight_unit(f"{of}.plasticity", synapse, projection.targets), f"{of}.plasticity")


def _checked_release(given: Any, projection: Projection, site: str | None, rule: Any, of: str) -> VesicleRelease | None:
    """How spikes release at random.

    Raises:
        ParameterError: it cannot go with this synapse, or with what changes its weights.
    """
    own = given is not None or projection.short_term_site == "edge"
    what = "release" if given is not None else "short_term_site='edge'"
    if own and rule is not None:
        raise ParameterError(f"{of}.{what} and {type(rule).__name__} cannot go together: give weights that stay, or leave it out.")
    if given is None:
        return None
    synapse = projection.synapse
    if not synapse.event_driven or (site or synapse.site) != "target":
        why = "acts continuously" if not synapse.event_driven else "has its state at the edges here"
        raise ParameterError(
            f"{of}.release is of spikes that are delivered to a state of the target; {type(synapse).__name__} {why}. "
            "Use a synapse such as rv.synapses.ExponentialCurrent(), and leave out `site`."
        )
    release: VesicleRelease = doors.instance(given, f"{of}.release", VesicleRelease, "rv.synapses.VesicleRelease(sites=5)")
    return release


def _check_several(projection: Projection, synapse: SynapseModel, site: str | None, short_term: Any, plasticity: Any, of: str) -> None:
    """Refuses what a projection from several populations cannot be.

    Raises:
        ParameterError: it has a state for each source, or each edge.
    """
    what = ""
    if not synapse.event_driven or (site or synapse.site) != "target":
        what = f"{type(synapse).__name__} has a state for each source or edge here"
    elif short_term is not None:
        what = "short_term_plasticity has a state for each source"
    elif projection.release is not None:
        what = "release belongs to the spikes of one"
    elif plasticity is not None:
        what = "plasticity has traces for each source"
    if what:
        names = " and ".join(repr(p.name or type(p.model).__name__) for p in projection.sources)
        raise ParameterError(f"{of}.source is several populations ({names}), but {what}. Make one projection for each.")


def _each_once(given: Any, what: str) -> tuple[Population, ...]:
    """The populations that something goes from or to.

    Raises:
        ParameterError: there is none, or one comes twice.
    """
    populations = tuple(map(_whole, given))
    if not populations:
        raise ParameterError(f"{what} is empty: it must be at least one population.")
    if len(set(map(id, populations))) != len(populations):
        raise ParameterError(f"{what} names one population twice.")
    return populations


def _whole(one: Population | Subpopulation) -> Population:
    """The population that something is of."""
    return one.population if isinstance(one, Subpopulation) else one


def _of_chosen(given: Any, some: Some | None) -> Any:
    """A weight or a delay that is given by the numbers of chosen neurons."""
    if some is None or isinstance(given, Distribution) or (not callable(given) and np.ndim(given) != 2):
        return given
    if not callable(given):
        shape = np.shape(given)
        if shape[0] not in (1, len(some.targets)) or shape[1] not in (1, len(some.sources)):
            raise ParameterError(
                f"The weights or delays have the shape {shape}, but {len(some.targets)} targets (rows) and "
                f"{len(some.sources)} sources (columns) are chosen."
            )
    return OfChosen(given, some.sources, some.targets)


def _onto_chosen(rate: Any, sources: Any, given: list[Any], of: str) -> tuple[Any, Any]:
    """Rates and numbers of Poisson sources for whole populations: none where a neuron is not chosen."""
    firsts = np.cumsum([0, *(_whole(one).n for one in given)])
    numbers = [one.neurons if isinstance(one, Subpopulation) else np.arange(one.n) for one in given]
    chosen = np.concatenate([first + some for first, some in zip(firsts, numbers, strict=False)])

    def spread(value: Any, what: str) -> Any:
        if np.ndim(value) and len(value) != len(chosen):
            raise ParameterError(f"{of}.{what} has {len(value)} values, but {len(chosen)} neurons are chosen.")
        everywhere = np.zeros(firsts[-1])
        everywhere[chosen] = value
        return everywhere

    if isinstance(sources, Distribution):
        raise ParameterError(f"{of}.sources cannot be drawn for some neurons of a population: give a number, or one a neuron.")
    rate = rate if isinstance(rate, Distribution | Stimulus) or not np.ndim(rate) else spread(rate, "rate")
    return rate, spread(sources, "sources")


def _as_rule(connect: Any) -> ConnectionRule:
    """What was given in place of a rule, as one."""
    try:
        return matrix(connect)
    except ParameterError as error:
        wanted = "a rule such as rv.connect.all_to_all(), or a matrix [targets, sources]"
        raise ParameterError(f"Projection.connect must be {wanted}. As a matrix it cannot be used: {error}") from None


def _checked_targets(target: Any, what: str, synapse: Any) -> tuple[Population, ...]:
    given: Any = doors.instances(target, what, (Population, Subpopulation), "rv.Population(100, model)")
    targets = _each_once(given, what)
    for population in targets:
        if not population.model.takes_input:
            raise ParameterError(f"{what} cannot be {population!r}: {type(population.model).__name__} takes no input.")
        if not population.model.takes_current and getattr(synapse, "weight", "potential") != "potential":
            name = type(population.model).__name__
            raise ParameterError(
                f"{what} cannot be {population!r}: no current is in the equations of {name}, only rv.synapses.Delta reaches it."
            )
        if population.model.membrane != "V" and getattr(synapse, "weight", "current") != "current":
            name, other = type(population.model).__name__, type(synapse).__name__
            raise ParameterError(
                f"{what} cannot be {population!r}: {name} has no membrane potential, which {other} acts on. "
                f"Use rv.synapses.GradedCurrent({population.model.membrane!r}) or rv.synapses.ExponentialCurrent()."
            )
    return targets


class Network:
    """Populations, the projections between them, and what drives them.

    Args:
        parts: `Population`s, `Projection`s and `PoissonInput`s, in any order.
        stands_for: for a population of the network, the one that records may
            name in its place.

    Raises:
        ParameterError: a part is neither, two have one name, or a projection
            goes to a population that is not part of the network.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(2, rv.neurons.BazhenovNeuron(), current=[10.0, 0.0], name="cells")
        >>> net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Cholinergic(), [[0, 0], [1, 0]], weight=0.35))
        >>> run = rv.simulate(net, duration=50.0)
    """

    def __init__(self, *parts: Population | Projection | PoissonInput, stands_for: Mapping[Population, Population] | None = None):
        for part in parts:
            if not isinstance(part, Population | Projection | PoissonInput):
                hint = "Give the parts themselves, not a list of them."
                raise doors.refusal("One of a Network's parts", part, "a population, a projection or a Poisson input", hint)
        if stands_for is not None and not isinstance(stands_for, Mapping):
            raise doors.refusal("Network.stands_for", stands_for, "a dict from populations of the network to others")
        populations = [p for p in parts if isinstance(p, Population)]
        projections = [p for p in parts if isinstance(p, Projection)]
        poisson = [p for p in parts if isinstance(p, PoissonInput)]
        if not populations:
            raise ParameterError("A network needs at least one population.")
        if len(set(map(id, parts))) != len(parts):
            raise ParameterError("A part of the network is given twice.")
        self.populations: dict[str, Population] = _named(populations, lambda p: _snake_case(type(p.model).__name__), "population")
        self._names = {id(p): name for name, p in self.populations.items()}
        wires: list[Projection | PoissonInput] = [*projections, *poisson]
        for wired in wires:
            for population in (*(wired.sources if isinstance(wired, Projection) else []), *wired.targets):
                if id(population) not in self._names:
                    raise ParameterError(
                        f"{wired!r} uses {population!r}, which is not part of the network. Give that population to rv.Network as well."
                    )
        self.projections: dict[str, Projection] = _named(
            projections, lambda p: "→".join("+".join(map(self.name_of, some)) for some in (p.sources, p.targets)), "projection"
        )
        self.poisson: dict[str, PoissonInput] = _named(
            poisson, lambda p: f"poisson→{'+'.join(self.name_of(t) for t in p.targets)}", "Poisson input"
        )
        names = [*self.populations, *self.projections, *self.poisson]
        shared = {name for name in names if names.count(name) > 1}
        if shared:
            raise ParameterError(f"Two parts of the network are both named {sorted(shared)[0]!r}.")
        self._names.update({id(p): name for name, p in (*self.projections.items(), *self.poisson.items())})
        self._stands_for = _checked_stand_ins(stands_for, populations)
        self._names.update({id(other): self._names[id(own)] for own, other in self._stands_for.items()})

    def name_also(self, others: Mapping[int, tuple[Any, Any]]) -> None:
        """Lets other parts stand for the network's own: `{id of the other: (the other, its own)}`."""
        self._also: Any = others  # kept, so that no id is given to something else
        self._names.update({key: self._names[id(own)] for key, (_, own) in others.items()})

    def stand_for(self, other: Network) -> None:
        """Lets the parts of another network, of the same names, stand for its own."""
        self._also = other  # kept, so that no id is given to something else
        self._names.update(other._names)

    def name_of(self, part: Population | Projection | PoissonInput) -> str:
        """The name that a part has in this network."""
        return self._names[id(part)]

    def find(self, part: Population | Projection | str) -> tuple[str, Population | Projection]:
        """A part by itself or by its name.

        Raises:
            UnknownNameError: there is none.
        """
        everything: dict[str, Population | Projection] = {**self.populations, **self.projections}
        name = part if isinstance(part, str) else self._names.get(id(part))
        if name not in everything:
            raise unknown("population or projection", name or repr(part), everything)
        return name, everything[name]

    def edges(self, projection: Projection | str, *, seed: int = 0, dt: float | None = None) -> ProjectionEdges:
        """Who is wired to whom, with which weights and delays: the edges of a projection, of any kind of synapse.

        Args:
            projection: itself, or its name.
            seed: of the run whose edges they are.
            dt: its step (ms); without one, delays are not rounded to steps.

        Raises:
            UnknownNameError: there is no such projection.

        Example:
            >>> import ranvier as rv
            >>> cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), name="cells")
            >>> net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Delta(), [[0, 1, 0], [0, 0, 2], [0, 0, 0]]))
            >>> edges = net.edges("cells→cells")
            >>> edges.pre.tolist(), edges.post.tolist(), edges.weight.tolist()
            ([1, 2], [0, 1], [1.0, 2.0])
        """
        from ranvier.network.edges import edges_of

        return edges_of(self, projection, seed=seed, dt=dt)

    def _repr_html_(self) -> str:
        from ranvier.plot.html import network_table

        return network_table(self)

    def __repr__(self) -> str:
        lines = [f"<Network of {sum(p.n for p in self.populations.values())} neurons"]
        lines += [f"  {name}: {p.n} {type(p.model).__name__}" for name, p in self.populations.items()]
        lines += [f"  {name}: {type(p.synapse).__name__}" for name, p in self.projections.items()]
        lines += [f"  {name}: {type(p.synapse).__name__}, Poisson" for name, p in self.poisson.items()]
        return "\n".join(lines) + ">"


def _checked_stand_ins(stands_for: Any, populations: list[Population]) -> dict[Population, Population]:
    if stands_for is None:
        return {}
    for own, other in stands_for.items():
        if not any(own is p for p in populations) or not isinstance(other, Population):
            raise doors.refusal("Network.stands_for", {own: other}, "a dict from populations of the network to others")
    return dict(stands_for)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _named(parts: list[Any], default: Any, kind: str) -> dict[str, Any]:
    """The parts by name; names that were not given are made, and numbered where they repeat."""
    result: dict[str, Any] = {}
    for part in parts:
        if part.name is not None and part.name in result:
            raise ParameterError(f"Two {kind}s are named {part.name!r}.")
        base = part.name or default(part)
        name, count = base, 1
        while name in result or (part.name is None and any(p.name == name for p in parts)):
            count += 1
            name = f"{base}_{count}"
        result[name] = part
    return result


def resized(net: Network, sizes: Mapping[str, int]) -> Network:
    """A network like another, with populations of other sizes: parts of the same names, which those of the other stand for.

    What has one value a neuron or an edge is left as it is: whoever asks for this has drawn the network before.
    """
    made: dict[int, Any] = {}

    def changed(part: Any, name: str, **values: Any) -> Any:
        new = copy.copy(part)
        for attribute, value in {"name": name, **values}.items():
            setattr(new, attribute, value)
        made[id(part)] = new
        return new

    those = lambda parts: tuple(made[id(part)] for part in parts)
    parts: list[Any] = [changed(p, name, n=sizes[name]) for name, p in net.populations.items()]
    parts += [changed(q, name, sources=those(q.sources), targets=those(q.targets)) for name, q in net.projections.items()]
    parts += [changed(r, name, targets=those(r.targets)) for name, r in net.poisson.items()]
    result = Network(*parts)
    result.stand_for(net)
    return result
