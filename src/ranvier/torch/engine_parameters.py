"""The parameters of the engine's neurons, for the layers made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.model import parameters
from ranvier.neurons.base import NeuronModel
from ranvier.random import Distribution


def parameters_of(model: Any, kind: type[NeuronModel]) -> dict[str, Any]:
    """The parameters of a neuron of that very class, by name.

    Raises:
        ParameterError: another class, or a parameter that is still a distribution.
    """
    if type(model) is not kind:
        given = type(model).__name__ if isinstance(model, NeuronModel) else repr(model)
        raise ParameterError(f"from_neuron takes an rv.neurons.{kind.__name__}, not {given}.")
    values = {name: value for name, _, value in parameters(model)}
    for name, value in values.items():
        if isinstance(value, Distribution):
            raise ParameterError(f"{kind.__name__}.{name} is a distribution: draw it first, and give an array.")
    return values


def membrane(values: dict[str, Any]) -> dict[str, Any]:
    """The membrane time constant in place of the capacitance; an array of refractory periods that are all one as a number."""
    capacitance, refractory = values.pop("capacitance"), np.unique(values.pop("refractory"))
    if refractory.size > 1:
        raise UnsupportedError("A layer has one refractory period; the neuron's `refractory` has several values.")
    return {"tau": capacitance / values["leak"], "refractory": float(refractory[0])}


def refused_refractory(model: NeuronModel, refractory: Any) -> None:
    """Raises where a refractory period is given to a layer that has none."""
    if np.any(refractory):
        raise UnsupportedError(f"The layer made of {type(model).__name__} has no refractory period: give the neuron refractory=0.")
