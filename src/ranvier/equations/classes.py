"""Classes made from text, by what they are made from: for stores, and other processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier.equations.program import Definition
from ranvier.errors import ParameterError


def class_of(entries: Mapping[str, Any]) -> type[Any]:
    """The class that a definition's entries describe: the text is read anew, and checked as when it was written.

    Raises:
        ParameterError: it is of no kind that is known.

    Example:
        >>> import ranvier as rv
        >>> Decay = rv.neurons.from_equations("dV/dt = -V / tau : mV", parameters={"tau": "10 ms"})
        >>> class_of(Decay.definition.entries()) is Decay
        True
    """
    from ranvier.equations import neuron, synapse

    definition = Definition.of(entries)
    makers: dict[str, Any] = {"neuron": neuron.made, "synapse": synapse.made}
    if definition.kind not in makers:
        raise ParameterError(f"There are no equations of a {definition.kind}.")
    return makers[definition.kind](definition)
