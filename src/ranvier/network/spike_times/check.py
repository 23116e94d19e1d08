"""What has spike times with exact derivatives here; the rest is refused by name."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.integrators.exact_linear import ExactLinear
from ranvier.network.draw import Drawn
from ranvier.network.layout import Layout
from ranvier.network.responses import responds
from ranvier.network.state import SimulationState
from ranvier.neurons.integrate_and_fire import LeakyIntegrateAndFire
from ranvier.stimuli.base import Constant
from ranvier.synapses.exponential import ExponentialCurrent

INSTEAD = "Take a surrogate instead: surrogate=rv.surrogates.FastSigmoid()."


def check_start(state: SimulationState) -> None:
    """Refuses a state with spikes on their way, as far as that is known.

    Raises:
        UnsupportedError: there are some.
    """
    known = [x for x in state.in_flight.values() if not isinstance(x, jax.core.Tracer)]
    if any(np.any(np.asarray(x)) for x in known):
        raise UnsupportedError(
            "surrogate=SpikeTimes() asks for a state without spikes in the last steps, such as sim.state(): "
            "those on their way have times, too."
        )


def check(layout: Layout, drawn: Drawn, records: Any) -> None:
    """Refuses what no exact spike times are known of.

    Raises:
        UnsupportedError: naming the first part.
    """
    refused = lambda why: UnsupportedError(f"surrogate=SpikeTimes(): {why} {INSTEAD}")
    if records:
        raise UnsupportedError(
            "surrogate=SpikeTimes() gives spike times and their derivatives, and nothing that is recorded. "
            "Prepare the network with record=[]."
        )
    for name, population in drawn.populations.items():
        facts, model = population.facts, type(population.model)
        if facts.fires == "given":
            continue
        if model is not LeakyIntegrateAndFire:
            raise refused(f"{name} is a {model.__name__}; spike times are differentiated of LeakyIntegrateAndFire and given sources.")
        if population.stimulus is not None and type(population.stimulus) is not Constant:
            raise refused(f"the current of {name} is a {type(population.stimulus).__name__}; it must be constant.")
        chosen = layout.chosen.groups[layout.plan.population(name).group].integrator
        if chosen is not None and not isinstance(chosen, ExactLinear):
            raise UnsupportedError(
                f"surrogate=SpikeTimes() goes with rv.ExactLinear(), whose steps are exact, and {name} has {type(chosen).__name__}. "
                "Leave out integrator."
            )
    for name in drawn.inputs:
        raise refused(f"{name} is a PoissonInput, whose spikes have no times of their own. Give it as a source with spike times, or:")
    for name, projection in drawn.projections.items():
        kind = type(projection.synapse)
        if responds(projection):
            raise refused(f"The edges of {name} answer each spike in their own way, which no adjoint is there for.")
        if projection.plasticity is not None or projection.short_term is not None:
            what = "learns" if projection.plasticity is not None else "has short-term plasticity"
            raise refused(f"{name} {what}, which no adjoint is there for.")
        if kind is not ExponentialCurrent or projection.site != "target":
            where = "" if kind is not ExponentialCurrent else f" with its states at the {projection.site}"
            raise refused(f"{name} is of {kind.__name__}{where}; it must be ExponentialCurrent, at the target.")
