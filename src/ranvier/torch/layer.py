"""What every spiking layer is: a module whose state goes in and comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ranvier.errors import ParameterError, RanvierError, not_written
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.ranged import Parametrised, Ranged

State = Any
"""What a layer carries from step to step: a tensor, or a (named) tuple of states; None where there is nothing."""


@checked(function=arguments.function, state=arguments.anything)
def map_state(function: Callable[[Tensor], Tensor], state: State) -> State:
    """The state with a function applied to each of its tensors.

    Example:
        >>> map_state(lambda x: x + 1, (torch.zeros(2), None))
        (tensor([1., 1.]), None)
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return function(state)
    if not isinstance(state, tuple | list):
        raise ParameterError(f"map_state: state must be what a layer returned, not {arguments.shown(state)}.")
    parts = [map_state(function, part) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


def leaves(state: State, name: str = "state") -> list[tuple[str, Tensor]]:
    """The tensors of a state, each with its name."""
    if state is None:
        return []
    if isinstance(state, Tensor):
        return [(name, state)]
    names = getattr(state, "_fields", None)
    return [leaf for i, part in enumerate(state) for leaf in leaves(part, f"{name}.{names[i]}" if names else f"{name}[{i}]")]


def computing_dtype(x: Tensor) -> torch.dtype:
    """The dtype that a state is kept in: that of the input, but single precision where that is half."""
    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype


def checked_input(layer: str, x: Any, leading: str, size: tuple[int, ...] = ()) -> None:
    """Raises where the input is not a floating tensor of enough dimensions, `leading` (`"B"` or `"T, B"`), that ends in `size`."""
    if not isinstance(x, Tensor):
        raise ParameterError(f"{layer}: x must be a tensor of shape {_dimensions(leading, size)}, not {type(x).__name__}.")
    if not x.is_floating_point():
        raise ParameterError(f"{layer}: x of shape {list(x.shape)} is {x.dtype}, but currents are floating-point numbers: give x.float().")
    if x.layout is not torch.strided:
        raise ParameterError(f"{layer}: x is {arguments.shown(x)} in the layout {x.layout}: give x.to_dense().")
    fits = x.ndim >= len(size) + ("T" in leading)
    if not fits or not all(wanted in (1, got) for wanted, got in zip(size[::-1], tuple(x.shape)[::-1], strict=False)):
        raise ParameterError(f"{layer}: x has the shape {list(x.shape)}, but it must be {_dimensions(leading, size)}.")


def _dimensions(leading: str, size: tuple[int, ...]) -> str:
    return f"[{', '.join([leading, '…', *('any' if n == 1 else str(n) for n in size)])}]"


def checked_state(layer: str, state: State, expected: State) -> None:
    """Raises where a state is not shaped, or does not lie, as the one that the input asks for."""
    wanted = leaves(expected)
    given = leaves(state) if _is_state(state) else None
    if given is None or [name for name, _ in given] != [name for name, _ in wanted]:
        names = ", ".join(name.removeprefix("state").lstrip(".") or "a tensor" for name, _ in wanted) or "nothing"
        raise ParameterError(
            f"{layer}: state must be what the layer returned before ({names}), or None for the start; not {_short(state)}."
        )
    for (name, have), (_, want) in zip(given, wanted, strict=True):
        if have.shape != want.shape:
            raise ParameterError(f"{layer}: {name} has the shape {list(have.shape)}, but for this input it must be {list(want.shape)}.")
        if have.device != want.device:
            raise ParameterError(f"{layer}: {name} is on {have.device}, but x is on {want.device}: move one of them with .to(…).")
        if have.dtype != want.dtype:
            raise ParameterError(f"{layer}: {name} is {have.dtype}, but for this input it must be {want.dtype}.")


def _is_state(given: Any) -> bool:
    """Whether it is tensors in tuples, or None among them."""
    return isinstance(given, Tensor | None) or (isinstance(given, tuple | list) and all(map(_is_state, given)))


def _short(state: Any) -> str:
    if isinstance(state, tuple) and _is_state(state):
        return f"{type(state).__name__}({', '.join(name for name, _ in leaves(state))})"
    return repr(type(state).__name__)


def fit_parameters(of: Parametrised, shape: torch.Size) -> None:
    """Raises where a parameter of a module, or of what is inside it, does not broadcast against the input of a step."""
    for name, made in of._modules.items():
        if isinstance(made, Ranged):
            if made.number is None and not arguments.broadcasts(made.shape, shape):
                raise ParameterError(
                    f"{type(of).__name__}: {name} has the shape {list(made.shape)}, "
                    f"which does not broadcast against x of a step, {list(shape)}."
                )
        elif isinstance(made, SpikingLayer):
            made._fit(shape)
        elif isinstance(made, Parametrised):
            fit_parameters(made, shape)


def called(owner: str, what: str, module: Any, x: Tensor) -> Any:
    """What a module makes of a tensor; where it cannot take it, the error says which module and which shape."""
    if torch.compiler.is_compiling():
        return module(x)
    try:
        return module(x)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, RanvierError):
            raise
        reason = str(error).splitlines()[0]
        raise ParameterError(
            f"{owner}: {what} ({type(module).__name__}) cannot take the shape {list(x.shape)} as {x.dtype}: {reason}"
        ) from error


class SpikingLayer(Parametrised):
    """Base of the layers. State goes in and comes out; the module itself keeps none.

    A subclass gives `initial_state(x)` and `step(x, state)`, both for one step's input.

    Attributes:
        size: what the last dimensions of the input must be (1 stands for any); `()` for any shape.
    """

    size: tuple[int, ...] = ()

    def __init_subclass__(cls, **others: Any) -> None:
        """A class that gives its own step goes through a sequence by it, not by the faster way of the class that it is derived from."""
        super().__init_subclass__(**others)
        first = {name: next(k for k, kind in enumerate(cls.__mro__) if name in vars(kind)) for name in ("step", "sequence")}
        if first["step"] < first["sequence"]:
            cls.sequence = SpikingLayer.sequence  # type: ignore[method-assign]

    def initial_state(self, x: Tensor) -> State:
        """The state before the first step of an input whose single steps look like `x`, `[B, …]`."""
        raise not_written(self, SpikingLayer.initial_state)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One step, its arguments being checked. Users call `cell`."""
        raise not_written(self, SpikingLayer.step)

    def cell(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """One step.

        Args:
            x: the input of the step, `[B, …]`.
            state: the state before; None for the start.

        Returns:
            The output of the step and the state after it.

        Raises:
            ParameterError: the input or the state has another shape, dtype or device.
        """
        checked_input(self._name, x, "B", self.size)
        self._fit(x.shape)
        return self.step(x, self._state(x, state))

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """A whole sequence.

        Args:
            x: the input, time first: `[T, B, …]`.
            state: the state before the first step; None for the start.

        Returns:
            The output `[T, B, …]` and the state after the last step.

        Raises:
            ParameterError: the input or the state has another shape, dtype or device.
        """
        self._check(x)
        return self.sequence(x, self._state(x[0], state))

    def _check(self, x: Any) -> None:
        """Raises where x is not a sequence for this layer."""
        checked_input(self._name, x, "T, B", self.size)
        if len(x) == 0:
            raise ParameterError(f"{self._name}: x has the shape {list(x.shape)}: a sequence must have at least one step.")
        self._fit(x.shape[1:])

    def sequence(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """A whole sequence, its arguments being checked. Users call the layer itself."""
        return self.step_by_step(x, state)

    def step_by_step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The reference of every faster way through a sequence: one step after the other."""
        outputs = []
        for of_step in x.unbind():
            output, state = self.step(of_step, state)
            outputs.append(output)
        return torch.stack(outputs), state

    def _state(self, x: Tensor, state: State) -> State:
        start = self.initial_state(x)
        if state is None:
            return start
        checked_state(self._name, state, start)
        return state

    def _fit(self, shape: torch.Size) -> None:
        """Raises where a parameter does not broadcast against the input of a step."""
        fit_parameters(self, shape)
