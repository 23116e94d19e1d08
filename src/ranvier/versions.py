"""Which versions are at work."""

from __future__ import annotations

import importlib.metadata
import os
import platform

OWN = ("jax", "jaxlib", "numpy", "scipy", "xarray", "zarr", "numcodecs", "matplotlib")
OPTIONAL = ("torch", "tensorflow", "pint", "diffrax", "torchdiffeq", "nir", "neo", "elephant", "pynwb", "h5py", "pandas")


def version_of(package: str) -> str | None:
    """The installed version of a package, without importing it; None where it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def own_version() -> str:
    """Ranvier's version."""
    return version_of("ranvier") or "0+unknown"  # run from its sources, not installed


def show_versions() -> None:
    """Prints what a report of a mistake should say: versions, machine, devices, whether the native kernels are used.

    Example:
        >>> show_versions()  # doctest: +ELLIPSIS
        ranvier      ...
        native kernels ...
    """
    import jax

    from ranvier.connect.work import usable_cores
    from ranvier.kernels.dispatch import native_available

    rows = [("ranvier", own_version()), ("python", platform.python_version()), ("system", platform.platform())]
    rows += [(name, version) for name in (*OWN, *OPTIONAL) if (version := version_of(name))]
    rows += [
        ("processors", f"{usable_cores()} of {os.cpu_count()} to be used"),
        ("devices", ", ".join(f"{device.platform} ({device.device_kind})" for device in jax.devices())),
        ("native kernels", "used" if native_available() else "not used: everything runs on the reference path"),
    ]
    for name, value in rows:
        print(f"{name:14} {value}")
