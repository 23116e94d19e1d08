"""Files that are whole or not there: written under another name, then renamed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ranvier.errors import StoreError

PARTIAL = ".partial"
"""The end of the name of a file that is being written."""


def write_whole(path: Path, content: bytes | Sequence[bytes] | Callable[[BinaryIO], Any], *, durable: bool = False) -> None:
    """Writes a file so that a reader finds the old one or the new one, never a part.

    Args:
        path: the file.
        content: its bytes, in one piece or several, or a function that writes them.
        durable: waits until the disk has it, so that it outlives a loss of power.
    """
    partial = path.with_name(f".{path.name}{PARTIAL}")
    try:
        with open(partial, "wb") as file:
            if callable(content):
                content(file)
            else:
                for piece in (content,) if isinstance(content, bytes) else content:
                    file.write(piece)
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


def open_plain(path: Path, *, follow: bool = False) -> BinaryIO:
    """Opens a plain file to read. A pipe or a device is refused and never waited for, and so is a link where none is to be followed.

    Raises:
        OSError: it cannot be read.
        StoreError: it is something else than a file.
    """
    kind = os.stat(path, follow_symlinks=follow).st_mode
    if not stat.S_ISREG(kind):
        raise StoreError(f"{path} is {_kind_in_words(kind)}, not a file. It is not read.")
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # replaced since we looked
        os.close(descriptor)
        raise StoreError(f"{path} is not a file. It is not read.")
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, most: int, *, follow: bool = False) -> bytes:
    """The content of a plain file of at most so many bytes.

    Raises:
        OSError: it cannot be read.
        StoreError: it is something else than a file, or larger.
    """
    with open_plain(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise StoreError(f"{path} has {size} bytes, and no such file of Ranvier's has more than {most}. It is not read.")
        return file.read(size)


def _kind_in_words(mode: int) -> str:
    for test, word in (
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return word
    return "a device"


def entries(root: Path) -> Iterator[os.DirEntry[str]]:
    """Everything below a folder. Links are given, not followed."""
    folders = [os.fspath(root)]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                here = list(found)
        except FileNotFoundError:  # removed while we looked
            continue
        for entry in here:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def refuse_strange(root: Path) -> None:
    """Refuses a store in which something is no file and no folder: nothing outside it is read or written for it, and nothing is waited for.

    Raises:
        StoreError: it names what there is.
    """
    for entry in entries(root):
        if entry.is_symlink():
            raise StoreError(f"{entry.path} is a link. A store has none, so this one is not read: what it points to is not part of it.")
        if not (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)):
            try:
                kind = _kind_in_words(entry.stat(follow_symlinks=False).st_mode)
            except FileNotFoundError:  # removed while we looked
                continue
            raise StoreError(f"{entry.path} is {kind}. A store has none, so this one is not read.")


def why(error: OSError) -> str:
    """What the system says of a failure, without the file's name."""
    return "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"{error.strerror or error}"


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
