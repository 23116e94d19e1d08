"""Kernels of our own where the platform has them, the plain-JAX reference elsewhere. The only place that asks.

For a CPU they are in the native module, which is optional. Without it (no compiler at installation, or a
module built for a newer JAX than the one that runs) everything works on the
reference path, slower, and a warning says so once. For a GPU they are Pallas kernels (`on_gpu`). The environment variable
`RANVIER_KERNELS` decides otherwise: `reference` never uses any of them,
`native` raises where the native module cannot be used.
"""

from __future__ import annotations

import functools
import importlib
import os
import pathlib
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.errors import ParameterError, warn

PREFIX = "ranvier."
STEPS = "run_steps"
"""The handler that calls the others."""

FLOATS = {"float32": "f32", "float64": "f64"}
"""The types that native kernels exist for, and how they are named there."""


class NativeKernelsWarning(UserWarning):
    """The native kernels cannot be used, and why."""


def choose(native: Callable[..., Any], reference: Callable[..., Any], *arguments: Any, gpu: Callable[..., Any] | None = None) -> Any:
    """`native(*arguments)` where the step is compiled for a CPU and the native module is there, `gpu(*arguments)` for a CUDA GPU
    where there is such a kernel, else `reference(*arguments)`."""
    own: dict[str, Callable[..., Any]] = {"cpu": native} if native_available() else {}
    if gpu is not None and gpu_kernels():
        own["cuda"] = gpu
    return jax.lax.platform_dependent(*arguments, default=reference, **own) if own else reference(*arguments)


def gpu_kernels() -> bool:
    """Whether kernels of our own are used on a GPU: where there is one, and `RANVIER_KERNELS` does not ask for the reference."""
    return platform() == "gpu" and os.environ.get("RANVIER_KERNELS", "") != "reference"


def platform() -> str:
    """What programs are compiled for where nothing else is said: `"cpu"`, `"gpu"` or `"tpu"`."""
    return str(jax.devices()[0].platform)


def has_double_precision() -> bool:
    """Whether the platform computes in double precision. A TPU does not: XLA makes a double there of two single numbers."""
    return platform() != "tpu"


def compiler_options(platform: str, loops: int = 1) -> dict[str, Any]:
    """What XLA is told about a loop over steps.

    On a CPU, to use its widest vectors: left to itself XLA takes half of AVX-512, at 1.4 to 1.7 times the time of a
    Hodgkin–Huxley step. On a GPU, to launch all of it at once, as one graph, and not each kernel from the host, unless there are
    loops within the step: of those JAX 0.11 made graphs that overwrote a part of the state. And to add
    what arrives at a neuron in one order, so that the same seed gives the same spikes.

    Args:
        platform: for which.
        loops: how deep loops are nested, that over steps being the first: 1 where a step has none within it.
    """
    if platform == "cpu":
        return {"xla_cpu_prefer_vector_width": 512}
    if platform not in ("gpu", "cuda"):
        return {}
    if loops > 1:
        return {"xla_gpu_deterministic_ops": True}
    return {
        "xla_gpu_enable_command_buffer": "FUSION,CUSTOM_CALL,CONDITIONAL,DYNAMIC_SLICE_FUSION,WHILE",
        "xla_gpu_graph_min_graph_size": 1,
        "xla_gpu_deterministic_ops": True,
    }


def turns_at_once() -> int:
    """How many turns of a loop over steps stand one after the other in its body. A GPU asks 6 µs after each turn of a loop whether there
    is another, as long as eight small kernels take."""
    return 8 if platform() == "gpu" else 1


def compile_loop(lowered: Any, around: int = 0) -> Any:
    """Compiles a loop over steps, with the options of the platform where its XLA knows them.

    Args:
        lowered: the loop, lowered.
        around: how many loops there are around that over steps.
    """
    loops = loops_within(lowered.as_text("hlo")) - around if platform() == "gpu" else 1
    return _with_known_options(lambda options: lowered.compile(compiler_options=options), loops)


def loops_within(hlo: str) -> int:
    """How many loops there are within one another in an HLO module, in its text."""
    called: dict[str, list[tuple[str, bool]]] = {}
    entry = name = ""
    for line in hlo.splitlines():
        head = re.match(r"(ENTRY )?%?([\w.\-]+) .*\{$", line)
        if head:
            name = head[2]
            entry = name if head[1] else entry
            called[name] = []
        elif name:
            others = re.findall(r"(body|to_apply|calls|true_computation|false_computation)=%?([\w.\-]+)", line)
            others += [("", b.strip(" %")) for found in re.findall(r"branch_computations=\{(.*?)\}", line) for b in found.split(",")]
            called[name] += [(other, kind == "body") for kind, other in others]

    @functools.cache
    def depth(name: str) -> int:
        return max((depth(other) + loop for other, loop in called.get(name, [])), default=0)

    return depth(entry)


def jit_loop(function: Callable[..., Any], **others: Any) -> Callable[..., Any]:
    """`jax.jit` of a function that is a loop over steps, on a CPU with the options for such where its XLA knows them.

    Args:
        function: the loop.
        others: as of `jax.jit`.
    """

    @functools.cache
    def compiled(*options: tuple[str, Any]) -> Callable[..., Any]:
        return jax.jit(function, compiler_options=dict(options) or None, **others)

    def call(*operands: Any) -> Any:
        if platform() != "cpu":
            return compiled()(*operands)
        return _with_known_options(lambda options: compiled(*(options or {}).items())(*operands), 1)

    return call


_unknown: set[str] = set()
"""Options that this XLA has refused."""


def _with_known_options(attempt: Callable[[dict[str, Any] | None], Any], loops: int) -> Any:
    """What `attempt` makes with the options for loops, without those that XLA refuses: as right, and slower."""
    options = {name: value for name, value in compiler_options(platform(), loops).items() if name not in _unknown}
    try:
        return attempt(options or None)
    except jax.errors.JaxRuntimeError as problem:
        refused = {name for name in options if name in str(problem)}
        if not refused:
            raise
        _unknown.update(refused)
        if platform() != "cpu":
            warn(
                f"XLA does not take an option for loops ({problem}): each step may be launched from the host, and two runs on a GPU may "
                "differ in their last bits. XLA_FLAGS=--xla_gpu_deterministic_ops=true makes them equal."
            )
    return _with_known_options(attempt, loops)


def place_among(ascending: jax.Array, values: Any, side: str) -> jax.Array:
    """`jnp.searchsorted` without a loop inside the step: on a GPU the host would wait for every turn of it."""
    return jnp.searchsorted(ascending, values, side=side, method="scan_unrolled")


def if_any(flags: jax.Array, change: Callable[..., Any], *state: Any) -> Any:
    """`change(*state)`, which changes nothing where no flag is set: then a CPU leaves it out, and no other platform, which would wait."""
    rarely = lambda flags, *state: jax.lax.cond(jnp.any(flags), change, lambda *state: state, *state)
    return jax.lax.platform_dependent(flags, *state, cpu=rarely, default=lambda flags, *state: change(*state))


def native_call(kernel: str, results: Any, *operands: Any, aliases: dict[int, int] | None = None, **attributes: Any) -> Any:
    """Call a handler of the native module; a batch axis of `vmap` becomes a leading dimension, of size 1 where it is shared."""
    call = jax.ffi.ffi_call(PREFIX + kernel, results, vmap_method="expand_dims", input_output_aliases=aliases)
    return call(*operands, **attributes)


def as_step(step: Any, where: str) -> jax.Array:
    """A step as int64.

    Raises:
        ParameterError: int64 does not exist here, or `step` is not an integer scalar.
    """
    if jax.dtypes.canonicalize_dtype(jnp.int64) != jnp.int64:
        raise ParameterError(f"{where}: steps are int64; call it inside `with jax.enable_x64(True):`.")
    step = jnp.asarray(step)
    if step.ndim != 0 or not jnp.issubdtype(step.dtype, jnp.integer):
        raise ParameterError(f"{where}: a step is one integer, not {step.dtype} {list(step.shape)}.")
    return step.astype(jnp.int64)


def updating(function: Callable[..., Any], *updated: int) -> Callable[..., Any]:
    """`function` for `vmap`, when its results are its operands number `updated`, updated in place, and others like them.

    These must have every batch axis that any operand has; the others stay shared.
    """
    call = jax.custom_batching.custom_vmap(function)

    @call.def_vmap
    def batched(axis_size: int, is_batched: list[bool], *operands: Any) -> Any:
        axes = [0 if batched or i in updated else None for i, batched in enumerate(is_batched)]
        operands = tuple(
            jnp.broadcast_to(x, (axis_size, *x.shape)) if axis == 0 and not batched else x
            for x, axis, batched in zip(operands, axes, is_batched, strict=True)
        )
        results = updating(jax.vmap(function, in_axes=axes), *updated)(*operands)
        return results, (True,) * len(results)

    return call


@functools.cache
def native_available() -> bool:
    """Whether the native handlers are registered with JAX; registers them at the first call.

    Raises:
        ParameterError: `RANVIER_KERNELS` has an unknown value.
        ImportError: `RANVIER_KERNELS=native`, and they cannot be used.
    """
    wanted = os.environ.get("RANVIER_KERNELS", "")
    if wanted not in ("", "native", "reference"):
        raise ParameterError(f"The environment variable RANVIER_KERNELS is {wanted!r}; it can be 'native' or 'reference'.")
    if wanted == "reference":
        return False
    try:
        module = _import_native()
        _check_version(module.ffi_api_version, _runtime_version())
    except ImportError as problem:
        if wanted == "native":
            raise
        warn(
            f"Ranvier's native kernels cannot be used ({problem}): networks run on the slower reference path. "
            "Installing Ranvier where a C++ compiler is found builds them; RANVIER_KERNELS=reference silences this.",
            NativeKernelsWarning,
        )
        return False
    for name, handler in module.handlers().items():
        jax.ffi.register_ffi_target(PREFIX + name, handler, platform="cpu")
    return True


@functools.cache
def kernel_numbers() -> dict[str, int]:
    """The kernels of the native module by the numbers under which a program of steps calls them."""
    names = [name for name in _import_native().handlers() if name != STEPS]
    return {name: number for number, name in enumerate(names)}


def native_module() -> ModuleType | None:
    """The native module for calls from the host, or None where it cannot be used."""
    return _import_native() if native_available() else None


def _import_native() -> ModuleType:
    return importlib.import_module("ranvier.kernels._native")


def _runtime_version() -> tuple[int, int]:
    """XLA's FFI version in the installed jaxlib, read from the headers that it carries."""
    header = pathlib.Path(jax.ffi.include_dir(), "xla", "ffi", "api", "c_api.h")
    try:
        text = header.read_text(encoding="utf-8")
        major, minor = (int(re.search(rf"#define XLA_FFI_API_{part} (\d+)", text)[1]) for part in ("MAJOR", "MINOR"))  # type: ignore[index]
    except (OSError, TypeError) as problem:
        raise ImportError(f"the installed jaxlib does not tell its FFI version: {header}") from problem
    return major, minor


def _check_version(built: tuple[int, int], runtime: tuple[int, int]) -> None:
    # XLA accepts older handlers. A newer one would fail while JAX starts its backend, and JAX with it.
    if built[0] != runtime[0] or built[1] > runtime[1]:
        raise ImportError(f"they were built for XLA FFI {built[0]}.{built[1]}, the installed jaxlib has {runtime[0]}.{runtime[1]}")
