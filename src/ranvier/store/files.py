"""Files that are whole or not there: written under another name, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ranvier.errors import StoreError

PARTIAL = ".partial"
"""The end of the name of a file that is being written."""


def write_whole(path: Path, content: bytes | Callable[[BinaryIO], Any], *, durable: bool = False) -> None:
    """Writes a file so that a reader finds the old one or the new one, never a part.

    Args:
        path: the file.
        content: its bytes, or a function that writes them.
        durable: waits until the disk has it, so that it outlives a loss of power.
    """
    partial = path.with_name(f".{path.name}{PARTIAL}")
    try:
        with open(partial, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if durable:
        sync([path.parent])


def sync(paths: Iterable[Path]) -> None:
    """Waits until the disk has these files or folders; those that are gone are left out."""
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):  # Windows opens no folders
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def entries(root: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder. Links are given, not followed."""
    try:
        with os.scandir(root) as found:
            here = list(found)
    except FileNotFoundError:  # removed while we looked
        return
    for entry in here:
        yield entry
        if entry.is_dir(follow_symlinks=False):
            yield from entries(Path(entry.path))


def refuse_links(root: Path) -> None:
    """Refuses a store in which a link leads elsewhere: nothing outside its folder is read or written for it."""
    for entry in entries(root):
        if entry.is_symlink():
            raise StoreError(f"{entry.path} is a link. A store has none, so this one is not read: what it points to is not part of it.")


def size_of(root: Path) -> int:
    """Bytes in all files below a folder."""
    total = 0
    for entry in entries(root):
        try:
            if entry.is_file(follow_symlinks=False):
                total += entry.stat(follow_symlinks=False).st_size
        except FileNotFoundError:  # replaced while we looked
            continue
    return total


def size_of_file(path: Path) -> int:
    """Bytes in a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def free_space(path: Path) -> int:
    """Bytes that are free where a path lies or will lie."""
    return shutil.disk_usage(nearest_folder(path)).free


def nearest_folder(path: Path) -> Path:
    """The path itself, or the first above it that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def remove_partial(root: Path) -> None:
    """Removes what a process that was killed had not finished writing."""
    for entry in list(entries(root)):
        if entry.name.endswith(PARTIAL) and entry.is_file(follow_symlinks=False):
            Path(entry.path).unlink(missing_ok=True)
