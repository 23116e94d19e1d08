"""JSON documents with a checksum of what they say, so that what a disk, a hand or a program changed in them is found."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.store.files import read_plain, why

CHECKSUM = "checksum"
CHUNK_SUMS = "chunk_sums"
MOST = 2**28  # bytes of a document


def text_of(document: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """The document as it is written."""
    return json.dumps(document, ensure_ascii=False, indent=indent).encode()


def checksum_of(document: Any) -> str:
    """A checksum of what a document says, however it is written down."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:24]


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with its checksum."""
    content = {key: value for key, value in document.items() if key != CHECKSUM}
    return {**content, CHECKSUM: checksum_of(content)}


def read_document(path: Path) -> dict[str, Any]:
    """A JSON document, its checksum not yet looked at.

    Raises:
        StoreError: it is missing or no such document.
    """
    try:
        document = json.loads(read_plain(path, MOST))
    except FileNotFoundError:
        raise StoreError(f"{path} is missing.") from None
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {why(error)}.") from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {error}.") from None
    if not isinstance(document, dict):
        raise StoreError(f"{path} is damaged: it is no document of Ranvier's.")
    return document


def opened(document: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """What a sealed document says.

    Raises:
        StoreError: its checksum is not that of what it says.
    """
    content = {key: value for key, value in document.items() if key != CHECKSUM}
    if document.get(CHECKSUM) != checksum_of(content):
        raise StoreError(f"{path} is damaged: it is not as Ranvier wrote it (its checksum is wrong).")
    return content


def chunk_sums(facts: Mapping[str, Any]) -> dict[str, bytes]:
    """The checksums of the chunks of each array that a root lists, in order; of an older store, none.

    Raises:
        ValueError: they are not as they are written.
    """
    return {path: base64.b64decode(sums, validate=True) for path, sums in facts.get(CHUNK_SUMS, {}).items()}


def with_chunk_sums(facts: Mapping[str, Any], sums: Mapping[str, bytes | bytearray]) -> dict[str, Any]:
    """The facts of a root with such lists."""
    return {**facts, CHUNK_SUMS: {path: base64.b64encode(one).decode() for path, one in sums.items()}}


def sealed_root(mark: str, facts: Mapping[str, Any], described: Mapping[str, Any]) -> dict[str, Any]:
    """A Zarr's root that says all of what is below it, under a checksum.

    Args:
        mark: the attribute with the facts and the checksum. What others add beside it is theirs.
        described: the `zarr.json` of each group and array by its place.
    """
    content = {key: value for key, value in facts.items() if key != CHECKSUM}
    checksum = checksum_of({"facts": content, "described": described})
    consolidated = {"kind": "inline", "must_understand": False, "metadata": described}
    attributes = {mark: {**content, CHECKSUM: checksum}}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes, "consolidated_metadata": consolidated}


def opened_root(document: Mapping[str, Any], mark: str, *, summed: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The facts of a root, and what it says of each group and array.

    Raises:
        ValueError: it is damaged.
    """
    facts = document["attributes"][mark]
    content = {key: value for key, value in facts.items() if key != CHECKSUM}
    consolidated = document["consolidated_metadata"]
    kind = (document["zarr_format"], document["node_type"], consolidated["kind"], consolidated["must_understand"])
    described = consolidated["metadata"]
    if kind != (3, "group", "inline", False) or not isinstance(described, Mapping):
        raise ValueError("it says nothing of its arrays")
    if summed and facts.get(CHECKSUM) != checksum_of({"facts": content, "described": described}):
        raise ValueError("its checksum is wrong: it is not as Ranvier wrote it")
    return content, dict(described)
