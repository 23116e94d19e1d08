"""What a result may depend on beside the network: the build, and what it runs on."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path
from typing import Any

import jax

from ranvier.kernels.dispatch import native_available
from ranvier.run import versions


@functools.cache
def this_build() -> dict[str, Any]:
    """Versions, kernels, device and instruction set: where all are equal, equal runs are equal bit for bit."""
    return {
        "versions": versions(),
        "kernels": _kernels(),
        "device": jax.devices()[0].device_kind,
        "machine": platform.machine(),
        "instructions": _instructions(),
        "flags": _flags(),
    }


def _flags() -> str:
    """What XLA was told that may change numbers."""
    harmless = ("--xla_dump", "--xla_force_host_platform_device_count", "--xla_hlo_")
    said = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(harmless)]
    precision = getattr(jax.config, "jax_default_matmul_precision", None)
    return " ".join([*sorted(said), *([f"matmul precision {precision}"] if precision else [])])


def _kernels() -> str:
    if not native_available():
        return "reference"
    from ranvier.kernels import _native  # type: ignore[attr-defined]

    return f"native {hashlib.sha256(Path(_native.__file__).read_bytes()).hexdigest()[:16]}"


def _instructions() -> str:
    """A checksum of the processor's features where it tells them."""
    if not os.path.exists("/proc/cpuinfo"):
        return platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.partition(":")[0].strip() in ("flags", "Features"):
            return hashlib.sha256(" ".join(sorted(line.partition(":")[2].split())).encode()).hexdigest()[:16]
    return platform.processor()


def changed_since(stored: dict[str, Any]) -> list[str]:
    """In words, what is not as it was where a checkpoint was written."""
    now = this_build()
    found = []
    for name, version in now["versions"].items():
        before = stored.get("versions", {}).get(name, "unknown")
        if before != version:
            found.append(f"{name} is {version} (it was {before})")
    words = {"kernels": "the kernels", "device": "the device", "machine": "the machine", "instructions": "the processor's instruction set"}
    if stored.get("flags", "") != now["flags"]:
        found.append(f"XLA's flags are others ({stored.get('flags') or 'none'} before, {now['flags'] or 'none'} now)")
    for key, word in words.items():
        if stored.get(key) != now[key]:
            detail = "" if key == "instructions" else f" ({stored.get(key)} before, {now[key]} now)"
            found.append(f"{word} is another one{detail}" if key != "kernels" else f"the kernels are others{detail}")
    return found
