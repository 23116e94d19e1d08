"""What `devices=` means: the devices that a network is to lie on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.network.exchange import AXIS

KINDS = ("cpu", "gpu", "tpu")


def checked_devices(devices: Any) -> tuple[jax.Device, ...] | None:
    """The devices of a run; None where nothing was said, which leaves the choice of one to JAX; of several processes all that they have.

    Args:
        devices: how many of those that JAX has, a kind (`"cpu"`, `"gpu"`, `"tpu"`: all of it), or a list of JAX's devices.

    Raises:
        ParameterError: there are not so many, or none of that kind.

    Example:
        >>> import jax
        >>> checked_devices(1) == (jax.devices()[0],), checked_devices(jax.devices()) == tuple(jax.devices())
        (True, True)
    """
    if devices is None:
        return tuple(jax.devices()) if jax.process_count() > 1 else None
    found = _chosen(devices)
    without = set(range(jax.process_count())) - {d.process_index for d in found}
    if without and jax.process_count() > 1:
        raise ParameterError(
            f"devices={doors.said(devices)} has none of process {min(without)}, and each of the {jax.process_count()} processes needs one "
            "of its own. Leave out devices: all are taken."
        )
    return found


def _chosen(devices: Any) -> tuple[jax.Device, ...]:
    if isinstance(devices, str):
        return _of_kind(doors.choice(devices, "devices", KINDS))
    if isinstance(devices, int | np.integer) and not isinstance(devices, bool | np.timedelta64):
        return _so_many(int(devices))
    if isinstance(devices, Sequence) and devices and all(isinstance(d, jax.Device) for d in devices):
        if len(set(devices)) < len(devices):
            raise ParameterError("devices names one device twice; a device has one share of a network.")
        if len({d.platform for d in devices}) > 1:
            raise ParameterError(f"devices are of several kinds ({', '.join(sorted({d.platform for d in devices}))}); take those of one.")
        return tuple(devices)
    raise doors.refusal("devices", devices, "a number, 'cpu', 'gpu', 'tpu', or a list of JAX's devices such as jax.devices()[:2]")


def _of_kind(kind: str) -> tuple[jax.Device, ...]:
    try:
        return tuple(jax.devices(kind))
    except RuntimeError:
        there = sorted({d.platform for d in jax.devices()})
        raise ParameterError(f"devices={kind!r}: JAX has no {kind} here; it has {' and '.join(there)}.") from None


def _so_many(count: int) -> tuple[jax.Device, ...]:
    there = jax.devices()
    if 1 <= count <= len(there):
        return tuple(there[:count])
    if count < 1:
        raise ParameterError(f"devices={count}: a network needs at least one device.")
    kind = there[0].platform
    hint = ""
    if kind == "cpu":
        hint = (
            " A CPU counts as one, unless JAX is told otherwise before it starts: write at the very top of the program\n"
            f"    import jax; jax.config.update('jax_num_cpu_devices', {count})"
        )
    raise ParameterError(f"devices={count}: JAX has {len(there)} {kind} device{'s' * (len(there) > 1)} here.{hint}")


def mesh_of(devices: Sequence[jax.Device]) -> jax.sharding.Mesh:
    """The devices, along one axis."""
    return jax.sharding.Mesh(np.array(devices), (AXIS,))


def check_sizes(sizes: dict[str, int], devices: int) -> None:
    """Refuses a network of which some device would get no neuron.

    Args:
        sizes: how many neurons each population has.
        devices: how many devices there are.

    Raises:
        ParameterError: the largest population has fewer neurons than there are devices.
    """
    most = max(sizes.values(), default=0)
    if most < devices:
        raise ParameterError(
            f"{devices} devices for this network leave a device without neurons: each gets an equal share of every population, and the "
            f"largest has {most} neuron{'s' * (most != 1)}. Take at most devices={max(most, 1)}."
        )
