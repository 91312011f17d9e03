"""
bzip2 streams one after the other.

What precedes damage comes out as from ``bzip2 -d``, which writes 5000 bytes at a time: at the end of the data or
at an error the last ones are lost.  What follows a complete stream and does not begin another one is ignored.
"""

from __future__ import annotations

import bz2
from collections.abc import Callable

from lxdimage._chunks import READ_SIZE, Chunks, Cursor
from lxdimage.compression._damage import corrupt, ignored_garbage, truncated
from lxdimage.diagnostics import Diagnostic

__all__ = ["Writes", "begins_stream", "decode_bzip2", "decode_stream"]

_WRITE = 5000
_MOST_WRITES = 200
_LEAST_INPUT = 1 << 12  # grows, so that a file of many tiny streams is not copied around for each


class Writes:
    """
    Output of one stream, given out in whole writes of the bzip2 program and some of them at a time.

    Attributes:
        total: Bytes given out.
    """

    def __init__(self) -> None:
        self.total = 0
        self._held: list[bytes] = []
        self._have = 0
        self._goal = _WRITE

    @property
    def room(self) -> int:
        """Bytes up to the end of the write that is being filled."""
        return _WRITE - self._have % _WRITE

    def add(self, data: bytes) -> Chunks:
        """Hold *data*, at most a million bytes, and yield whole writes when enough have come together."""
        if self._have + len(data) > _MOST_WRITES * _WRITE:
            yield from self.whole()
        self._held.append(data)
        self._have += len(data)
        if self._have >= self._goal:
            self._goal = min(2 * self._goal, _MOST_WRITES * _WRITE)
            yield from self.whole()

    def finish(self) -> Chunks:
        """Yield all that is held: the stream was good."""
        if self._have:
            yield self._take(self._have)

    def whole(self) -> Chunks:
        """Yield the whole writes that are held: the next one may fail."""
        if self._have >= _WRITE:
            yield self._take(self._have - self._have % _WRITE)

    def _take(self, size: int) -> bytes:
        held = b"".join(self._held)
        self._held, self._have = [held[size:]], self._have - size
        self.total += size
        return held[:size]


def decode_bzip2(cursor: Cursor, report: Callable[[Diagnostic], None]) -> Chunks:
    """Yield the content of all streams, one thread."""
    first = True
    while begins_stream(cursor, report, first=first):
        first = False
        yield from decode_stream(bz2.BZ2Decompressor(), cursor, cursor.offset, Writes())


def begins_stream(cursor: Cursor, report: Callable[[Diagnostic], None], *, first: bool) -> bool:
    """Return whether a stream follows; only behind the first one may there be none or something else."""
    head = cursor.peek(4)
    if not head and not first:
        return False
    if not b"BZh".startswith(head[:3]) or head[3:].strip(b"123456789"):
        if first:
            raise corrupt(f"expected a bzip2 stream, found {head!r}", cursor.offset)
        report(ignored_garbage("bzip2", cursor.offset))
        return False
    if len(head) < 4:
        raise truncated("the file ends inside the header of a bzip2 stream", cursor.offset + len(head))
    return True


def decode_stream(decoder: bz2.BZ2Decompressor, cursor: Cursor, start: int, writes: Writes) -> Chunks:
    """
    Yield the (rest of the) content of one stream.

    Args:
        decoder: What decodes it; it may have been given a beginning already.
        cursor: Where its (other) bytes come from; it ends up behind the stream.
        start: Offset of the stream, for errors.
        writes: What was decoded of the stream and is not given out yet.

    Yields:
        The content.

    Raises:
        InvalidImageError: The stream is damaged or ends too early.
    """
    needs_input, want = decoder.needs_input, _LEAST_INPUT
    while not decoder.eof:
        data = cursor.take_any(want) if needs_input else b""
        want = min(2 * want, READ_SIZE)
        room = writes.room
        try:
            output = decoder.decompress(data, room)
        except OSError:
            yield from writes.whole()
            raise corrupt(f"a bzip2 stream is damaged behind its first {writes.total} bytes", start) from None
        if needs_input and not data and not output:
            yield from writes.whole()
            raise truncated("the file ends inside a bzip2 stream", cursor.offset)
        needs_input = decoder.needs_input and len(output) < room
        yield from writes.add(output)
    yield from writes.finish()
    cursor.give_back(decoder.unused_data)
