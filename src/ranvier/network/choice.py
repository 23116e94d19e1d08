"""Which integrator advances what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.integrators.base import Integrator
from ranvier.integrators.exact_linear import ExactLinear
from ranvier.integrators.exponential_euler import ExponentialEuler
from ranvier.integrators.per_population import PerPopulation
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.integrators.stochastic import EulerMaruyama
from ranvier.network.exact import changes_in_time, propagators, why_not_linear
from ranvier.network.integrate_and_fire import whole_step
from ranvier.network.plan import Built, GroupPlan, Plan, SynapsesPlan
from ranvier.network.spec import Network
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
            name, _ = net.find(part)
            if name not in net.populations:
                raise ParameterError(f"An integrator is for a population; {name!r} is a projection.")
            result[name] = _checked(its_own)
        return result
    return dict.fromkeys(net.populations, None if integrator is None else _checked(integrator))


def _checked(integrator: Any) -> Integrator:
    if not isinstance(integrator, Integrator):
        hint = f" Did you mean rv.{integrator.__name__}()?" if isinstance(integrator, type) else ""
        raise ParameterError(f"integrator must be an integrator such as rv.RungeKutta4(), not {integrator!r}.{hint}")
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


def _default(built: Built, group: GroupPlan) -> Integrator:
    if group.diffuses:
        return EulerMaruyama()
    acts = any(s.source in group.members and s.transmits for s in built.plan.synapses if s.source is not None)
    if not acts and not changes_in_time(built, group) and why_not_linear(built, group) is None:
        return ExactLinear()
    return RungeKutta4()


def _of(plan: Plan, group: GroupPlan) -> list[SynapsesPlan]:
    """The synapses that are advanced with a group: those at its neurons, and those that leave them."""
    return [s for s in plan.synapses if s.source in group.members or (s.site == "target" and s.targets[0][0] == group.name)]


def chosen(built: Built, given: Mapping[str, Integrator | None], dt: float) -> tuple[Built, Integrator]:
    """The integrator of a run, and the network with what that needs to know beforehand.

    Raises:
        UnsupportedError: an integrator cannot advance a population that it was given.
    """
    plan = built.plan
    each: dict[str, Integrator] = {}
    for group in plan.groups:
        if not group.moving and not any(s.moving for s in _of(plan, group)):
            continue  # there is nothing to advance
        integrator = given[group.members[0]]
        each[group.name] = _default(built, group) if integrator is None else integrator
        _check_fit(built, group, each[group.name])
    exact = {g.name: propagators(built, g, dt) for g in plan.groups if isinstance(each.get(g.name), ExactLinear)}
    built = dataclasses.replace(built, constants={**built.constants, "exact": exact})
    built = _with_whole_steps(built, each, dt)
    kinds = list(dict.fromkeys(each.values()))
    if len(kinds) < 2:
        return built, kinds[0] if kinds else ExactLinear()
    owners = lambda g: (g.name, *(s.name for s in _of(plan, g)))
    parts = tuple((kind, tuple(owner for g in plan.groups if each.get(g.name) == kind for owner in owners(g))) for kind in kinds)
    return built, PerPopulation(parts)


def _with_whole_steps(built: Built, each: Mapping[str, Integrator], dt: float) -> Built:
    """The network with those groups marked whose step one kernel takes as a whole."""
    steps = {}
    for group in built.plan.groups:
        if isinstance(each.get(group.name), ExactLinear | ExponentialEuler):
            steps[group.name] = whole_step(built, group, built.constants["exact"].get(group.name), dt)
    found = {name: step for name, step in steps.items() if step is not None}
    groups = tuple(dataclasses.replace(g, whole_step=found[g.name][0]) if g.name in found else g for g in built.plan.groups)
    numbers = {name: step[1] for name, step in found.items()}
    plan = dataclasses.replace(built.plan, groups=groups)
    return dataclasses.replace(built, plan=plan, constants={**built.constants, "whole_steps": numbers})


def _check_fit(built: Built, group: GroupPlan, integrator: Integrator) -> None:
    name, method = " and ".join(group.members), type(integrator).__name__
    if group.diffuses and "diffusion" not in integrator.needs:
        raise UnsupportedError(
            f"{method} would ignore the white noise in {name} ({type(built.constants['groups'][group.name]['model']).__name__}). "
            "Use a stochastic method such as rv.EulerMaruyama()."
        )
    if isinstance(integrator, ExactLinear):
        reason = why_not_linear(built, group)
        if reason is not None:
            raise UnsupportedError(f"ExactLinear cannot advance {name}: {reason}. Use rv.ExponentialEuler() or rv.RungeKutta4() for it.")
