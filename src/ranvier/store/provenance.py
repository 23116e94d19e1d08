"""Where a run comes from: what `provenance.json` holds."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from ranvier.store.build import this_build
from ranvier.store.files import write_whole
from ranvier.store.layout import PROVENANCE


def now() -> str:
    """The date and time, in the form of ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def origin() -> dict[str, Any]:
    """The program, its commit, the machine and the versions."""
    return {
        "script": _script(),
        "git": _git(),
        "host": f"{platform.system()} {platform.release()} {platform.machine()}",
        "build": this_build(),
    }


def _script() -> dict[str, Any] | None:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if not file or not os.path.isfile(file):
        return None
    return {"name": os.path.basename(file), "sha256": hashlib.sha256(Path(file).read_bytes()).hexdigest()}


def _git() -> dict[str, Any] | None:
    """The commit of the folder that the program runs in, and whether files have changed since."""
    try:
        commit = _of_git("rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_of_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _of_git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=2, check=True)
    return done.stdout.strip()


def write(store: Path, document: dict[str, Any]) -> None:
    """Writes `provenance.json`."""
    write_whole(store / PROVENANCE, json.dumps(document, ensure_ascii=False, indent=1).encode())


def read(store: Path) -> dict[str, Any]:
    """Reads `provenance.json`."""
    return json.loads((store / PROVENANCE).read_text(encoding="utf-8"))


def begin_session(store: Path, step: int) -> None:
    """Notes that the run starts, or goes on, at a step."""
    document = read(store)
    document["sessions"].append({"from_step": step, "started": now(), **({} if not document["sessions"] else {"build": this_build()})})
    write(store, document)


def end_session(store: Path, step: int, status: str) -> None:
    """Notes how far the run came and how it ended."""
    document = read(store)
    session = document["sessions"][-1]
    session.update(to_step=step, ended=now(), status=status)
    began, ended = (datetime.datetime.fromisoformat(session[key]) for key in ("started", "ended"))
    session["wall_seconds"] = (ended - began).total_seconds()
    write(store, document)
