"""Feedback from a layer to itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ranvier.errors import ParameterError
from ranvier.torch import arguments, fused
from ranvier.torch.arguments import checked
from ranvier.torch.functional import LIFState
from ranvier.torch.layer import SpikingLayer, State, called, computing_dtype
from ranvier.torch.lif import LIF, AdaptiveLIF
from ranvier.torch.planned import PlannedLayer


class RecurrentState(NamedTuple):
    """The state of a `Recurrent` layer.

    Attributes:
        layer: the state of the layer inside.
        output: its output of the step before, `[B, …]`.
    """

    layer: State
    output: Tensor


class Recurrent(PlannedLayer):
    """A layer that its own output reaches one step later: `x[t] + connection(output[t − 1])`.

    Args:
        layer: a spiking layer whose output has the shape of its input.
        connection: what is between its output and its input: `nn.Linear(n, n)`, a convolution that keeps the shape …

    Example:
        >>> import torch, ranvier.torch as rt
        >>> layer = rt.Recurrent(rt.LIF(50), nn.Linear(50, 50, bias=False))
        >>> spikes, state = layer(torch.rand(100, 8, 50))
        >>> spikes.shape, state.output.shape
        (torch.Size([100, 8, 50]), torch.Size([8, 50]))
    """

    layer: Any
    connection: Any

    @checked(layer=arguments.instance(SpikingLayer, "rt.LIF(50)"), connection=arguments.module)
    def __init__(self, layer: SpikingLayer, connection: nn.Module):
        super().__init__()
        self.layer, self.connection, self.size = layer, connection, layer.size

    def initial_state(self, x: Tensor) -> RecurrentState:
        return RecurrentState(self.layer.initial_state(x), torch.zeros(x.shape, dtype=computing_dtype(x), device=x.device))

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        if state is None and (known := self._known()) is not None:
            of_connection = self._modules["connection"]._parameters  # type: ignore[union-attr]
            done = fused.quick.sequence(self, *known, x, of_connection["weight"], of_connection["bias"])
            if done is not None:
                return done
        return SpikingLayer.forward(self, x, state)

    @property
    def neurons(self) -> Any:
        return self.layer

    def _known(self) -> Any:
        if type(self) is not Recurrent or not self._connects_plainly():
            return None
        neurons: Any = self._modules["layer"]
        connection: Any = self._modules["connection"]
        weight, bias = connection._parameters.get("weight"), connection._parameters.get("bias")
        known = None if weight is None or "bias" not in connection._parameters else neurons._known()
        if known is None:  # or the matrix is made of something else
            return None
        key, tensors = known
        return (Recurrent, key, self.size, weight.shape, weight.dtype, None if bias is None else bias.dtype), tensors

    def _loops(self, x: Tensor) -> Any:
        state, neurons = self.initial_state(x[0]), self.layer
        weight, bias = self.connection.weight, self.connection.bias
        return fused.recurrent.from_rest(x, state.layer, state.output, weight, bias, **neurons.coefficients(x.dtype))

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, RecurrentState]:
        spikes = results[0]
        return spikes, RecurrentState(LIFState(*results[1:]), spikes.select(0, -1))

    def _connects_plainly(self) -> bool:
        """Whether it is leaky integrate-and-fire neurons with a matrix between them, and nobody listens."""
        neurons: Any = self._modules["layer"]
        connection: Any = self._modules["connection"]
        if torch.compiler.is_compiling() or type(neurons) not in (LIF, AdaptiveLIF) or type(connection) is not nn.Linear:
            return False
        return neurons.backend != "reference" and not (connection._forward_hooks or connection._forward_pre_hooks)

    def sequence(self, x: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        done = self._fused(x, state)
        return self.step_by_step(x, state) if done is None else done

    def _fused(self, x: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState] | None:
        """The whole sequence of leaky integrate-and-fire neurons with a matrix between them; None where it cannot be done so."""
        if not self._connects_plainly():
            return None
        neurons, weight, bias = self.layer, self.connection.weight, self.connection.bias
        if not fused.recurrent.fits(x, state.output, weight, bias, state.layer):
            return None
        arguments = {**neurons.coefficients(x.dtype), **neurons.draws(x)}
        drawn = arguments["noise"]
        if (drawn is not None and drawn.requires_grad) or fused.unsupported(x, state.layer, **arguments) is not None:
            return None
        spikes, after = fused.recurrent.sequence(x, state.layer, state.output, weight, bias, **arguments)
        return spikes, RecurrentState(after, spikes[-1])

    def step(self, x: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        back = called("Recurrent", "connection", self.connection, state.output)
        if back.shape != x.shape:
            raise ParameterError(f"Recurrent: connection returned the shape {list(back.shape)}, but x has {list(x.shape)}.")
        output, inner = self.layer.step(x + back.to(x.dtype), state.layer)
        return output, RecurrentState(inner, output.to(state.output.dtype))
