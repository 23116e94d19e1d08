"""The parameters of the engine's neurons, for the layers made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.model import parameters
from ranvier.neurons.base import NeuronModel
from ranvier.random import Distribution
from ranvier.torch.arguments import shown


def parameters_of(model: Any, kind: type[NeuronModel]) -> dict[str, Any]:
    """The parameters of a neuron of that very class, by name.

    Raises:
        ParameterError: another class, or a parameter that is still a distribution.
    """
    if type(model) is not kind:
        given = type(model).__name__ if isinstance(model, NeuronModel) else shown(model)
        raise ParameterError(f"from_neuron: model must be an rv.neurons.{kind.__name__}, not {given}.")
    values = {name: value for name, _, value in parameters(model)}
    for name, value in values.items():
        if isinstance(value, Distribution):
            raise ParameterError(f"{kind.__name__}.{name} is a distribution: draw it first, and give an array.")
    return values


def membrane(values: dict[str, Any]) -> dict[str, Any]:
    """The membrane time constant in place of the capacitance, and the refractory period as a number."""
    return {"tau": values.pop("capacitance") / values["leak"], "refractory": one_refractory(values.pop("refractory"))}


def one_refractory(refractory: Any) -> float:
    """A refractory period, or an array of them that are all one, as a number."""
    periods = np.unique(refractory)
    if periods.size > 1:
        raise UnsupportedError("A layer has one refractory period; the neuron's `refractory` has several values.")
    return float(periods[0])
