"""A network of the engine inside a PyTorch model: tensors in and out through DLPack, gradients through JAX."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor

from ranvier.errors import ParameterError, UnsupportedError, unknown
from ranvier.integrators.base import Integrator
from ranvier.model import INPUT, parameter
from ranvier.network.spec import Network
from ranvier.network.step import Stepper
from ranvier.network.surrogate import SurrogateStepper, check_plan, without_whole_steps
from ranvier.simulation import prepare
from ranvier.stimuli.base import Stimulus
from ranvier.surrogates import Surrogate
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer

SPIKES = "spikes"


class TensorCurrent(Stimulus):
    """The current of a population that an `rt.EngineNetwork` sets anew in each step. Alone it is `values`.

    Args:
        values: one a neuron.
    """

    equations = "I(t) = what the layer gets in the step of t"

    values: Any = parameter(0.0, unit=INPUT, text="the current of this step, (neuron)", per="sample")

    def __call__(self, t: Any) -> Any:
        return jnp.asarray(self.values)


class EngineNetwork(SpikingLayer):
    """A network of the engine as a layer: currents into one population in, a variable of a population out.

    Each step of the layer is one step of the network, `dt`. Values and gradients are those of JAX, in double precision,
    on the CPU. The gradient is exact for what the state passes on; a spike itself, a comparison, passes none, unless a
    surrogate stands in for its derivative. Draws are those of `seed`.

    What it costs: tensors pass through DLPack, without a copy where they are contiguous double-precision CPU tensors.
    A call compiles once for each shape of the input. The backward pass runs the sequence again and keeps the state of
    every step of it, `T` times the size of the network's state and batch.

    Args:
        network: an `rv.Network` with exactly one population whose `current` is `rt.TensorCurrent()`.
        output: the population whose variable comes out.
        variable: its name; `"spikes"`, 1 or 0, where there is a surrogate.
        dt: the time step (ms).
        integrator: as of `rv.simulate`.
        seed: as of `rv.simulate`.
        surrogate: what stands in for the derivative of a spike, such as `rv.surrogates.FastSigmoid()`. The values are the same.

    The state is a tuple of tensors `[B, …]`, all that evolves.

    Example:
        >>> import torch, ranvier as rv, ranvier.torch as rt
        >>> cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), current=rt.TensorCurrent(), name="cells")
        >>> layer = rt.EngineNetwork(rv.Network(cells), output="cells", dt=0.1)
        >>> x = torch.full((20, 2, 3), 100.0, dtype=torch.float64, requires_grad=True)
        >>> v, state = layer(x)
        >>> v.shape, round(v[-1, 0, 0].item(), 4)            # −60 + 10·(1 − exp(−2/20))
        (torch.Size([20, 2, 3]), -59.0484)
        >>> v[-1].sum().backward()
        >>> round(x.grad.sum().item(), 4)
        0.0571
    """

    @checked(
        network=arguments.instance(Network, "rv.Network(cells)"),
        output=arguments.text,
        variable=arguments.text,
        dt=arguments.time_step,
        integrator=arguments.optional(arguments.instance(Integrator, "rv.RungeKutta4()")),
        seed=arguments.seed,
        surrogate=arguments.optional(arguments.instance(Surrogate, "rv.surrogates.FastSigmoid()")),
    )
    def __init__(
        self,
        network: Network,
        *,
        output: str,
        variable: str = "V",
        dt: float = 0.1,
        integrator: Integrator | None = None,
        seed: int = 0,
        surrogate: Surrogate | None = None,
    ):
        super().__init__()
        driven = [p for p in network.populations.values() if isinstance(p.current, TensorCurrent)]
        if len(driven) != 1:
            raise ParameterError(
                f"EngineNetwork: {len(driven)} populations of the network have current=rt.TensorCurrent(), but it must be exactly one."
            )
        if output not in network.populations:
            raise unknown("population for EngineNetwork.output", output, network.populations)
        self.dt, self.size, self.output, self.variable = dt, (driven[0].n,), output, variable
        self._sim = prepare(network, dt=dt, integrator=integrator, seed=seed)
        self._integrator, start = self._sim.layout.integrator, self._sim.state()
        if variable == SPIKES and surrogate is None:
            raise ParameterError(
                "EngineNetwork: spikes pass no gradient without a surrogate; give surrogate=rv.surrogates.FastSigmoid(), "
                "or another variable of the population."
            )
        if variable != SPIKES and variable not in start.neurons[output]:
            raise unknown(f"variable of {output!r}", variable, [*start.neurons[output], SPIKES])
        self.surrogate, self._plan = surrogate, self._sim.layout.plan
        if surrogate is not None:
            check_plan(self._plan)
            self._plan = without_whole_steps(self._plan)
        if type(self._integrator).init is not Integrator.init:
            raise UnsupportedError(f"EngineNetwork: {type(self._integrator).__name__} remembers earlier steps; use rv.RungeKutta4().")
        self._start, self._structure = jax.tree.flatten(start)
        self._forward = jax.jit(jax.vmap(self._run, in_axes=(1, 0), out_axes=(1, 0)))
        self._backward = jax.jit(self._pulled_back)

    def _run(self, currents: Any, state: list[Any]) -> tuple[Any, list[Any]]:
        """One sample: currents `[T, n]` and the leaves of a state, to a variable `[T, m]` and the leaves after."""
        given, _ = self._sim.constants_of(self._sim.drawn)
        outside, output = self._sim.layout.outside(self._sim.drawn), self._plan.population(self.output)
        kind = Stepper if self.surrogate is None else functools.partial(SurrogateStepper, surrogate=self.surrogate)

        def stepper(current: Any) -> Stepper:
            set_to = functools.partial(_set_current, current=current)
            constants = jax.tree.map(set_to, given, is_leaf=lambda leaf: isinstance(leaf, TensorCurrent))
            return kind(self._plan, constants, self._integrator, not self._integrator.by_name, outside, everywhere=True)

        def step(carried: Any, current: Any) -> tuple[Any, Any]:
            at = stepper(current)
            after, spiked = at.step(carried)
            if self.variable == SPIKES:
                return after, spiked[output.first : output.first + output.n].astype(currents.dtype)
            return after, at.leave(after).neurons[self.output][self.variable]

        ends = stepper(currents[0])
        entered = jax.tree.map(jnp.asarray, ends.enter(jax.tree.unflatten(self._structure, state)))
        last, rows = jax.lax.scan(step, entered, currents)
        return rows, jax.tree.leaves(ends.leave(last))

    def _pulled_back(self, currents: Any, state: list[Any], of_rows: Any, of_last: list[Any]) -> tuple[Any, list[Any]]:
        """The gradients of the currents and of the state's floating leaves, the others' being zero."""
        floating = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in state]

        def run(currents: Any, moving: list[Any]) -> tuple[Any, list[Any]]:
            each = iter(moving)
            whole = [next(each) if is_float else leaf for leaf, is_float in zip(state, floating, strict=True)]
            rows, last = jax.vmap(self._run, in_axes=(1, 0), out_axes=(1, 0))(currents, whole)
            return rows, [leaf for leaf, is_float in zip(last, floating, strict=True) if is_float]

        moving = [leaf for leaf, is_float in zip(state, floating, strict=True) if is_float]
        _, pull = jax.vjp(run, currents, moving)
        of_currents, of_moving = pull((of_rows, [g for g, is_float in zip(of_last, floating, strict=True) if is_float]))
        each = iter(of_moving)
        return of_currents, [next(each) if is_float else jnp.zeros_like(leaf) for leaf, is_float in zip(state, floating, strict=True)]

    def initial_state(self, x: Tensor) -> tuple[Tensor, ...]:
        batch = x.shape[:-1]
        start = (torch.as_tensor(np.array(leaf)) for leaf in self._start)
        return tuple(leaf.expand((*batch, *leaf.shape)).clone() for leaf in start)

    def step(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        rows, after = self.sequence(x[None], state)
        return rows[0], after

    def sequence(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        if x.device.type != "cpu":
            raise ParameterError(f"EngineNetwork: x is on {x.device}; the engine's layer runs on the CPU: give x.cpu().")
        batch = x.shape[1:-1]
        flat = x.double().reshape(len(x), -1, x.shape[-1])
        rows, *after = _ThroughJax.apply(self, flat, *(s.reshape((flat.shape[1], *s.shape[len(batch) :])) for s in state))
        rows = rows.reshape(len(x), *batch, -1).to(x.dtype)
        return rows, tuple(a.reshape((*batch, *a.shape[1:])) for a in after)


class _ThroughJax(torch.autograd.Function):
    """The compiled sequence forward, its compiled pull-back backward."""

    @staticmethod
    def forward(ctx: Any, layer: EngineNetwork, x: Tensor, *state: Tensor) -> Any:
        ctx.layer = layer
        ctx.save_for_backward(x, *state)
        with jax.enable_x64(True):
            rows, last = layer._forward(_to_jax(x), [_to_jax(s) for s in state])
            outputs = (_to_torch(rows), *(_to_torch(leaf) for leaf in last))
        ctx.mark_non_differentiable(*(o for o in outputs if not o.is_floating_point()))
        return outputs

    @staticmethod
    def backward(ctx: Any, of_rows: Tensor, *of_last: Tensor) -> Any:
        x, *state = ctx.saved_tensors
        with jax.enable_x64(True):
            of_x, of_state = ctx.layer._backward(_to_jax(x), [_to_jax(s) for s in state], _to_jax(of_rows), [_to_jax(g) for g in of_last])
            gradients = [_to_torch(g) if s.is_floating_point() else None for g, s in zip(of_state, state, strict=True)]
            return None, _to_torch(of_x), *gradients


def _to_jax(tensor: Tensor) -> Any:
    return jax.dlpack.from_dlpack(tensor.detach().contiguous())


def _to_torch(array: Any) -> Tensor:
    return torch.from_dlpack(array)


def _set_current(leaf: Any, *, current: Any) -> Any:
    if not isinstance(leaf, TensorCurrent):
        return leaf
    return leaf.with_values({"values": current})
