"""Which integrator advances what, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, UnknownNameError, UnsupportedError
from ranvier.integrators.base import Integrator
from ranvier.integrators.exact_linear import ExactLinear
from ranvier.integrators.exponential_euler import ExponentialEuler
from ranvier.integrators.per_population import PerPopulation
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.integrators.stochastic import EulerMaruyama
from ranvier.kernels.dispatch import native_available
from ranvier.network.draw import Drawn
from ranvier.network.linearity import Exact, LocalSynapses, Neighbourhood, NotAffine, WholeStep, exact, whole_step
from ranvier.network.merged import stretches_onto
from ranvier.network.plan import EdgePlan, GroupPlan, MergedPlan, Plan, ReceptorPlan, ShortTermPlan, SourcePlan, SynapsesPlan
from ranvier.network.receptors import Receptor, receptor_synapse
from ranvier.network.spec import Network
from ranvier.network.stacked import Stacked
from ranvier.network.system import NetworkSystem


def by_population(net: Network, integrator: Any) -> dict[str, Integrator | None]:
    """The integrator that the user gave to each population, None where it is to be chosen.

    Raises:
        ParameterError, UnknownNameError: it is no integrator, or for no population of the network.
        UnsupportedError: a network cannot be advanced by it.
    """
    if isinstance(integrator, Mapping):
        result: dict[str, Integrator | None] = dict.fromkeys(net.populations)
        for part, its_own in integrator.items():
            try:
                name, _ = net.find(part)
            except UnknownNameError as error:
                raise UnknownNameError(f"integrator is a mapping from populations. {error}") from None
            if name not in net.populations:
                raise ParameterError(f"An integrator is for a population; {name!r} is a projection.")
            result[name] = _checked(its_own)
        return result
    return dict.fromkeys(net.populations, None if integrator is None else _checked(integrator))


def _checked(integrator: Any) -> Integrator:
    if not isinstance(integrator, Integrator):
        hint = f" Did you mean rv.{integrator.__name__}()?" if isinstance(integrator, type) else ""
        raise ParameterError(f"integrator must be an integrator such as rv.RungeKutta4(), not {doors.said(integrator)}.{hint}")
    if isinstance(integrator, PerPopulation):
        raise UnsupportedError(
            "PerPopulation is what simulate makes of a mapping; give it that: "
            "integrator={cells: rv.RungeKutta4(), 'relay': rv.ExactLinear()}."
        )
    for need in integrator.needs:
        if not hasattr(NetworkSystem, need) and not hasattr(NetworkSystem.array_library, need):
            raise UnsupportedError(f"{type(integrator).__name__} needs {need!r}, which the equations of a network do not offer.")
    if integrator.startup_steps:
        raise UnsupportedError(
            f"{type(integrator).__name__} remembers slopes, of which the first steps have fewer, "
            "and a network's loop has one kind of step. "
            "Use a Runge-Kutta method such as rv.RungeKutta4(); rv.odeint takes this one."
        )
    return integrator


@dataclasses.dataclass(frozen=True)
class Choice:
    """What advances a group.

    Attributes:
        integrator: the method; None where there is nothing to advance.
        why: why this one, where the user did not say.
        native: whether one kernel takes the whole step; `why_not_native` says why it does not.
    """

    integrator: Integrator | None
    why: str
    native: bool = False
    why_not_native: str = ""


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What advances a network: its plan with what the methods need, the method, and the choice for each group."""

    plan: Plan
    integrator: Integrator
    groups: Mapping[str, Choice]


def owned_by(plan: Plan, group: GroupPlan) -> list[SynapsesPlan]:
    """The synapses that are advanced with a group: those at its neurons, and those that leave them."""
    leaving = [s for s in plan.synapses if isinstance(s, SourcePlan | EdgePlan | ShortTermPlan) and s.source in group.members]
    together = [s for s in plan.synapses if isinstance(s, MergedPlan) and s.sources == group.name]
    return [*(s for s in plan.synapses if isinstance(s, ReceptorPlan) and s.group == group.name), *leaving, *together]


@dataclasses.dataclass(frozen=True)
class Linear:
    """What is known of a group's equations where the method needs it: their exact step, and the step that one kernel takes."""

    exact: Exact | None
    whole: WholeStep | None


def neighbourhood(plan: Plan, group: GroupPlan) -> Neighbourhood:
    """A group and the synapses whose states lie at it, for `linearity`."""
    return Neighbourhood(
        group=group.name,
        sizes=group.sizes,
        variables=group.variables,
        moving=group.moving,
        held=group.held,
        fires=group.fires,
        resets=group.resets,
        refractory=group.refractory,
        stimulated=any(group.stimulated),
        diffuses=group.diffuses,
        synapses=tuple(LocalSynapses(r.name, r.variables, r.moving, r.transmits) for r in plan.receptors_of(group.name)),
        elsewhere=_elsewhere(plan, group),
    )


def _elsewhere(plan: Plan, group: GroupPlan) -> tuple[tuple[str, str], ...]:
    """The projections that act on a group and have their states elsewhere, each with its site; of those computed as one, the first."""
    found = []
    for s in plan.synapses:
        here = next((name for name, _, _ in stretches_onto(plan, s, group.name)), None)
        if here is not None:
            site = s.site if isinstance(s, MergedPlan) else "source" if isinstance(s, SourcePlan) else "edge"
            found.append((here, site))
    return tuple(found)


def parameters_of(plan: Plan, group: GroupPlan, drawn: Drawn, receptors: Sequence[Receptor]) -> dict[str, Any]:
    """The parameters of a group and of the synapses at it, in double precision."""
    models = [drawn.populations[name].model for name in group.members]
    return {
        "model": Stacked.of(models, group.sizes),
        "synapses": {r.name: receptor_synapse(r, drawn) for r in receptors if r.group.name == group.name},
    }


def choose(plan: Plan, drawn: Drawn, receptors: Sequence[Receptor], given: Mapping[str, Integrator | None]) -> Chosen:
    """The integrator of a network.

    Raises:
        UnsupportedError: an integrator cannot advance a population that it was given.
    """
    choices: dict[str, Choice] = {}
    groups = []
    for group in plan.groups:
        choice, linear, pointwise = _choice(plan, group, drawn, receptors, given[group.members[0]])
        choices[group.name] = choice
        held = choice.integrator is not None and choice.integrator.holds_current
        groups.append(dataclasses.replace(group, linear=linear, held_current=held, pointwise=pointwise))
    plan = dataclasses.replace(plan, groups=tuple(groups))
    each = {name: c.integrator for name, c in choices.items() if c.integrator is not None}
    kinds = list(dict.fromkeys(each.values()))
    if len(kinds) < 2:
        return Chosen(plan, kinds[0] if kinds else ExactLinear(), choices)
    owners = lambda g: (g.name, *(s.name for s in owned_by(plan, g)))
    parts = tuple((kind, tuple(owner for g in plan.groups if each.get(g.name) == kind for owner in owners(g))) for kind in kinds)
    return Chosen(plan, PerPopulation(parts), choices)


def _choice(
    plan: Plan, group: GroupPlan, drawn: Drawn, receptors: Sequence[Receptor], given: Integrator | None
) -> tuple[Choice, Linear | None, bool]:
    if not group.moving and not any(s.moving for s in owned_by(plan, group)):
        return Choice(None, "", why_not_native="there is nothing to integrate"), None, False
    near, parts = neighbourhood(plan, group), parameters_of(plan, group, drawn, receptors)
    several = NotAffine("it has several compartments") if drawn.populations[group.members[0]].model.ports else None
    exactly = several or exact(near, parts)
    integrator, why = (given, "as you chose") if given is not None else _default(plan, group, drawn, exactly)
    _check_fit(group, integrator, drawn, exactly)
    apart = several.reason if several else _why_not_alone(plan, group)
    whole: WholeStep | NotAffine
    if apart or not isinstance(integrator, ExactLinear | ExponentialEuler):
        whole = NotAffine(apart or f"{type(integrator).__name__} asks for the equations within the step")
    else:
        whole = whole_step(near, parts, exactly=isinstance(integrator, ExactLinear))
    reason = whole.reason if isinstance(whole, NotAffine) else ""
    linear = Linear(
        exactly if isinstance(exactly, Exact) and isinstance(integrator, ExactLinear) else None,
        None if isinstance(whole, NotAffine) else whole,
    )
    pointwise = not apart and isinstance(whole, NotAffine) and not isinstance(integrator, ExactLinear) and _by_itself(plan, group, near)
    if not native_available():
        reason = "the native kernels are not there; the same step is computed by XLA"
    elif pointwise:
        reason = ""
    return Choice(integrator, why, not reason, reason), linear, pointwise


def _why_not_alone(plan: Plan, group: GroupPlan) -> str:
    """Why a group's step is not one function that integrates, holds, detects and resets; nothing where it may be."""
    reads = next((p for p in plan.plastic if p.group == group.name and p.sees), None)
    if reads is not None:
        return f"the rule of {reads.name} sees its state before the reset"
    return "its spikes are located within the step" if group.located else ""


def _by_itself(plan: Plan, group: GroupPlan, near: Neighbourhood) -> bool:
    """Whether what happens to a neuron in a step asks for nothing but its own state and that of the synapses at it."""
    leaving = (s for s in owned_by(plan, group) if not isinstance(s, ReceptorPlan))
    alone = not near.elsewhere and not near.diffuses and not any(s.moving for s in leaving)
    return alone and bool(group.moving) and group.fires == "test" and group.resets


def _default(plan: Plan, group: GroupPlan, drawn: Drawn, exactly: Exact | NotAffine) -> tuple[Integrator, str]:
    if group.diffuses:
        return EulerMaruyama(), "white noise drives its variables"
    if isinstance(exactly, NotAffine):
        return RungeKutta4(), exactly.reason
    acts = next((s.name for s in owned_by(plan, group) if isinstance(s, SourcePlan | EdgePlan | MergedPlan) and s.transmits), None)
    if acts is not None:
        return RungeKutta4(), f"{acts} acts from it continuously"
    facts = (drawn.populations[name].stimulus_facts for name in group.members)
    if any(f is not None and f.changes for f in facts):
        return RungeKutta4(), "its current may change within a step"
    return ExactLinear(), "its equations are linear"


def _check_fit(group: GroupPlan, integrator: Integrator, drawn: Drawn, exactly: Exact | NotAffine) -> None:
    name, method = " and ".join(group.members), type(integrator).__name__
    if group.diffuses and "diffusion" not in integrator.needs:
        raise UnsupportedError(
            f"{method} would ignore the white noise in {name} ({type(drawn.populations[group.members[0]].model).__name__}). "
            "Use a stochastic method such as rv.EulerMaruyama()."
        )
    if isinstance(integrator, ExactLinear) and isinstance(exactly, NotAffine):
        raise UnsupportedError(
            f"ExactLinear cannot advance {name}, whose equations are not linear: {exactly.reason}. "
            "Use rv.ExponentialEuler() or rv.RungeKutta4() for it."
        )


def linear_numbers(plan: Plan, group: GroupPlan, drawn: Drawn, receptors: Sequence[Receptor], dtype: str) -> Any:
    """The numbers of a group's exact or whole step."""
    if group.linear is None:
        return None
    step = group.linear.whole or group.linear.exact
    return None if step is None else step.numbers(parameters_of(plan, group, drawn, receptors), drawn.dt, np.dtype(dtype))
