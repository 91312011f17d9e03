"""
Zstandard frames one after the other (RFC 8878), by libzstd.

libzstd's streaming reader does not say where a frame ends, so that the frames are followed here by the sizes in
their headers: that tells a file that ends too early and garbage behind it.  What precedes damage comes out as from
``zstd -d``: calls have the sizes of its buffers while a file is small, and the output of a failed call is lost.

Behind a frame the program also takes a gzip member, or a stream of xz, lzma or lz4, and then any of all these again.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import IO, cast

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._damage import (
    corrupt,
    mismatch,
    over_limit,
    trailing_garbage,
    truncated,
    unsupported,
)
from lxdimage.errors import InvalidImageError
from lxdimage.limits import Limits

__all__ = ["decode_zstd", "frame_parts"]

# The buffer sizes of libzstd (ZSTD_DStreamInSize, ZSTD_DStreamOutSize), and larger ones for large files: between two
# calls the interpreter is needed, and may have to be waited for.
_INPUT, _OUTPUT, _FINE = 131_075, 1 << 17, 1 << 23
_PIECE = 1 << 19

_MOST_WINDOW = 128 << 20
"""What ``zstd -d`` takes without being told to take more."""


def decode_zstd(cursor: Cursor, limits: Limits) -> Chunks:
    """Yield the content of all frames, and of what else the program decodes behind them."""
    yield from _zstd_frames(cursor, limits)
    while rest := cursor.peek(4):
        if _is_magic(rest):
            yield from _zstd_frames(cursor, limits)
        else:
            yield from _foreign(cursor, rest, limits)


def _foreign(cursor: Cursor, head: bytes, limits: Limits) -> Chunks:
    """Return the content of one stream of another format, which begins with *head*."""
    if len(head) == 4:
        if head.startswith(b"\x1f\x8b"):
            from lxdimage.compression._gzip import decode_member

            return decode_member(cursor)
        if head.startswith(b"\xfd7"):
            from lxdimage.compression._xz import decode_xz

            return decode_xz(cursor, limits, 1, alone=True)
        if head.startswith(b"\x5d\0"):
            from lxdimage.compression._lzma import decode_lzma

            return decode_lzma(cursor, limits, alone=True)
        if head == b"\x04\x22\x4d\x18":
            from lxdimage.compression._lz4 import decode_frame

            return decode_frame(cursor)
    raise trailing_garbage("zstd", cursor.offset)


def _zstd_frames(cursor: Cursor, limits: Limits) -> Chunks:
    """Yield the content of frames of this format, one at least."""
    import zstandard

    source = _Source(cursor)
    stream = cast("IO[bytes]", source)  # libzstd's reader asks for nothing but read()
    decoder = zstandard.ZstdDecompressor(max_window_size=min(limits.window, _MOST_WINDOW))
    reader = decoder.stream_reader(stream, read_size=_PIECE, read_across_frames=True, closefd=False)
    total = 0
    try:
        while piece := reader.read1(_OUTPUT) if total < _FINE else reader.read(_PIECE):
            total += len(piece)
            yield piece
    except zstandard.ZstdError as error:
        raise _failure(str(error), source.start, total, limits) from None
    source.check_end()


def _failure(text: str, start: int, total: int, limits: Limits) -> InvalidImageError:
    """Return what libzstd's error *text* means for the reader."""
    if "checksum" in text:
        return mismatch("the content of a zstd frame differs from its checksum", start)
    if "memory" in text:
        if limits.window < _MOST_WINDOW:
            return over_limit(f"a zstd window exceeds Limits.window, {limits.window} bytes", start)
        return unsupported("a zstd frame needs a window of more than 128 MiB", start)
    if "ictionary" in text:
        return unsupported("a zstd frame needs a dictionary that is not in the file", start)
    if "nsupported" in text:
        return unsupported("a zstd frame has features that libzstd does not know", start)
    return corrupt(f"the zstd data is damaged behind its first {total} bytes", start)


class _Source:
    """
    What the reader reads: the frames, without what may follow them.

    Attributes:
        start: Offset of the frame in which the last read began.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._frames = _Frames()
        self.start = cursor.offset

    def read(self, size: int, /) -> bytes:
        """Return at most *size* bytes that belong to frames."""
        offset = self._cursor.offset
        if not self._frames.within:
            self.start = offset
        data = self._cursor.take(_INPUT if offset < _FINE else size)
        known = self._frames.feed(data)
        if known < len(data):
            self._cursor.give_back(data[known:])
        return data[:known]

    def check_end(self) -> None:
        """Complain unless a complete frame came last."""
        offset = self._cursor.offset
        if self._frames.within:
            raise truncated("the file ends inside a zstd frame", offset)
        if rest := self._cursor.peek(4):
            if _MAGIC.to_bytes(4, "little").startswith(rest):
                raise truncated("the file ends inside a zstd frame", offset + len(rest))
            if not offset:
                raise corrupt(f"expected a zstd frame, found {rest!r}", offset)
        elif not offset:
            raise truncated("the file is empty, expected a zstd frame", offset)


_MAGIC = 0xFD2FB528
_SKIPPABLE, _SKIPPABLE_MASK = 0x184D2A50, 0xFFFFFFF0
_RLE = 1
_HAS_CHECKSUM = 4


def _is_magic(data: bytes) -> bool:
    magic = int.from_bytes(data, "little")
    return magic == _MAGIC or magic & _SKIPPABLE_MASK == _SKIPPABLE


class _Frames:
    """Follows the frames in a stream by their sizes, without decoding them."""

    def __init__(self) -> None:
        self._between = True
        self._rest = b""
        self._grammar = self._follow()
        self._skip, self._want = next(self._grammar)

    @property
    def within(self) -> bool:
        """Whether the stream is inside a frame."""
        return not self._between or self._skip > 0

    def feed(self, data: bytes) -> int:
        """Follow *data* and return how many bytes of it are known to belong to frames."""
        buffer = self._rest + data if self._rest else data
        position = 0
        while True:
            step = min(self._skip, len(buffer) - position)
            position += step
            self._skip -= step
            token = buffer[position : position + self._want]
            if self._skip or len(token) < self._want or (self._between and not _is_magic(token)):
                break
            position += self._want
            self._skip, self._want = self._grammar.send(token)
        if not self.within:
            position -= len(self._rest)
            self._rest = b""
            return position
        self._rest = buffer[position:]
        return len(data)

    def _follow(self) -> Generator[tuple[int, int], bytes, None]:
        """
        Ask to skip some bytes and then for some bytes, by RFC 8878, section 3.1.

        ``Frame = Magic Header Block* [Checksum]``, ``Block = Header Content``,
        ``Skippable_Frame = Magic Size Content``.
        """
        skip = 0
        while True:
            self._between = True
            magic = yield skip, 4
            self._between = False
            if int.from_bytes(magic, "little") != _MAGIC:
                skip = int.from_bytes((yield 0, 4), "little")
                continue
            descriptor = (yield 0, 1)[0]
            skip, last = _header_size(descriptor), 0
            while not last:
                block = int.from_bytes((yield skip, 3), "little")
                last, kind, size = block & 1, block >> 1 & 3, block >> 3
                skip = 1 if kind == _RLE else size
            if descriptor & _HAS_CHECKSUM:
                skip += 4


def frame_parts(cursor: Cursor) -> Chunks:
    """Take the frame that comes next off *cursor* and yield its bytes; less when there is none or it is cut."""
    head = cursor.take(5)
    yield head
    if len(head) < 5 or int.from_bytes(head[:4], "little") != _MAGIC:
        return
    descriptor = head[4]
    yield cursor.take(_header_size(descriptor))
    last = 0
    while not last:
        header = cursor.take(3)
        if len(header) < 3:
            return
        block = int.from_bytes(header, "little")
        last, kind, size = block & 1, block >> 1 & 3, block >> 3
        yield header + cursor.take(1 if kind == _RLE else size)
    if descriptor & _HAS_CHECKSUM:
        yield cursor.take(4)


def _header_size(descriptor: int) -> int:
    """Return the size of what follows the *descriptor* of a frame up to its first block."""
    single_segment = bool(descriptor & 0x20)
    window = 0 if single_segment else 1
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    content = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    return window + dictionary + content
