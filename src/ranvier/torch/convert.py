"""Layers made of other libraries' neurons, with the same spikes."""

from __future__ import annotations

import math
from typing import Any

import torch

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.current_lif import CurrentLIF, charge
from ranvier.torch.lif import LIF


@checked(leaky=arguments.anything, dt=arguments.time_step)
def from_snntorch(leaky: Any, *, dt: float) -> LIF:
    """snnTorch's `Leaky` as an `rt.LIF`: `mem = beta·mem + x`, a spike where `mem > threshold`.

    | snnTorch `Leaky` | `rt.LIF` |
    |---|---|
    | `beta` | `tau = −dt / ln(beta)`, `input="impulse"` |
    | `threshold` | `threshold` |
    | `reset_mechanism="subtract"`, `"zero"` | `reset_by="subtraction"`; `reset_by="value", reset=0` |
    | `reset_delay=False` | always: a spike resets in its own step |
    | `reset_delay=True` (its default) | refused: the reset comes a step late, after the leak |
    | `reset_mechanism="none"`, `inhibition`, `graded_spikes_factor`, `state_quant` | refused |

    Args:
        leaky: an `snntorch.Leaky`.
        dt: the time step that its beta is for (ms).
    """
    if not all(hasattr(leaky, name) for name in ("beta", "threshold", "reset_mechanism", "inhibition", "state_quant")):
        raise ParameterError(f"from_snntorch: leaky must be an snntorch.Leaky, not {arguments.shown(leaky)}.")
    refused = {
        "reset_delay=True": getattr(leaky, "reset_delay", False),
        "reset_mechanism='none'": leaky.reset_mechanism == "none",
        "inhibition": leaky.inhibition,
        "state_quant": leaky.state_quant,
        "graded_spikes_factor": bool((torch.as_tensor(leaky.graded_spikes_factor) != 1).any()),
    }
    for name, has in refused.items():
        if has:
            raise UnsupportedError(f"from_snntorch: rt.LIF has no {name}.")
    beta = torch.as_tensor(leaky.beta).detach().double()
    if not bool(((beta > 0) & (beta < 1)).all()):
        raise ParameterError("from_snntorch: beta must be above 0 and below 1.")
    by = {"subtract": "subtraction", "zero": "value"}[leaky.reset_mechanism]
    return LIF(
        tau=number(-dt / torch.log(beta)), dt=dt, threshold=number(leaky.threshold), reset_by=by, input="impulse", dtype=torch.float64
    )


@checked(cell=arguments.anything)
def from_norse(cell: Any) -> CurrentLIF:
    """Norse's `LIFCell` as an `rt.CurrentLIF`.

    | Norse `LIFParameters` (1/s), dt (s) | `rt.CurrentLIF` (ms) |
    |---|---|
    | `tau_mem_inv`, by Euler: `1 − dt·tau_mem_inv` is left after a step | `tau = −dt / ln(1 − dt·tau_mem_inv)` |
    | `tau_syn_inv`, by Euler | `synapse_tau = −dt / ln(1 − dt·tau_syn_inv)` |
    | `v_leak`, `v_th`, `v_reset` | `rest`, `threshold`, `reset` |
    | a step moves the potential by `dt·tau_mem_inv·i` | `leak`, so that it moves as far |

    Args:
        cell: a `norse.torch.LIFCell`, or another module with its parameters `p` and step `dt`.
    """
    if not hasattr(cell, "dt") or not hasattr(getattr(cell, "p", None), "tau_mem_inv"):
        raise ParameterError(f"from_norse: cell must be a norse.torch.LIFCell, not {arguments.shown(cell)}.")
    p, dt = cell.p, 1e3 * float(cell.dt)
    gone = {name: 1e-3 * dt * torch.as_tensor(getattr(p, name)).detach().double() for name in ("tau_mem_inv", "tau_syn_inv")}
    for name, value in gone.items():
        if not bool(((value > 0) & (value < 1)).all()):
            raise ParameterError(f"from_norse: dt·{name} must be above 0 and below 1.")
    tau, synapse = (-dt / torch.log(1 - value) for value in gone.values())
    return CurrentLIF(
        tau=number(tau),
        synapse_tau=number(synapse),
        dt=dt,
        leak=number(charge(dt, tau, synapse) / gone["tau_mem_inv"]),
        rest=number(p.v_leak),
        threshold=number(p.v_th),
        reset=number(p.v_reset),
        dtype=torch.float64,
    )


def number(value: Any) -> Any:
    """A tensor with one value as a number."""
    value = torch.as_tensor(value).detach()
    return value.item() if value.numel() == 1 and math.isfinite(value.item()) else value
