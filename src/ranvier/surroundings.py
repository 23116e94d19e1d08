"""What is set in JAX and in the process around a simulation, and what of it a simulation can bear.

`inside()` is entered once by everything that builds or runs a network.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from ranvier.errors import UnsupportedError

_begun = False  # whether this process has used JAX, and so has its threads
_forked = False  # whether it is the child of one that had


def _in_child() -> None:
    global _forked
    _forked = _forked or _begun


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Double precision, and what else a network's program is written for, whatever the user has set around it.

    `jax.disable_jit`, a transfer guard and `jax_numpy_dtype_promotion="strict"` hold again afterwards.

    Raises:
        UnsupportedError: the call is inside a `jax.jit`, in a child forked after a simulation, or on a platform that is not there.

    Example:
        >>> import jax.numpy as jnp
        >>> with jax.disable_jit(), inside():
        ...     str(jnp.zeros(1).dtype)
        'float64'
    """
    global _begun
    if _forked:
        raise UnsupportedError(
            "This process was forked from one that had simulated already; JAX's threads do not come along, and the run would hang. "
            "Start processes anew: multiprocessing.get_context('spawn'), or fork before the first simulation."
        )
    require_platform()
    _begun = True
    with (
        jax.disable_jit(False),
        jax.enable_x64(True),
        jax.numpy_dtype_promotion("standard"),
        jax.transfer_guard("allow"),
    ):
        if isinstance(jax.device_put(0.0), jax.core.Tracer):  # nothing is compiled for it
            raise UnsupportedError(
                "A simulation cannot be called inside jax.jit: it draws, compiles and writes on the host. "
                "What can be transformed is the function that rv.prepare(…).function() gives."
            )
        yield


def require_platform() -> None:
    """Refuses a platform that JAX was told to use and does not have.

    Raises:
        UnsupportedError: naming it, and those that there are.
    """
    if _begun:
        return
    try:
        jax.devices()
    except Exception as error:  # JAX raises RuntimeError, AssertionError or its own, by version and platform
        wanted = os.environ.get("JAX_PLATFORMS") or "that JAX takes by default"
        raise UnsupportedError(
            f"JAX cannot use the platform {wanted!r} (JAX_PLATFORMS), for it is not on this machine: {_first_line(error)}. "
            "The platform 'cpu' is everywhere: unset JAX_PLATFORMS, or set it to 'cpu', before Python starts."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def refuse_traced(values: Mapping[str, Any]) -> None:
    """Refuses values that jax.jit, vmap or grad is tracing.

    Args:
        values: numbers, arrays or pytrees of them, by the names that the error says.

    Raises:
        UnsupportedError: one is traced.
    """
    for name, value in values.items():
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
            raise UnsupportedError(
                f"{name} is a value that jax.jit, vmap or grad is tracing. A simulation draws, compiles and writes on the host and cannot "
                "be transformed; the function that rv.prepare(…).function() gives can."
            )
