"""The file that a SquashFS is in, with errors that name it."""

from __future__ import annotations

from typing import BinaryIO

from lxdimage.errors import InvalidImageError, LimitExceededError, TruncatedImageError
from lxdimage.formats._seekable import SeekableFile
from lxdimage.rules import diagnose

__all__ = ["BlockFile"]


class BlockFile:
    """
    A seekable file, read at any place by any thread.

    Attributes:
        source: The name of the file, for findings.
        size: Its bytes.
    """

    def __init__(self, file: BinaryIO, source: str = "") -> None:
        self._file = SeekableFile(file)
        self.source = source
        self.size = self._file.size

    def read(self, place: int, size: int) -> bytes:
        """Return exactly *size* bytes at *place*, or raise `TruncatedImageError`."""
        data = self._file.read(place, size)
        if len(data) != size:
            message = f"expected {size} bytes at byte {place}, the file has {self.size}"
            finding = diagnose("squashfs-truncated", message, source=self.source, offset=self.size)
            raise TruncatedImageError(finding)
        return data

    def damaged(self, message: str, offset: int, code: str = "squashfs-damaged") -> InvalidImageError:
        """Return the error of a file that cannot be read on at *offset*."""
        return InvalidImageError(diagnose(code, message, source=self.source, offset=offset))

    def exceeded(self, message: str, offset: int | None = None) -> LimitExceededError:
        """Return the error of a file that would take more than the limits allow."""
        return LimitExceededError(diagnose("squashfs-limit", message, source=self.source, offset=offset))
