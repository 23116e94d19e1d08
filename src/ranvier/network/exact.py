"""Linear equations of a group of neurons, found by differentiation, and their exact propagators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.network.dependence import depends, elementwise
from ranvier.network.plan import Built, GroupPlan, Plan, SynapsesPlan
from ranvier.neurons.base import Inputs

Name = tuple[str, str]
"""(group or synapses, variable)"""

INPUT, CONSTANT = "(input)", "(constant)"


def reaching(plan: Plan, group: GroupPlan) -> list[SynapsesPlan]:
    """The synapses whose states lie at a group's neurons."""
    return [s for s in plan.synapses if s.site == "target" and s.targets[0][0] == group.name]


def equations(built: Built, group: GroupPlan) -> tuple[list[Name], Callable[..., dict[Name, Any]]]:
    """All variables at a group's neurons, and the function from them, the injected current and the time to their derivatives."""
    plan, constants = built.plan, built.constants
    mine = reaching(plan, group)
    names = [(group.name, v) for v in group.variables] + [(s.name, v) for s in mine for v in s.variables]
    model = constants["groups"][group.name]["model"]

    def derivatives(values: dict[Name, Any], current: Any, t: Any) -> dict[Name, Any]:
        own = {v: values[group.name, v] for v in group.variables}
        conductance, offset, conducts = jnp.zeros(group.n), current, False
        result: dict[Name, Any] = {}
        for s in mine:
            synapse = constants["synapses"][s.name]["synapse"]
            states = {v: values[s.name, v] for v in s.variables}
            if s.transmits:
                g, i = synapse.membrane_input(synapse.transmit(states, None, t), own["V"])
                offset = offset + i
                if not (isinstance(g, float) and g == 0.0):
                    conductance, conducts = conductance + g, True
            result.update({(s.name, v): x for v, x in synapse.derivatives(states, None, t).items()})
        rates = model.derivatives(own, Inputs(conductance, offset, conducts=conducts), t)
        result.update({(group.name, v): x for v, x in rates.items()})
        return {name: jnp.broadcast_to(result.get(name, 0.0), (group.n,)) for name in names}

    return names, derivatives


def acting_continuously(plan: Plan, group: GroupPlan) -> SynapsesPlan | None:
    """Synapses that act on a group without spikes, from states that are not at its neurons."""
    onto = (s for s in plan.synapses if s.site != "target" and s.transmits and any(target == group.name for target, _, _ in s.targets))
    return next(onto, None)


def why_not_linear(built: Built, group: GroupPlan) -> str | None:
    """Why a group cannot be advanced exactly, or None where it can."""
    s = acting_continuously(built.plan, group)
    if s is not None:
        return f"{s.name} acts on it continuously, from states at its {'sources' if s.site == 'source' else 'edges'}"
    if group.diffuses:
        return "white noise drives its variables"
    names, derivatives = equations(built, group)
    if not names:
        return None
    zeros = {name: jnp.zeros(group.n) for name in names}
    current, t = jnp.zeros(group.n), jnp.zeros(())

    def slopes(values: dict[Name, Any], current: Any, t: Any) -> Any:
        ones = {name: jnp.ones_like(x) for name, x in values.items()}
        turned = [{n: ones[n] if n == name else 0.0 * ones[n] for n in names} for name in names]
        of_state = [jax.jvp(lambda v: derivatives(v, current, t), (values,), (turn,))[1] for turn in turned]
        return of_state, jax.jvp(lambda i: derivatives(values, i, t), (current,), (jnp.ones_like(current),))[1]

    count = len(names)
    traced = jax.make_jaxpr(derivatives)(zeros, current, t)
    if not elementwise(traced):
        return "its equations look across neurons"
    if depends(jax.make_jaxpr(slopes)(zeros, current, t), set(range(count + 1))):
        return "its equations are not linear in its variables"
    if depends(traced, {count + 1}):
        return "its equations change in time"
    return None


def changes_in_time(built: Built, group: GroupPlan) -> bool:
    """Whether a current into a group may change within a step."""
    t = jnp.zeros(())
    stimuli = [s for s in built.constants["groups"][group.name]["stimuli"] if s is not None]
    return any(depends(jax.make_jaxpr(stimulus)(t), {0}) for stimulus in stimuli)


def propagators(built: Built, group: GroupPlan, dt: float) -> dict[str, dict[str, Any]]:
    """For each variable of a group what it is made of after a step: `{row: {column: coefficient}}`.

    A coefficient is a number, or an array `[n]` where neurons differ; those that
    are zero are left out. Rows and columns are `"owner variable"`.

    Raises:
        ArithmeticError: the equations turn out not to be linear when evaluated.
    """
    import scipy.linalg

    names, derivatives = equations(built, group)
    if not names or group.n == 0:
        return {}
    size = len(names)
    zeros = {name: np.zeros(group.n) for name in names}
    nothing, ones, t = np.zeros(group.n), np.ones(group.n), np.float64(0.0)
    rows = lambda result: np.stack([np.asarray(result[name], np.float64) for name in names], axis=1)
    slope = lambda values, current: jax.jvp(lambda v, i: derivatives(v, i, t), (zeros, nothing), (values, current))[1]
    matrix = np.zeros((group.n, size + 2, size + 2))
    matrix[:, :size, :size] = np.stack([rows(slope({**zeros, name: ones}, nothing)) for name in names], axis=2)
    matrix[:, :size, size] = rows(slope(zeros, ones))
    matrix[:, :size, size + 1] = rows(derivatives(zeros, nothing, t))
    _check_linear(derivatives, names, matrix, rows, t)
    different, which = np.unique(matrix.reshape(group.n, -1), axis=0, return_inverse=True)
    step = scipy.linalg.expm(different.reshape(-1, size + 2, size + 2) * dt)
    labels = [" ".join(name) for name in names] + [INPUT, CONSTANT]
    moving = {*((group.name, v) for v in group.moving), *((s.name, v) for s in reaching(built.plan, group) for v in s.moving)}
    result: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(names):
        if name in moving:
            entries = {labels[j]: step[:, i, j] for j in range(size + 2) if step[:, i, j].any()}
            one = {k: x[0] if len(different) == 1 or (x == x[0]).all() else x[which.reshape(-1)] for k, x in entries.items()}
            result[labels[i]] = {k: np.asarray(x, built.plan.dtype) for k, x in one.items()}
    return result


def _check_linear(compute: Any, names: list[Name], matrix: np.ndarray, rows: Any, t: Any) -> None:
    size = len(names)
    at = {name: np.linspace(-1.5, 2.0, len(matrix)) * (i + 1) for i, name in enumerate(names)}
    vector = np.concatenate([rows(at), np.full((len(matrix), 1), 0.7), np.ones((len(matrix), 1))], axis=1)
    expected = np.einsum("nij,nj->ni", matrix[:, :size], vector)
    found = rows(compute(at, np.full(len(matrix), 0.7), t))
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max(initial=0.0))):
        raise ArithmeticError("the equations are not linear")
