"""A warning where a layer is silent, or fires in every step: nothing is learnt there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ranvier.errors import warn
from ranvier.torch import arguments
from ranvier.torch.adex import AdEx
from ranvier.torch.arguments import checked
from ranvier.torch.bernoulli import AutoregressiveBernoulli, Bernoulli
from ranvier.torch.feedback import WithFeedback
from ranvier.torch.fuse import Fused
from ranvier.torch.izhikevich import Izhikevich
from ranvier.torch.lif import LIF
from ranvier.torch.recurrent import Recurrent

FIRING = (LIF, Izhikevich, AdEx, Bernoulli, AutoregressiveBernoulli, WithFeedback, Recurrent, Fused)


class FiringWarning(UserWarning):
    """A layer that does not fire, or does nothing else."""


@contextlib.contextmanager
def _watched(net: nn.Module) -> Iterator[None]:
    names: dict[nn.Module, str] = {module: name for name, module in net.named_modules() if isinstance(module, FIRING)}
    inner = {part for module in names for part in module.modules() if part is not module}

    def look(module: nn.Module, inputs: Any, outputs: Any) -> None:
        spikes, x = outputs[0].detach(), inputs[0].detach()
        name = f"Layer {names[module]!r} ({type(module).__name__})" if names[module] else type(module).__name__
        batch = f"in this batch, x of shape {list(x.shape)} from {float(x.min()):g} to {float(x.max()):g}"
        if not bool(spikes.any()):
            warn(f"{name} has not fired {batch}.{_reached(module, x)}", FiringWarning)
        elif bool((spikes != 0).all()):
            warn(f"{name} has fired in every step {batch}: lower its input, or raise its threshold.", FiringWarning)

    hooks = [module.register_forward_hook(look) for module in names if module not in inner]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _reached(module: nn.Module, x: Tensor) -> str:
    """What a constant input must exceed for a spike, where that is known."""
    advice = " Raise its input (the weights before it), lower its threshold, or add noise."
    if not isinstance(module, LIF) or module.input != "current":
        return advice
    needed = module.leak.least() * (module.threshold.least() - module.rest.most())
    return f" A constant input must be above leak·(threshold − rest) = {needed:g} for a spike.{advice}"


@checked(net=arguments.module)
def watch_firing(net: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Warns of layers that do not fire, or fire in every step, in what runs inside: their gradients are next to nothing.

    Args:
        net: a network, or one layer. What it is called with, as `net(x)`, is watched; it costs a look at every spike.

    Warns:
        FiringWarning: the layer by name, its input, and what a spike needs.

    Example:
        >>> import torch, ranvier.torch as rt, warnings
        >>> net = rt.Sequential(rt.LIF(3), rt.LIF(3))
        >>> with warnings.catch_warnings(record=True) as said, rt.watch_firing(net):
        ...     warnings.simplefilter("always")
        ...     y, state = net(torch.full((50, 2, 3), 0.9))
        >>> len(said), str(said[0].message)[:46]
        (2, "Layer '0' (LIF) has not fired in this batch, x")
    """
    return _watched(net)
