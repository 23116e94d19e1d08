"""SONATA's JSON files: variables of the manifest, paths, the circuit and the simulation as one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ranvier.errors import ParameterError

VARIABLE = re.compile(r"\$\{?(\w+)\}?")
DEEPEST = 20


def read_json(path: Path, what: str) -> dict[str, Any]:
    """A JSON file with an object in it.

    Raises:
        ParameterError: there is none, or it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"SONATA: {what} {path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise ParameterError(f"SONATA: {what} {path} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ParameterError(f"SONATA: {what} {path} must hold an object {{…}}, not {type(content).__name__}.")
    return content


class Config:
    """A configuration file whose paths are made whole.

    Args:
        path: of the file.

    Attributes:
        content: what is in the file.
        folder: where it lies; its paths begin there.
    """

    def __init__(self, path: Path):
        self.path, self.folder = path, path.parent
        self.content = read_json(path, "the configuration")
        given = self.section("manifest")
        self.manifest = {str(name).lstrip("$").strip("{}"): str(value) for name, value in given.items()}
        self.manifest |= {"configdir": str(self.folder), "workingdir": str(Path.cwd())}

    def section(self, name: str, kind: type = dict) -> Any:
        """A part of the file; empty where it is not there.

        Raises:
            ParameterError: it is something else.
        """
        value = self.content.get(name)
        if value is None:
            return kind()
        if not isinstance(value, kind):
            raise ParameterError(f"SONATA: {name!r} of {self.path} must be {'an object' if kind is dict else 'a list'}, not {value!r}.")
        return value

    def place(self, given: Any, what: str) -> Path:
        """A path of the file, with the manifest's variables put in.

        Raises:
            ParameterError: it names a variable that the manifest does not have.
        """
        if not isinstance(given, str):
            raise ParameterError(f"SONATA: {what} of {self.path} must be a path, not {given!r}.")
        text = given
        for _ in range(DEEPEST):
            if not (found := VARIABLE.search(text)):
                return self.folder / text
            if found[1] not in self.manifest:
                known = ", ".join(f"${name}" for name in self.manifest)
                raise ParameterError(f"SONATA: {what} of {self.path} is {given!r}, but its manifest has no ${found[1]}; it has {known}.")
            text = text[: found.start()] + self.manifest[found[1]] + text[found.end() :]
        raise ParameterError(f"SONATA: the manifest of {self.path} goes in a circle at {given!r}.")
