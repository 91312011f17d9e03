"""
The first of several streams that make one compressed file together.

gzip members, bzip2 and xz streams and Zstandard frames may follow each other.  An image whose metadata is such a
stream of its own can be edited without touching the rest (see `Compression.appends`).
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._detect import Compression
from lxdimage.compression._zstd import decode_zstd, frame_parts
from lxdimage.errors import InvalidImageError
from lxdimage.limits import Limits

__all__ = ["First", "take_first"]

_INPUT = 1 << 14


class _Decoder(Protocol):
    """What `bz2` and `lzma` have, and `zlib` nearly."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, size: int, /) -> bytes: ...


class _Inflater:
    """`zlib.decompressobj` for one gzip member in the shape of `_Decoder`."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, size: int, /) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, size)


@attrs.frozen
class First:
    """
    The first stream of a file.

    Attributes:
        stream: Its bytes.
        content: What they decompress to.
    """

    stream: bytes = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)


def take_first(compression: Compression, cursor: Cursor, *, size: int, limits: Limits) -> First | None:
    """
    Take the first stream off *cursor*.

    Args:
        compression: How the file is compressed.
        cursor: The file from its beginning.
        size: The most bytes that the content, or the stream itself, may have.
        limits: Bounds on the memory of the decoder.

    Returns:
        The stream; None, and nothing taken, where it is larger, damaged, or the only one by design.
    """
    if compression is Compression.ZSTD:
        return _take_frame(cursor, size, limits)
    make = _DECODERS.get(compression)
    return make and _take_stream(make(limits), cursor, size)


_DECODERS: dict[Compression, Callable[[Limits], _Decoder]] = {
    Compression.GZIP: lambda _: _Inflater(),
    Compression.BZIP2: lambda _: bz2.BZ2Decompressor(),
    Compression.XZ: lambda limits: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.window),
}


def _take_stream(decoder: _Decoder, cursor: Cursor, size: int) -> First | None:
    taken = bytearray()
    content = bytearray()
    try:
        while not decoder.eof and len(content) <= size and len(taken) <= size:
            data = cursor.take_any(_INPUT)
            taken += data
            content += decoder.decompress(data, size + 1 - len(content))
            if not data:
                break
    except (zlib.error, OSError, lzma.LZMAError):  # the last two of bz2 and lzma
        content.clear()
    if not decoder.eof or len(content) > size:
        cursor.give_back(bytes(taken))
        return None
    unused = decoder.unused_data
    cursor.give_back(unused)
    return First(bytes(taken[: len(taken) - len(unused)]), bytes(content))


def _take_frame(cursor: Cursor, size: int, limits: Limits) -> First | None:
    frame = _joined(frame_parts(cursor), size)
    content = _content(frame, size, limits) if len(frame) <= size else None
    if content is None:
        cursor.give_back(frame)
        return None
    return First(frame, content)


def _content(frame: bytes, size: int, limits: Limits) -> bytes | None:
    """Return what a frame decompresses to; None where that has more than *size* bytes, or the frame is damaged."""
    try:
        content = _joined(decode_zstd(Cursor(iter((frame,))), limits), size)
    except InvalidImageError:
        return None
    return content if len(content) <= size else None


def _joined(chunks: Chunks, size: int) -> bytes:
    """Return *chunks* in one piece; as soon as they have more than *size* bytes no further one is asked for."""
    joined = bytearray()
    for chunk in chunks:
        joined += chunk
        if len(joined) > size:
            break
    return bytes(joined)
