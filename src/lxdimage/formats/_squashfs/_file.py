"""Random access to the bytes of a SquashFS, from several threads, with findings that name the file."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from typing import BinaryIO

from lxdimage._chunks import Chunks
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError, LimitExceededError, TruncatedImageError
from lxdimage.rules import diagnose

__all__ = ["BlockFile", "spool"]


class BlockFile:
    """
    A seekable file, read at any place by any thread.

    Attributes:
        source: The name of the file, for findings.
        size: Its bytes.
    """

    def __init__(self, file: BinaryIO, source: str = "") -> None:
        self.source = source
        self._file = file
        self._lock = threading.Lock()
        self._descriptor = _descriptor(file)
        self.size = file.seek(0, os.SEEK_END)

    def read(self, place: int, size: int) -> bytes:
        """Return exactly *size* bytes at *place*, or raise `TruncatedImageError`."""
        if not 0 <= place <= self.size - size:
            message = f"expected {size} bytes at byte {place}, the file has {self.size}"
            raise TruncatedImageError(self.finding("squashfs-truncated", message, self.size))
        data = self._read(place, size)
        if len(data) != size:
            message = f"expected {size} bytes at byte {place}, found {len(data)}"
            raise TruncatedImageError(self.finding("squashfs-truncated", message, place + len(data)))
        return data

    def _read(self, place: int, size: int) -> bytes:
        if self._descriptor is not None:
            return os.pread(self._descriptor, size, place)
        with self._lock:
            self._file.seek(place)
            return self._file.read(size)

    def finding(self, code: str, message: str, offset: int | None = None) -> Diagnostic:
        """Return a finding about this file."""
        return diagnose(code, message, source=self.source, offset=offset)

    def damaged(self, message: str, offset: int, code: str = "squashfs-damaged") -> InvalidImageError:
        """Return the error of a file that cannot be read on at *offset*."""
        return InvalidImageError(self.finding(code, message, offset))

    def exceeded(self, message: str, offset: int | None = None) -> LimitExceededError:
        """Return the error of a file that would take more than the limits allow."""
        return LimitExceededError(self.finding("squashfs-limit", message, offset))


def _descriptor(file: BinaryIO) -> int | None:
    """
    Return the descriptor to read *file* at any place without seeking, or None.

    Only plain files have one: that of a decompressing file belongs to the compressed bytes.
    """
    plain = getattr(file, "raw", file)
    return plain.fileno() if isinstance(plain, io.FileIO) else None


def spool(chunks: Chunks) -> BinaryIO:
    """Return a temporary file with the bytes of *chunks*: for input that cannot seek."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller owns and closes it
    try:
        file.writelines(chunks)
    except BaseException:
        file.close()
        raise
    return file
