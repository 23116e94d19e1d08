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
from ranvier.store.files import write_whole

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


def load_tree(path: Path) -> tuple[Any, dict[str, Any]]:
    """The tree and the facts of a file.

    Raises:
        StoreError: it is damaged, no such file, or of a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # before anything in it is believed
        if damaged is not None:
            raise StoreError(f"{path} is damaged: the checksum of {damaged} is wrong.")
        with np.load(path, allow_pickle=False) as archive:
            document = json.loads(archive[DESCRIPTION].tobytes())
            if document.get("format") != "ranvier-tree":
                raise StoreError(f"{path} was not written by Ranvier.")
            if document["version"] > VERSION:
                raise StoreError(f"{path} was written by a newer version of Ranvier. Install that to read it.")
            tree = _tree(document["tree"], archive, path)
    except StoreError:
        raise
    except FileNotFoundError:
        raise StoreError(f"There is no file {path}.") from None
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

    state, facts = load_tree(path)
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
    kind = f"{type(node).__module__}:{type(node).__qualname__}"
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
    try:
        return _class_named(structure["class"])(**values)
    except (KeyError, AttributeError, TypeError):
        raise StoreError(
            f"{path} holds a {structure['class']}, which this version of Ranvier does not have, or not in this form."
        ) from None


def _class_named(name: str) -> Any:
    """A class of Ranvier's that is loaded already and is nothing but data: a name in a file imports and calls nothing."""
    module, _, qualified = name.partition(":")
    if not module.startswith("ranvier."):
        raise KeyError(name)
    found = getattr(sys.modules[module], qualified)
    plain = isinstance(found, type) and (dataclasses.is_dataclass(found) or (issubclass(found, tuple) and hasattr(found, "_fields")))
    if not plain or hasattr(found, "__post_init__"):
        raise KeyError(name)
    return found


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
        if facts.get("step") != self.step:
            raise StoreError(f"{self.path} is damaged: it says that it is of step {facts.get('step')}.")
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
