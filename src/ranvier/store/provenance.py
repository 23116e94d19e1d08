"""Where a run comes from: what `provenance.json` holds."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.store import documents
from ranvier.store.build import this_build
from ranvier.store.checkpoint import load_tree
from ranvier.store.description import Arrays, checksum_of_array, hash_of
from ranvier.store.files import write_whole
from ranvier.store.layout import ARRAYS, PROVENANCE


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
    """The commit of the folder that the program runs in, and whether files have changed since (None where that is not asked)."""
    try:
        commit = _of_git("rev-parse", "HEAD")
        filters = _of_git("config", "--name-only", "-z", "--get-regexp", r"^filter\.", may_fail=True).split("\0")
        named = [name.rpartition(".")[0] for name in filters if name]
        if any("=" in name or "\n" in name for name in named):
            return {"commit": commit, "changed": None}
        off = [f"{name}.{key}" for name in sorted(set(named)) for key in ("clean=", "smudge=", "process=", "required=false")]
        status = _of_git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all", "--no-renames", settings=off)
        return {"commit": commit, "changed": bool(status)}
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _of_git(*arguments: str, settings: Sequence[str] = (), may_fail: bool = False) -> str:
    """What git says, while it runs none of the programs that a repository's configuration may name: the repository may be anyone's."""
    tame = ["core.fsmonitor=false", f"core.hooksPath={os.devnull}", "protocol.allow=never", *settings]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "--no-pager", *(word for setting in tame for word in ("-c", setting)), *arguments]
    how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 2}
    return subprocess.run(command, check=not may_fail, env=environment, **how).stdout.strip()


def write(store: Path, document: dict[str, Any]) -> None:
    """Writes `provenance.json`, under a checksum."""
    write_whole(store / PROVENANCE, documents.text_of(documents.sealed(document), indent=1))


def read(store: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Reads `provenance.json`.

    Args:
        facts: what the root says of the run.

    Raises:
        StoreError: it is missing, not as it was written, or of another run.
    """
    path = store / PROVENANCE
    document = documents.read_document(path)
    if facts["store_version"] > 1:
        document = documents.opened(document, path)
    try:
        if document["network_hash"] != hash_of(document["network"]):
            raise StoreError(f"{path} is damaged: its network is not the one that ran (its checksum is another).")
        for name in ("network_hash", "dt", "seed", "precision", "integrator"):
            if document[name] != facts[name]:
                raise StoreError(f"{path} is damaged: its {name} is {document[name]!r}, and the run's is {facts[name]!r}.")
        if not isinstance(document["sessions"], list):
            raise TypeError("it lists no sessions")
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged: {type(error).__name__}: {error}.") from None
    return document


def arrays(store: Path) -> Arrays:
    """The arrays of the description, each of which its name is a checksum of.

    Raises:
        StoreError: they are missing, or not as they were written.
    """
    path = store / ARRAYS
    found, _ = load_tree(path)
    if not isinstance(found, dict):
        raise StoreError(f"{path} is damaged: it holds no arrays by name.")
    for name, array in found.items():
        if checksum_of_array(array) != name:
            raise StoreError(f"{path} is damaged: the array {name} is not the one that was written.")
    return found


def begin_session(store: Path, document: dict[str, Any], step: int) -> None:
    """Notes in the document, and writes, that the run starts, or goes on, at a step."""
    document["sessions"].append({"from_step": step, "started": now(), **({} if not document["sessions"] else {"build": this_build()})})
    write(store, document)


def end_session(store: Path, document: dict[str, Any], step: int, status: str) -> None:
    """Notes in the document, and writes, how far the run came and how it ended."""
    session = document["sessions"][-1]
    session.update(to_step=step, ended=now(), status=status)
    began, ended = (datetime.datetime.fromisoformat(session[key]) for key in ("started", "ended"))
    session["wall_seconds"] = (ended - began).total_seconds()
    write(store, document)
