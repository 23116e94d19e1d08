"""Compiles a cell of the user's own, once: a shared library in the cache, found by what was written."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import ranvier
from ranvier.compiled import ASKED, user_cache_folder
from ranvier.errors import UnsupportedError
from ranvier.torch.fused.cell import Cell

FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-march=native", "-ffp-contract=off", "-fno-trapping-math", "-pthread")


def compiler() -> str:
    """The C++ compiler: `CXX`, or the first of the usual ones that is here."""
    for name in (os.environ.get("CXX", ""), "c++", "g++", "clang++"):
        if name and (found := shutil.which(name)):
            return found
    raise UnsupportedError("Fusing a layer of one's own needs a C++ compiler, and none was found: install one, or set CXX.")


def cache() -> Path:
    """Where the libraries are kept: `RANVIER_CACHE`, or the user's cache directory."""
    asked = os.environ.get(ASKED, "").strip()
    folder = (user_cache_folder() if asked in ("", "0", "1") else Path(asked).expanduser()) / "cells"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@functools.cache
def built(struct: str) -> Cell:
    """The compiled cell of a struct that is called `Own`.

    Raises:
        UnsupportedError: there is no compiler, or it does not take the struct.
    """
    native = Path(ranvier.__file__).parent / "kernels" / "native"
    source = f'#include "cell_sequence.h"\nnamespace ranvier {{\n{struct}}}\nRANVIER_CELL(Own, own)\n'
    headers = "".join((native / name).read_text() for name in ("cell_sequence.h", "elementary.h", "loops.h", "parallel.h", "surrogate.h"))
    command = compiler()
    key = hashlib.sha256("\0".join([source, headers, command, *FLAGS, _machine()]).encode()).hexdigest()[:32]
    library = cache() / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=library.parent) as room:
            text, made = Path(room) / "cell.cc", Path(room) / "cell.so"
            text.write_text(source)
            done = subprocess.run([command, *FLAGS, f"-I{native}", str(text), "-o", str(made)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise UnsupportedError(f"{command} does not compile the fused step:\n{done.stderr[:2000]}")
            os.replace(made, library)  # another process may have done the same meanwhile
    return Cell(ctypes.CDLL(str(library)), "own")


def _machine() -> str:
    """What the compiler's `-march=native` stands for, so that a cache shared between machines holds one library for each."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        import platform

        return platform.processor() + platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
