"""The folder that a run leaves. Nothing in it is touched that an earlier run did not write."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ranvier.errors import ParameterError

PARAMETERS = "parameters.json"
MADE = re.compile(
    r"^(spikes\.csv|traces-.*\.nc|report\.html|parameters\.json"
    r"|(confusion|connectivity|learning|map|path|sheet|weights|synapses|fields|membrane|overview|voltage|calcium|raster|rate|cv|spectrum|recorded)[-\w]*\.png)$"
)
"""The names that a run may write."""


class Folder:
    """A folder of results. `parameters.json` lists the files in it that a run wrote.

    Raises:
        ParameterError: when made, before anything runs: it is a file, it cannot be
            written, or it holds a file of a name that would be overwritten though no run wrote it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise ParameterError(f"{self.path} is a file; the results need a folder. Choose another with --out.")
        above = self.path
        while not above.exists():
            above = above.parent
        if not above.is_dir():
            raise ParameterError(f"{above} is a file, so no folder {self.path} can be made. Choose another with --out.")
        if not os.access(above, os.W_OK | os.X_OK):
            raise ParameterError(f"{above} cannot be written to. Choose another folder with --out.")
        self.earlier = self._earlier()
        for entry in sorted(self.path.iterdir()) if self.path.exists() else ():
            if MADE.match(entry.name) and entry.name not in self.earlier:
                raise ParameterError(f"{entry} was not written by a run, and would be overwritten. Choose another folder with --out.")
        self.parameters: dict[str, Any] = {}
        self.files: list[str] = []

    def _earlier(self) -> set[str]:
        try:
            written = json.loads((self.path / PARAMETERS).read_text(encoding="utf-8"))
            return {PARAMETERS, *written["files"]} if written["written_by"] == "ranvier" else set()
        except (OSError, ValueError, KeyError, TypeError):
            return set()

    def begin(self, parameters: dict[str, Any]) -> None:
        """Makes the folder and takes the files of an earlier run out of it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.parameters = parameters
        for name in sorted(self.earlier - {PARAMETERS}):
            if MADE.match(name):  # the list may have been edited: only what a run writes goes
                (self.path / name).unlink(missing_ok=True)
        self.note()

    def file(self, name: str) -> Path:
        """The path of a file about to be written; it is listed first, so that a later run knows it."""
        if not MADE.match(name):
            raise ValueError(f"{name!r} is not a name that a run writes.")
        stem, dot, ending = name.rpartition(".")
        count = 1
        while name in self.files:  # two parts may come down to one name
            count += 1
            name = f"{stem}-{count}{dot}{ending}"
        self.files.append(name)
        self.note()
        return self.path / name

    def note(self, **more: Any) -> None:
        """Writes `parameters.json`, with what is new."""
        self.parameters.update(more)
        document = {"written_by": "ranvier", **self.parameters, "files": [PARAMETERS, *self.files]}
        (self.path / PARAMETERS).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
