"""Trees of arrays in one file, checked when read: checkpoints, and states that a user saves.

A file is an `.npz` that `numpy.load` opens: every array under its path in the
tree (`state/neurons/exc/V`), and under `description` a JSON text with the
tree's structure. ZIP keeps a checksum of each member, so a changed or missing
byte is found. Nothing is pickled; reading runs no code.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ranvier.errors import StoreError
from ranvier.random import STREAMS_VERSION
from ranvier.store.files import why, write_whole
from ranvier.store.names import class_named, name_of
from ranvier.store.npy import arrays_in

if TYPE_CHECKING:
    from ranvier.network.state import SimulationState

DESCRIPTION = "description"
VERSION = 1
PIECE = 2**19  # bytes
_NAME = re.compile(r"^step-(\d{12})\.npz$")


def save_tree(path: Path, tree: Any, facts: Mapping[str, Any], *, durable: bool = False) -> None:
    """Writes a tree of arrays and a JSON-able mapping into one file, whole or not at all.

    Raises:
        StoreError: the tree holds something else than arrays, numbers, mappings, tuples, lists and Ranvier's own states.
    """
    arrays: dict[str, np.ndarray] = {}
    structure = _structure(tree, "", arrays)
    document = {"format": "ranvier-tree", "version": VERSION, "streams_version": STREAMS_VERSION, "tree": structure, **facts}
    text = np.frombuffer(json.dumps(document, ensure_ascii=False).encode(), np.uint8)

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, array in {DESCRIPTION: text, **arrays}.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    _write_array(member, array)

    write_whole(Path(path), write, durable=durable)


def _write_array(member: IO[bytes], array: np.ndarray) -> None:
    """As `numpy.lib.format.write_array`, without its copies: each piece is still in the processor's cache when it is written."""
    header = np.lib.format.header_data_from_array_1_0(np.asarray(array, order="C"))
    np.lib.format.write_array_header_1_0(member, header)
    content = np.asarray(array, order="C").reshape(-1).view(np.uint8).data
    for first in range(0, len(content), PIECE):
        member.write(content[first : first + PIECE])


def load_tree(path: Path, *, follow: bool = False) -> tuple[Any, dict[str, Any]]:
    """The tree and the facts of a file.

    Args:
        path: the file.
        follow: whether it may be a link.

    Raises:
        StoreError: it is damaged, no such file, or of another version.
    """
    try:
        arrays = dict(arrays_in(path, follow=follow))  # all of them, before anything in one is believed
        document = json.loads(arrays[DESCRIPTION].tobytes())
        if document.get("format") != "ranvier-tree":
            raise StoreError(f"{path} was not written by Ranvier.")
        if document["version"] > VERSION:
            raise StoreError(f"{path} was written by a newer version of Ranvier. Install that to read it.")
        tree = _tree(document["tree"], arrays, path)
    except StoreError:
        raise
    except FileNotFoundError:
        raise StoreError(f"There is no file {path}.") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {why(error)}.") from None
    except Exception as error:
        raise StoreError(f"{path} is damaged, or no file of Ranvier's: {type(error).__name__}: {error}") from error
    facts = {key: value for key, value in document.items() if key not in ("tree", "format", "version")}
    return tree, {"streams_version": 1, **facts}


def load_state(path: Path, any_streams: bool = False) -> SimulationState:
    """The state of a simulation in a file of its own.

    Args:
        any_streams: also one whose random numbers were drawn by another version's streams.

    Raises:
        StoreError: there is no such file, it is damaged, holds something else or is of other streams.
    """
    from ranvier.network.state import SimulationState

    state, facts = load_tree(path, follow=True)
    if not isinstance(state, SimulationState):
        raise StoreError(f"{path} holds no state of a simulation.")
    if facts["streams_version"] != STREAMS_VERSION and not any_streams:
        raise StoreError(
            f"{path} is of {other_streams(facts['streams_version'])}: a network that goes on from it would be drawn differently. "
            "To go on from it all the same, as from any other initial values: rv.SimulationState.load(path, any_streams=True)."
        )
    return state


def other_streams(version: Any) -> str:
    """Random streams of another version, in words."""
    return f"version {version} of the random streams, and this Ranvier draws version {STREAMS_VERSION}"


def _structure(node: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    below = lambda key: f"{path}/{key}" if path else str(key)
    if node is None:
        return None
    if isinstance(node, Mapping):
        return {"dict": {key: _structure(value, below(key), arrays) for key, value in node.items()}}
    kind = name_of(type(node))
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return {"class": kind, "fields": {f: _structure(getattr(node, f), below(f), arrays) for f in node._fields}}
    if isinstance(node, tuple | list):
        return {type(node).__name__: [_structure(value, below(i), arrays) for i, value in enumerate(node)]}
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = {f.name: _structure(getattr(node, f.name), below(f.name), arrays) for f in dataclasses.fields(node)}
        return {"class": kind, "fields": fields}
    array = np.asarray(node)
    if array.dtype.kind not in "biufc":
        raise StoreError(f"{path or 'The state'} is a {type(node).__name__}; a state is made of arrays of numbers.")
    name, count = path or "value", 1
    while name in arrays or name == DESCRIPTION:
        count += 1
        name = f"{path}~{count}"
    arrays[name] = array
    return {"array": name}


def _tree(structure: Any, arrays: Mapping[str, np.ndarray], path: Path) -> Any:
    if structure is None:
        return None
    if "array" in structure:
        return arrays[structure["array"]]
    if "dict" in structure:
        return {key: _tree(value, arrays, path) for key, value in structure["dict"].items()}
    for kind in (tuple, list):
        if kind.__name__ in structure:
            return kind(_tree(value, arrays, path) for value in structure[kind.__name__])
    values = {name: _tree(value, arrays, path) for name, value in structure["fields"].items()}
    name = structure["class"]
    cls = class_named(name.replace(":", "."), _plain_classes())
    fields = {field.name for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set(getattr(cls, "_fields", ()))
    try:
        assert cls is not None and set(values) <= fields
        return cls(**values)
    except (AssertionError, TypeError):
        other = f"not in this form: it has {', '.join(sorted(values))}" if cls else "which this version of Ranvier does not have"
        raise OlderFormError(f"{path} holds a {name}, {other}. Read it with the version that wrote it.") from None


class OlderFormError(StoreError):
    """A file that is whole, of a form that this version has no more."""


def _plain_classes() -> Iterator[type]:
    """The classes of Ranvier's that are loaded already and nothing but data: a name in a file imports and calls nothing."""
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "ranvier"]:
        for found in vars(module).values():
            if isinstance(found, type) and found.__module__ == module.__name__:
                plain = dataclasses.is_dataclass(found) or (issubclass(found, tuple) and hasattr(found, "_fields"))
                if plain and not hasattr(found, "__post_init__"):
                    yield found


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A file that a run can go on from.

    Attributes:
        path: the file.
        step: the step that it was written at.
    """

    path: Path
    step: int

    def load(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Its tree and its facts, checked.

        Raises:
            StoreError: it is damaged.
        """
        tree, facts = load_tree(self.path)
        if facts.get("step") != self.step or not isinstance(tree, dict) or not {"state", "counts", "kept"} <= set(tree):
            raise StoreError(f"{self.path} is damaged: it is no checkpoint, or of step {facts.get('step')}.")
        return tree, facts


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:012d}.npz"


def checkpoints(folder: Path) -> Iterator[Checkpoint]:
    """The checkpoints of a store, newest first; they may be damaged."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    for name in sorted(names, reverse=True):
        found = _NAME.match(name)
        if found:
            yield Checkpoint(folder / name, int(found[1]))
