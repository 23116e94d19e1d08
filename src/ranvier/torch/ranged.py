"""A parameter of a layer: a number, a tensor, or something learnt that stays in its range."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ranvier.errors import ParameterError
from ranvier.torch.arguments import LARGEST, SMALLEST, learnt_names
from ranvier.torch.arguments import value as number_or_tensor


class Ranged(nn.Module):
    """A parameter that cannot leave its range, however long it is learnt.

    Learnt, it is `low + exp(raw)`, `high − exp(raw)` or `low + (high − low)·sigmoid(raw)`, as
    its range has one bound or two, and `raw` is what the optimiser moves. Not learnt, a number
    stays a Python number (exact in every precision) and a tensor is a buffer. All are in the state
    dict and loaded from there: a number as `number`, and with `raw` the bounds that it is meant in.

    Args:
        name: the word for it in errors, such as `"LIF.tau"`.
        value: a number, or anything that becomes a tensor.
        low, high: the bounds, themselves excluded where it is learnt.
        closed: whether a value that is not learnt may be equal to a bound.
        learn: whether it is learnt.
        shape: the shape of what is learnt, where `value` is a number.
        largest: how large it may be.

    Example:
        >>> tau = Ranged("LIF.tau", 20.0, low=0.0, learn=True)
        >>> round(tau.value.item(), 4), [name for name, _ in tau.named_parameters()]
        (20.0, ['raw'])
        >>> Ranged("LIF.tau", -1.0, low=0.0)
        Traceback (most recent call last):
        ranvier.errors.ParameterError: LIF.tau is -1, but it must be above 0.
    """

    _version = 2
    """State dicts of version 1 have no numbers."""

    def __init__(
        self,
        name: str,
        value: Any,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        closed: bool = False,
        learn: bool = False,
        shape: tuple[int, ...] = (),
        largest: float = LARGEST,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.low, self.high = low, high
        value = number_or_tensor(name, value)
        self._name, self._closed, self._largest = name, closed and not learn, largest
        self._check(value)
        self._check_shape(name, value, shape)
        dtype = dtype or torch.get_default_dtype()
        self.number: float | None = None
        self.learnt = learn
        if learn:
            given = torch.as_tensor(value, dtype=dtype, device=device)
            self.raw = nn.Parameter(self._inverse(given.expand(shape) if given.ndim == 0 else given).detach().clone())
        elif not isinstance(value, Tensor) or (value.ndim == 0 and not value.requires_grad):
            self.number = float(value)
        else:
            self.register_buffer("fixed", torch.as_tensor(value, dtype=dtype, device=device))

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name in self._numbers():
            destination[prefix + name] = torch.tensor(getattr(self, name), dtype=torch.float64)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: Any, unexpected_keys: Any, error_msgs: Any
    ) -> None:
        for name in self._numbers():
            given = state_dict.pop(prefix + name, None)
            if given is not None:
                try:
                    number = float(given)
                    if name == "number":
                        self._check(number)
                    setattr(self, name, number)
                except (ParameterError, RuntimeError, TypeError, ValueError) as error:
                    error_msgs.append(f"{prefix}{name}: {error}")
            elif local_metadata.get("version", 1) >= 2:
                missing_keys.append(prefix + name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def _numbers(self) -> list[str]:
        """The attributes that are in the state dict."""
        if self.number is not None:
            return ["number"]
        return [name for name in ("low", "high") if self.learnt and math.isfinite(getattr(self, name))]

    def _check(self, value: Any) -> None:
        name, closed, largest = self._name, self._closed, self._largest
        numbers = np.asarray(value.detach().cpu().double() if isinstance(value, Tensor) else value, dtype=np.float64)
        inside = ((numbers >= self.low) & (numbers <= self.high)) if closed else ((numbers > self.low) & (numbers < self.high))
        bad = ~inside | ~np.isfinite(numbers)
        if bad.any():
            where = "" if numbers.ndim == 0 else f" at {tuple(int(i[0]) for i in np.nonzero(bad))} (its shape is {list(numbers.shape)})"
            raise ParameterError(f"{name} is {numbers[bad].flat[0]:g}{where}, but it must be {self._range(closed)}.")
        size = np.abs(numbers)
        if ((size > largest) | ((size < SMALLEST) & (size > 0))).any():
            raise ParameterError(
                f"{name} must be 0 or of a size within {SMALLEST:g} and {largest:g}, so that single precision can hold it."
            )

    def _check_shape(self, name: str, value: Any, shape: tuple[int, ...]) -> None:
        given = tuple(value.shape) if isinstance(value, Tensor) else ()
        if any(1 not in (have, want) and have != want for have, want in zip(given[::-1], shape[::-1], strict=False)):
            raise ParameterError(f"{name} has the shape {list(given)}, but its layer's size is {list(shape)}.")

    def _range(self, closed: bool) -> str:
        above, below = ("at least", "at most") if closed else ("above", "below")
        words = [f"{above} {self.low:g}"] if self.low > -math.inf else []
        words += [f"{below} {self.high:g}"] if self.high < math.inf else []
        return " and ".join(words) or "finite"

    def _inverse(self, value: Tensor) -> Tensor:
        if self.low == -math.inf and self.high == math.inf:
            return value
        if self.high == math.inf:
            return torch.log(value - self.low)
        if self.low == -math.inf:
            return torch.log(self.high - value)
        return torch.logit((value - self.low) / (self.high - self.low))

    @property
    def value(self) -> Any:
        """The value: a float, or a tensor that gradients flow through where it is learnt."""
        return self.number if self.number is not None else inside(self.kind, self.tensor, self.low, self.high)

    @property
    def tensor(self) -> Any:
        """What the value is computed of: what the optimiser moves, or the tensor that it is; None for a number."""
        if self.number is not None:
            return None
        kept: Any = self._parameters.get("raw", self._buffers.get("fixed"))
        if kept is None:  # a parametrisation makes it, or it is a copy's of `nn.DataParallel`
            kept = self.raw if self.learnt else self.fixed
        return kept

    @property
    def kind(self) -> str:
        """What is done with `tensor`, in the words of `inside`."""
        return _KINDS[self.low > -math.inf, self.high < math.inf] if self.learnt else "as it is"

    @property
    def shape(self) -> torch.Size:
        """That of the value."""
        return torch.Size() if self.number is not None else self.tensor.shape

    def least(self) -> float:
        """The smallest of its values."""
        return float(torch.as_tensor(self.value).detach().min())

    def most(self) -> float:
        """The largest of its values."""
        return float(torch.as_tensor(self.value).detach().max())

    def extra_repr(self) -> str:
        return (
            f"{self.number:g}"
            if self.number is not None
            else f"{'learnt' if self.learnt else 'fixed'}, within ({self.low:g}, {self.high:g})"
        )


_KINDS = {(False, False): "as it is", (True, False): "above", (False, True): "below", (True, True): "between"}


def inside(kind: str, raw: Any, low: Any, high: Any) -> Any:
    """The value that a tensor stands for within its bounds."""
    if kind == "as it is":
        return raw
    if kind == "between":
        return low + (high - low) * raw.sigmoid()
    part = raw.clamp(-50, 50).exp()  # neither 0 nor infinite, whatever the optimiser does
    return low + part if kind == "above" else high - part


class Parametrised(nn.Module):
    """A module with parameters that stay in their ranges.

    Attributes:
        size: the shape of what is learnt, where it is given as a number.
        dt: the time step (ms), where there is one.

    Class attributes:
        learnable: the names of what can be learnt.
        stated: the numbers of the module itself that the state dict states. A state dict that states others is refused, for what is
            learnt means something else with them.
    """

    learnable: ClassVar[tuple[str, ...]] = ()
    stated: ClassVar[tuple[str, ...]] = ("dt",)
    size: tuple[int, ...] = ()
    dt: float | None

    def _begin(
        self,
        *,
        size: Any = None,
        dt: float | None = None,
        learn: str | Iterable[str] = (),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """What the parameters have in common; before any of them."""
        self.size, self.dt = size or (), dt
        self._learnt = learnt_names(self._name, (learn,) if isinstance(learn, str) else learn, self.learnable)
        self._place = {"device": device, "dtype": dtype}

    def _stated(self) -> dict[str, float]:
        values = {name: getattr(self, name, None) for name in self.stated}
        return {name: float(value) for name, value in values.items() if value is not None}

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, value in self._stated().items():
            destination[prefix + name] = torch.tensor(value, dtype=torch.float64)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: Any, unexpected_keys: Any, error_msgs: Any
    ) -> None:
        for name, ours in self._stated().items():
            given = state_dict.pop(prefix + name, None)
            if given is not None and float(given) != ours:
                error_msgs.append(
                    f"{prefix}{name} is {float(given):g} in the state dict, but {self._name}.{name} is {ours:g}: make the layer with that "
                    f"of the state dict, or delete {prefix + name!r} from it to keep the layer's."
                )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def _ranged(self, name: str, value: Any, **bounds: Any) -> Ranged:
        return Ranged(f"{self._name}.{name}", value, learn=name in self._learnt, shape=self.size, **bounds, **self._place)

    def _time_constant(self, name: str, value: Any, *, euler: bool = False) -> Ranged:
        """A time constant. By Euler's method it is at least dt. Learnt, it is at least dt/50: below, nothing is left after a step."""
        assert self.dt is not None
        learnt = name in self._learnt
        made = self._ranged(name, value, low=(self.dt if euler else self.dt / 50) if learnt else 0.0)
        if euler and (least := made.least()) < self.dt:
            raise ParameterError(
                f"{self._name}.{name} is {least:g} ms, below dt = {self.dt:g} ms: the Euler form is unstable; use euler=False."
            )
        return made

    @property
    def _name(self) -> str:
        return type(self).__name__


def divided(number: float, by: Any) -> Any:
    """A number divided by a number or a tensor: for the latter PyTorch's own operator is slow."""
    return number / by if isinstance(by, float | int) else by.reciprocal() * number


def exponential(x: Any) -> Any:
    """exp of a number or a tensor."""
    return math.exp(x) if isinstance(x, float | int) else x.exp()


def expm1(x: Any) -> Any:
    """exp(x) − 1 of a number or a tensor."""
    return math.expm1(x) if isinstance(x, float | int) else x.expm1()


def of_dtype(value: Any, dtype: torch.dtype) -> Any:
    """A tensor in the dtype that a step computes in; a number as it is."""
    return value.to(dtype) if isinstance(value, Tensor) else value
