"""The cells that the native module has: which layers they are, and what writes their C++.

python -m ranvier.torch.fused.builtin
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ranvier
from ranvier.torch.layer import SpikingLayer

NUMBERS: dict[str, tuple[str, ...]] = {
    "adex": ("dt", "refractory"),
    "izhikevich_published": ("dt",),
    "izhikevich_euler": ("dt",),
    "leak": ("decay", "gain", "rest"),
    "leaky_sum": ("decay",),
}
"""What is a parameter of each cell beside the layer's parameters."""


def layers() -> dict[str, Any]:
    """A layer of each kind, with everything that a step can have."""
    from ranvier.torch import AdEx, Izhikevich
    from ranvier.torch.fused.source import AnySurrogate

    class Leak(SpikingLayer):
        """A membrane that does not spike; the output is its potential."""

        def __init__(self) -> None:
            super().__init__()
            self.decay, self.gain, self.rest = 0.9, 1.0, 0.0

        def initial_state(self, x: Tensor) -> Tensor:
            return torch.zeros_like(x)

        def step(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            v = (self.rest + self.decay * (v - self.rest)) + self.gain * x
            return v, v

    class LeakySum(SpikingLayer):
        """A current that an input charges at once, and that then decays; the output is the current before it does."""

        def __init__(self) -> None:
            super().__init__()
            self.decay = 0.9

        def initial_state(self, x: Tensor) -> Tensor:
            return torch.zeros_like(x)

        def step(self, x: Tensor, current: Tensor) -> tuple[Tensor, Tensor]:
            current = current + x
            return current, self.decay * current

    return {
        "adex": AdEx(surrogate=AnySurrogate(), refractory=1.0),
        "izhikevich_published": Izhikevich(surrogate=AnySurrogate()),
        "izhikevich_euler": Izhikevich(surrogate=AnySurrogate(), scheme="euler"),
        "leak": Leak(),
        "leaky_sum": LeakySum(),
    }


def text(name: str) -> str:
    """The C++ of a cell."""
    from ranvier.torch.fused.source import struct, traced

    return struct("".join(part.capitalize() for part in name.split("_")), traced(layers()[name], torch.float32, NUMBERS[name]))


def main() -> None:
    folder = Path(ranvier.__file__).parent / "kernels" / "native" / "cells"
    for name in NUMBERS:
        (folder / f"{name}.h").write_text(text(name))


if __name__ == "__main__":
    main()
