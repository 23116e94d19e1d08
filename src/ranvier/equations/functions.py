"""The functions that equations may call: a list, and nothing beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ranvier.channels.base import ratio_to_expm1


@dataclasses.dataclass(frozen=True)
class Function:
    """A function of an equation.

    Attributes:
        call: what computes it, on JAX's arrays.
        arguments: how many it takes.
        takes: `"numbers"` without units, `"same"` for arguments of one unit that the result has too, `"any"` for one of any unit;
            `"condition"` for a comparison first and then two of one unit.
        power: of the argument's unit in the result, where it takes `"any"`.
    """

    call: Callable[..., Any]
    arguments: int = 1
    takes: str = "numbers"
    power: float = 0.0


def _as_number(condition: Any) -> Any:
    return jnp.where(condition, 1.0, 0.0) if jnp.asarray(condition).dtype == bool else jnp.trunc(condition)


_NUMBERS = "exp expm1 log log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan floor ceil"
FUNCTIONS = {
    **{name: Function(getattr(jnp, name)) for name in _NUMBERS.split()},
    "exprel": Function(lambda x: 1.0 / ratio_to_expm1(x)),
    "int": Function(_as_number),
    "sqrt": Function(jnp.sqrt, takes="any", power=0.5),
    "abs": Function(jnp.abs, takes="any", power=1.0),
    "sign": Function(jnp.sign, takes="any", power=0.0),
    "min": Function(jnp.minimum, 2, "same"),
    "max": Function(jnp.maximum, 2, "same"),
    "clip": Function(lambda x, low, high: jnp.minimum(jnp.maximum(x, low), high), 3, "same"),
    "where": Function(jnp.where, 3, "condition"),
}
OTHERS = {
    "asin": "Write arcsin.",
    "acos": "Write arccos.",
    "atan": "Write arctan.",
    "minimum": "Write min.",
    "maximum": "Write max.",
    "rand": "Nothing is drawn inside an equation. Noise is xi; to fire at random, give hazard=…, a rate.",
    "randn": "Nothing is drawn inside an equation. White noise is xi.",
    "poisson": "Nothing is drawn inside an equation. Poisson spikes are rv.PoissonInput.",
    "timestep": "Equations know no steps. Write t.",
}
"""What other programs have, and what to write here."""
CONSTANTS = {"pi": 3.141592653589793, "inf": float("inf"), "True": True, "False": False}
RESERVED = {
    "dt": "Equations know no steps: the integrator has dt.",
    "i": "A neuron's number is no part of its equations: give a parameter with one value a neuron.",
    "j": "A neuron's number is no part of its equations: give a parameter with one value a neuron.",
    "N": "How many there are is no part of the equations.",
    "lastspike": "Use a variable that the reset sets.",
    "not_refractory": "Write (unless refractory) behind the unit of what is held meanwhile.",
}
"""Names that mean something in other programs, and what to write here."""
