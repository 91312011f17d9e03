"""Streams that can be read once, as from another program."""

from __future__ import annotations

import io
from typing import BinaryIO

__all__ = ["pipe"]


class _Pipe(io.RawIOBase):
    def __init__(self, data: bytes, at_once: int) -> None:
        self._data = io.BytesIO(data)
        self._at_once = at_once

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(self._at_once if size < 0 else min(size, self._at_once))


def pipe(data: bytes, at_once: int = 777) -> BinaryIO:
    """Return a stream that cannot seek and gives at most *at_once* bytes of *data* to a call."""
    return _Pipe(data, at_once)  # type: ignore[return-value]
