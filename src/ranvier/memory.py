"""How much memory there is to be had."""

from __future__ import annotations

from pathlib import Path


def available_memory() -> float | None:
    """Bytes that can still be taken, or None where the system does not say.

    What the machine has free, or what is left of a container's limit if that is less.
    """
    known = [bytes_left for bytes_left in (_of_machine(), _of_container(Path("/sys/fs/cgroup"))) if bytes_left is not None]
    return min(known, default=None)


def _of_machine() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _of_container(group: Path) -> float | None:
    try:
        limit = float((group / "memory.max").read_text())
        used = float((group / "memory.current").read_text())
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return None
    return limit - used + float(counts.get("inactive_file", 0))  # what files take is given back when it is needed
