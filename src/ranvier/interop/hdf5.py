"""HDF5 files whose writing may fail.

What HDF5 cannot write it keeps, and a process in which such a file is closed or collected crashes, later and elsewhere. So HDF5
writes through a file of ours that takes everything: what the disk does not take is kept where HDF5 may ask for it again, and
the first failure is raised between two pieces of data, after which the file is closed as if nothing had been.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KEPT = 2**16  # bytes of one piece: what HDF5 reads again is small, its tables; values are not


class Written:
    """A file for HDF5's `fileobj` driver, which never says that it failed.

    Attributes:
        failed: the first failure.
    """

    def __init__(self, path: Path):
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._at = self._size = os.fstat(self._file).st_size
        self._lost: list[tuple[int, bytes]] = []
        self.failed: OSError | None = None

    def check(self) -> None:
        """Raises the failure, if there was one."""
        if self.failed is not None:
            raise self.failed

    def close(self) -> None:
        os.close(self._file)

    # -- what h5py calls ----------------------------------------------------------------------------

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        data = memoryview(data).cast("B")
        place = 0
        try:
            while place < len(data) and self.failed is None:
                os.lseek(self._file, self._at + place, os.SEEK_SET)
                place += os.write(self._file, data[place:])
        except OSError as error:
            self.failed = error
        if self.failed is not None and len(data) <= KEPT:
            self._lost.append((self._at, bytes(data)))
        self._at += len(data)
        self._size = max(self._size, self._at)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        result = bytearray(self._size - self._at if size < 0 else size)
        return bytes(result[: self.readinto(result)])

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        with contextlib.suppress(OSError):
            place = 0
            os.lseek(self._file, self._at, os.SEEK_SET)
            while place < len(view) and (part := os.read(self._file, len(view) - place)):
                view[place : place + len(part)] = part
                place += len(part)
        for first, data in self._lost:
            a, b = max(first, self._at), min(first + len(data), self._at + len(view))
            if a < b:
                view[a - self._at : b - self._at] = data[a - first : b - first]
        self._at += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        size = self._at if size is None else size
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            self.failed = self.failed or error
        self._size = size
        return size

    def flush(self) -> None:
        pass


@contextlib.contextmanager
def written(path: Path) -> Iterator[tuple[Any, Written]]:
    """A new HDF5 file, `h5py.File`, and what says whether it could be written so far.

    Raises:
        OSError: it could not be written, at the latest when it was closed.
    """
    import h5py

    through = Written(path)
    try:
        with h5py.File(through, "w") as file:
            yield file, through
        through.check()
        os.fsync(through._file)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise (through.failed or error) from None
    finally:
        through.close()


@contextlib.contextmanager
def nix(path: Path) -> Iterator[Written]:
    """While this lasts, nixio writes that file through ours: it takes names only, but asks one function of its own how to open them.

    Raises:
        OSError: it could not be written, at the latest when it was closed.
    """
    import h5py
    import nixio.file

    through, own = Written(path), nixio.file.make_fapl

    def access() -> Any:
        properties = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
        properties.set_fileobj_driver(h5py.h5fd.fileobj_driver, through)
        return properties

    nixio.file.make_fapl = access
    try:
        yield through
        through.check()
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise (through.failed or error) from None
    finally:
        nixio.file.make_fapl = own
        through.close()
