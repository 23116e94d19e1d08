"""Compiled programs kept on disk, so that the next process need not compile them again.

It is JAX's own cache of compiled programs, which is a setting of the whole process. So the library turns it on only where the
environment asks: `RANVIER_CACHE=1` keeps them in the user's folder of caches, `RANVIER_CACHE=FOLDER` there. The command line is a process
of ours and has it on, unless `RANVIER_CACHE=0`. What was used least recently goes when there is more than `LARGEST` of it.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

ASKED = "RANVIER_CACHE"
LARGEST = 2**29
"""bytes; more is there for as long as one process writes it"""


def user_cache_folder() -> Path:
    """Where this platform keeps a user's caches."""
    home = Path.home()
    if os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = home / ".cache"
    return base / "ranvier"


@functools.cache
def turn_on_where_asked(by_default: bool = False) -> None:
    """Keeps every compiled program on disk, if the environment says so; where the folder cannot be written, it does without.

    A cache folder that the user gave JAX herself stays.

    Args:
        by_default: whether it is on where the environment says nothing.
    """
    asked = os.environ.get(ASKED, "1" if by_default else "0").strip()
    if asked in ("", "0"):
        return
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        folder = user_cache_folder() / "compiled" if asked == "1" else Path(asked).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            bound(folder, LARGEST)
        except OSError:
            return
        if not os.access(folder, os.W_OK):
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
        compilation_cache.reset_cache()  # JAX looks once, when it first compiles: that may have been
    # JAX by itself keeps only what took a second to compile; here many small programs add up.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def bound(folder: Path, size: int) -> None:
    """Removes the programs that were used least recently, until those in a folder have no more than so many bytes."""
    programs = sorted(((max(f.stat().st_mtime, f.stat().st_atime), f.stat().st_size, f) for f in folder.glob("*-cache")), reverse=True)
    total = 0
    for _, own, file in programs:
        total += own
        if total > size:
            file.unlink(missing_ok=True)
