"""Leaky integrate-and-fire neurons over a whole sequence, fused."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ranvier.errors import UnsupportedError
from ranvier.torch.functional import DEFAULT_SURROGATE, LIFState
from ranvier.torch.fused import direct, native, triton
from ranvier.torch.fused.operator import differentiable_lif_sequence
from ranvier.torch.fused.problem import CHUNK, ROWS, SURROGATES, LIFProblem
from ranvier.torch.surrogate import Surrogate

_DEFAULTS = {"rest": 0.0, "threshold": 1.0, "reset": 0.0, "threshold_decay": 1.0, "threshold_jump": 0.0, "slope": 1.0}


def lif_sequence(
    x: Tensor,
    state: LIFState,
    *,
    noise: Tensor | None = None,
    uniform: Tensor | None = None,
    reset_by_subtraction: bool = False,
    refractory: Tensor | int = 0,
    threshold_min: float = -math.inf,
    threshold_max: float = math.inf,
    surrogate: Surrogate = DEFAULT_SURROGATE,
    detach_reset: bool = False,
    **parameters: Tensor | float,
) -> tuple[Tensor, LIFState]:
    """`functional.lif_sequence` in one pass over memory forward and one backward.

    Where firing is not stochastic, spikes and state have the bits of the
    reference. Otherwise the probability may differ in its last place. Gradients
    agree to rounding: sums over time and batch are in another order. They do not
    depend on the number of threads, which is PyTorch's (`torch.set_num_threads`).
    There is no second derivative.

    Args:
        x, state, noise, uniform and all others: those of `functional.lif_sequence`; `unsupported` says which not.

    Raises:
        UnsupportedError: the reason that `unsupported` gives.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> from ranvier.torch import fused
        >>> x, start = torch.full((4, 1), 1.5), rt.LIFState(torch.zeros(1))
        >>> reason = fused.unsupported(x, start, decay=0.5, gain=0.5)
        >>> run = rt.lif_sequence if reason else fused.lif_sequence
        >>> spikes, state = run(x, start, decay=0.5, gain=0.5)
        >>> spikes[:, 0], state.v
        (tensor([0., 1., 0., 1.]), tensor([0.]))
    """
    reason = unsupported(x, state, noise=noise, uniform=uniform, refractory=refractory, surrogate=surrogate, **parameters)
    if reason is not None:
        raise UnsupportedError(f"The fused LIF kernel cannot do this: {reason}. Use backend='reference', or 'auto'.")
    return run(
        x, state, noise=noise, uniform=uniform, reset_by_subtraction=reset_by_subtraction, refractory=refractory,
        threshold_min=threshold_min, threshold_max=threshold_max, surrogate=surrogate, detach_reset=detach_reset, **parameters,
    )  # fmt: skip


def prepared(
    x: Tensor,
    state: LIFState,
    *,
    noise: Tensor | None = None,
    uniform: Tensor | None = None,
    reset_by_subtraction: bool = False,
    refractory: Tensor | int = 0,
    threshold_min: float = -math.inf,
    threshold_max: float = math.inf,
    surrogate: Surrogate = DEFAULT_SURROGATE,
    detach_reset: bool = False,
    **parameters: Tensor | float,
) -> tuple[LIFProblem, int]:
    """What the loops are given but for the state, and a bit for each row that is learnt."""
    adaptive, learnt = state.threshold is not None, 0
    in_order = rows(parameters, reset_by_subtraction and not adaptive)
    alike = state.refractory is None and not any(isinstance(value, Tensor) for value in in_order)
    if alike and not torch.compiler.is_compiling() and direct.plain(x):
        stacked, held = _numbers(tuple(in_order), x.dtype), None
    else:
        period_shape = _common_shape(x, [*in_order, refractory])
        stacked, learnt = _rows(x, in_order, period_shape), _learnt(in_order)
        held = None if state.refractory is None else _steps(x, refractory, period_shape)
    problem = LIFProblem(
        x, noise, uniform, stacked, held, adaptive, reset_by_subtraction, detach_reset, threshold_min, threshold_max,
        SURROGATES.index(type(surrogate)), _shape_of(surrogate), CHUNK,
    )  # fmt: skip
    return problem, learnt


def rows(parameters: dict[str, Any], adds_at_reset: bool) -> list[Any]:
    """The values of each row, numbers or tensors. `adds_at_reset`: the row of reset holds what a spike adds."""
    values = {**_DEFAULTS, **parameters}
    if adds_at_reset:
        values["reset"] = values["reset"] - values["threshold"]
    return [values[name] for name in ROWS]


@functools.lru_cache(maxsize=64)
def _numbers(values: tuple[float, ...], dtype: torch.dtype) -> Tensor:
    """Rows of numbers that all neurons share. They are read alone."""
    with torch.inference_mode(False):  # whoever asks first: later calls may train
        return torch.tensor([[value] for value in values], dtype=dtype)


def run(x: Tensor, state: LIFState, **arguments: Any) -> tuple[Tensor, LIFState]:
    """`lif_sequence` where `unsupported` has nothing against it."""
    problem, learnt = prepared(x, state, **arguments)
    if not torch.compiler.is_compiling() and direct.plain(x, problem.noise, problem.uniform, *state):
        spikes, v, left, threshold = direct.lif_sequence(problem, *state, learnt)
        return spikes, LIFState(v, left, threshold)
    flat = problem._replace(x=x.reshape(len(x), -1), noise=_flat(problem.noise, 1), uniform=_flat(problem.uniform, 1))
    states = (_flat(state.v, 0), _flat(state.refractory, 0), _flat(state.threshold, 0))
    spikes, v, left, threshold, *_ = differentiable_lif_sequence(*flat, *states, learnt, torch.is_grad_enabled())
    of_step = x.shape[1:]
    return spikes.view(x.shape), LIFState(
        v.view(of_step), left.view(of_step) if state.refractory is not None else None, threshold.view(of_step) if problem.adaptive else None
    )


def unsupported(
    x: Tensor,
    state: LIFState,
    *,
    noise: Tensor | None = None,
    uniform: Tensor | None = None,
    surrogate: Surrogate = DEFAULT_SURROGATE,
    **parameters: Any,
) -> str | None:
    """Why `lif_sequence` cannot do this; None if it can.

    Args:
        x, state, noise, uniform and all others: as of `lif_sequence`.
    """
    kernels = {"cpu": native, "cuda": triton}.get(x.device.type)
    if kernels is None:
        return f"it runs on CPUs and CUDA devices, not on {x.device.type!r}"
    if (missing := kernels.missing()) is not None:
        return missing
    if x.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 and float64, not in {x.dtype}"
    if x.numel() == 0:
        return "the sequence or the layer is empty"
    if type(surrogate) not in SURROGATES:
        return f"{type(surrogate).__name__} is not one of the surrogates it knows: {', '.join(s.__name__ for s in SURROGATES)}"
    tensors = {"noise": noise, "uniform": uniform, "state.v": state.v, "state.threshold": state.threshold}
    for name, tensor in tensors.items():
        if tensor is not None and (tensor.dtype != x.dtype or tensor.device != x.device):
            return f"{name} is {tensor.dtype} on {tensor.device}, the input {x.dtype} on {x.device}"
    if _forward_mode(x, *tensors.values(), *parameters.values()):
        return "it has no forward-mode derivative"
    return _unfit(x, {name: p for name, p in parameters.items() if isinstance(p, Tensor)})


def _unfit(x: Tensor, parameters: dict[str, Tensor]) -> str | None:
    for name, p in parameters.items():
        shape = _stripped(p)
        trailing = x.shape[x.dim() - len(shape) :]
        if len(shape) >= x.dim() or any(have not in (1, want) for have, want in zip(shape, trailing, strict=True)):
            return f"{name} {list(p.shape)} does not broadcast against one step {list(x.shape[1:])}"
        if p.is_floating_point() and p.dim() > 0 and p.dtype != x.dtype:
            return f"{name} is {p.dtype}, the input {x.dtype}"
        if p.device != x.device and p.dim() > 0:
            return f"{name} is on {p.device}, the input on {x.device}"
    return None


def _forward_mode(*values: Any) -> bool:
    if forward_ad._current_level < 0:  # nobody is differentiating forwards
        return False
    return any(isinstance(value, Tensor) and forward_ad.unpack_dual(value).tangent is not None for value in values)


def _stripped(p: Tensor) -> tuple[int, ...]:
    """The shape without leading ones."""
    shape = tuple(p.shape)
    while shape and shape[0] == 1:
        shape = shape[1:]
    return shape


def _common_shape(x: Tensor, parameters: list[Any]) -> torch.Size:
    """The shape after which parameters repeat: the last axes of `x` that any of them has."""
    axes = 0
    for p in parameters:
        if isinstance(p, Tensor):
            axes = max(axes, len(_stripped(p)))
    return x.shape[x.dim() - axes :]


def _rows(x: Tensor, values: list[Any], shape: torch.Size) -> Tensor:
    period = math.prod(shape)
    if not any(isinstance(v, Tensor) for v in values):
        return torch.tensor([[v] for v in values], dtype=x.dtype, device=x.device).expand(-1, period)
    given = tuple(0.0 if isinstance(v, Tensor) else v for v in values)
    if not torch.compiler.is_compiling() and direct.plain(x):
        numbers = _numbers(given, x.dtype)
    else:
        numbers = torch.tensor([[v] for v in given], dtype=x.dtype, device=x.device)
    columns = numbers.expand(-1, period).unbind()
    return torch.stack([_row(v, x, shape) if isinstance(v, Tensor) else column for v, column in zip(values, columns, strict=True)])


def _row(v: Tensor, x: Tensor, shape: torch.Size) -> Tensor:
    """The values of a parameter for each neuron after which they repeat."""
    if v.dtype == x.dtype and v.device == x.device and v.numel() == math.prod(shape):
        return v.reshape(-1)
    return v.to(device=x.device, dtype=x.dtype).reshape(_stripped(v)).expand(shape).reshape(math.prod(shape))


def _learnt(values: list[Any]) -> int:
    """A bit for each row whose gradient is wanted."""
    return sum(1 << row for row, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad)


def _steps(x: Tensor, refractory: Tensor | int, shape: torch.Size) -> Tensor:
    steps = torch.as_tensor(refractory, dtype=torch.int32, device=x.device)
    return steps.reshape(_stripped(steps)).expand(shape).reshape(math.prod(shape)).contiguous()


def _flat(tensor: Tensor | None, axis: int) -> Tensor | None:
    """All axes from `axis` on made one."""
    return None if tensor is None else tensor.reshape(*tensor.shape[:axis], -1)


def _shape_of(surrogate: Surrogate) -> list[float]:
    fields = [getattr(surrogate, field.name) for field in dataclasses.fields(surrogate)]  # type: ignore[arg-type]
    return fields + [0.0] * (3 - len(fields))
