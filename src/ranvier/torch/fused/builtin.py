"""The cells that the native module has: which layers they are, and what writes their C++.

python -m ranvier.torch.fused.builtin
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import ranvier

NUMBERS = {"adex": ("dt", "refractory"), "izhikevich_published": ("dt",), "izhikevich_euler": ("dt",)}
"""What is a parameter of each cell beside the layer's parameters."""


def layers() -> dict[str, Any]:
    """A layer of each kind, with everything that a step can have."""
    from ranvier.torch import AdEx, Izhikevich
    from ranvier.torch.fused.source import AnySurrogate

    return {
        "adex": AdEx(surrogate=AnySurrogate(), refractory=1.0),
        "izhikevich_published": Izhikevich(surrogate=AnySurrogate()),
        "izhikevich_euler": Izhikevich(surrogate=AnySurrogate(), scheme="euler"),
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
