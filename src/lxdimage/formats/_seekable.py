"""Reading a seekable file at any place, from any thread."""

from __future__ import annotations

import io
import os
import threading
from typing import BinaryIO, Protocol

__all__ = ["RandomAccess", "SeekableFile"]


class RandomAccess(Protocol):
    """What can be read at any place."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def read(self, place: int, size: int) -> bytes:
        """Return *size* bytes at *place*, fewer where the end comes before."""


class SeekableFile:
    """
    A file that is read at any place by any thread.

    Attributes:
        size: Its bytes.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._descriptor = _descriptor(file)
        self.size = file.seek(0, os.SEEK_END)

    def read(self, place: int, size: int) -> bytes:
        """Return *size* bytes at *place*, fewer where the file ends before."""
        size = min(size, self.size - place)
        if place < 0 or size <= 0:
            return b""
        if self._descriptor is not None:
            return os.pread(self._descriptor, size, place)
        with self._lock:
            self._file.seek(place)
            return self._file.read(size)


def _descriptor(file: BinaryIO) -> int | None:
    """
    Return the descriptor with which *file* is read without seeking, or None.

    Only plain files have one: that of a decompressing file belongs to the compressed bytes.
    """
    plain = getattr(file, "raw", file)
    return plain.fileno() if isinstance(plain, io.FileIO) else None
