"""
gzip members one after the other (RFC 1952), by zlib or, when it is installed, by ISA-L.

What precedes damage comes out as from ``gzip -d``: all of it when the data ends too early or its checksum is
wrong, whole windows of 32 KiB when the deflate data itself is invalid.  (Of a large file that is cut, the last
letters and matches may come out here and not there; ISA-L may hold back one of them, and it may go on in invalid
data that zlib refuses, up to the checksum.)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol, cast

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._damage import corrupt, mismatch, trailing_garbage, truncated, unsupported
from lxdimage.errors import InvalidImageError, TruncatedImageError

__all__ = ["ZLIB", "Engine", "decode_gzip", "decode_member", "isal_engine"]


class Inflater(Protocol):
    """A decoder of one raw deflate stream; the shape of `bz2.BZ2Decompressor`."""

    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, size: int, /) -> bytes:
        """Take *data* and return at most *size* bytes."""


@attrs.frozen
class Engine:
    """
    A library that inflates.

    Attributes:
        inflater: Gives a new decoder.
        crc32: Its checksum function.
        error: What the decoder raises for invalid data.
    """

    inflater: Callable[[], Inflater]
    crc32: Callable[[bytes, int], int]
    error: type[Exception]


# The gzip program starts with a window of zeros and lets a match reach into it; both libraries refuse that unless
# they are given such a window.
_ZEROS = bytes(1 << 15)


class _ZlibInflater:
    """`zlib.decompressobj` in the shape of `Inflater`."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS, _ZEROS)
        self.eof = False
        self.needs_input = True
        self.unused_data = b""

    def decompress(self, data: bytes, size: int, /) -> bytes:
        output = self._stream.decompress(data or self._stream.unconsumed_tail, size)
        self.eof = self._stream.eof
        self.needs_input = not self._stream.unconsumed_tail
        self.unused_data = self._stream.unused_data
        return output


ZLIB = Engine(_ZlibInflater, zlib.crc32, zlib.error)


def isal_engine() -> Engine | None:
    """Return ISA-L, which inflates about twice as fast as zlib, or None when it is not installed."""
    try:
        from isal import igzip_lib, isal_zlib
    except ImportError:
        return None

    def inflater() -> Inflater:
        decoder: Inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE, zdict=_ZEROS)
        return decoder

    # The package's annotations take the class for an instance of it.
    failure = cast("type[Exception]", isal_zlib.error)
    return Engine(inflater, isal_zlib.crc32, failure)


# Below this ISA-L gains less than its import costs.  The two libraries also find damage in different places, and what
# gzip writes of a file that is cut takes long to find out: what is found in a small file is exact.
_SMALL = 1 << 18


def decode_gzip(cursor: Cursor, engine: Engine | None = None) -> Chunks:
    """Yield the content of all members; *engine* is what is installed unless given."""
    small = len(cursor.peek(_SMALL)) < _SMALL
    if engine is None:
        engine = (None if small else isal_engine()) or ZLIB
    member = _exact_member if small else _member
    yield from member(cursor, engine)
    while _at_member(cursor):
        yield from member(cursor, engine)


def decode_member(cursor: Cursor) -> Chunks:
    """Yield the content of one member, and leave what follows it."""
    return _member(cursor, ZLIB)


def _at_member(cursor: Cursor) -> bool:
    """Return whether a member follows: zeros up to the end may, anything else is garbage."""
    start = cursor.offset
    if _MAGIC.startswith(cursor.peek(2) or b"\0"):
        return True
    while data := cursor.take_any(_MOST_INPUT):
        if data.strip(b"\0"):
            raise trailing_garbage("gzip", start)
    return False


_MAGIC = b"\x1f\x8b"
_DEFLATE = 8
_HEADER_CRC, _EXTRA, _NAME, _COMMENT, _ENCRYPTED, _RESERVED = 2, 4, 8, 16, 32, 192


def _skip_header(cursor: Cursor) -> None:
    """Read a member's header (RFC 1952, section 2.3)."""
    start = cursor.offset
    header = _Header(cursor)
    magic, method, flags = header.take(2), header.take(1)[0], header.take(1)[0]
    if magic != _MAGIC:
        raise corrupt(f"expected a gzip member, found {magic!r}", start)
    if method != _DEFLATE or flags & (_ENCRYPTED | _RESERVED):
        raise unsupported(f"a gzip member has method {method} and flags {flags:#04x}", start)
    header.take(6)  # time, extra flags, operating system
    if flags & _EXTRA:
        header.take(int.from_bytes(header.take(2), "little"))
    if flags & _NAME:
        header.skip_text()
    if flags & _COMMENT:
        header.skip_text()
    if flags & _HEADER_CRC:
        header.check()


class _Header:
    """The bytes of a member's header with their running checksum."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._crc = 0

    def take(self, size: int) -> bytes:
        data = self._cursor.take(size)
        if len(data) < size:
            raise truncated("the file ends inside the header of a gzip member", self._cursor.offset)
        self._crc = zlib.crc32(data, self._crc)
        return data

    def skip_text(self) -> None:
        """Take bytes up to and including the next zero, however many."""
        while data := self._cursor.take_any(_LEAST_INPUT):
            text, zero, rest = data.partition(b"\0")
            self._crc = zlib.crc32(text + zero, self._crc)
            if zero:
                self._cursor.give_back(rest)
                return
        raise truncated("the file ends inside the header of a gzip member", self._cursor.offset)

    def check(self) -> None:
        offset, computed = self._cursor.offset, self._crc & 0xFFFF
        claimed = int.from_bytes(self.take(2), "little")
        if claimed != computed:
            raise mismatch(
                f"the header checksum of a gzip member is {claimed:#06x}, computed {computed:#06x}", offset
            )


def _member(cursor: Cursor, engine: Engine) -> Chunks:
    """Yield the content of a member."""
    start = cursor.offset
    _skip_header(cursor)
    yield from _body(cursor, engine, start, None)


def _body(cursor: Cursor, engine: Engine, start: int, taken: list[bytes] | None) -> Chunks:
    """Yield the content of the member whose header was read; what the decoder gets is added to *taken*."""
    crc = size = 0
    for piece in _inflate(cursor, engine, start, taken):
        crc = engine.crc32(piece, crc)
        size += len(piece)
        yield piece
    _check_trailer(cursor, crc, size & 0xFFFFFFFF)


# More than what gzip does not write of a member that is cut: matches of 258 bytes in some 20 bits.
_LATE = 1 << 13


def _exact_member(cursor: Cursor, engine: Engine) -> Chunks:
    """Yield the content of a member; of one that is cut what gzip writes of it."""
    start = cursor.offset
    _skip_header(cursor)
    begin = cursor.offset
    taken: list[bytes] = []
    late, total = b"", 0
    try:
        for piece in _body(cursor, engine, start, taken):
            late += piece
            if len(late) > _LATE:
                yield late[:-_LATE]
                total += len(late) - _LATE
                late = late[-_LATE:]
    except InvalidImageError as error:
        if isinstance(error, TruncatedImageError):
            from lxdimage.compression._deflate_end import written_size  # few files need it

            data = b"".join(taken).ljust(cursor.offset - begin, b"\0")  # of the checksum only the size counts
            late = late[: max(0, written_size(data) - total)]
        yield late
        raise
    yield late


def _check_trailer(cursor: Cursor, crc: int, size: int) -> None:
    """Compare checksum and length with what was stored (RFC 1952, section 2.3.1)."""
    offset = cursor.offset
    trailer = cursor.take(8)
    if len(trailer) < 8:
        raise truncated("the file ends inside the checksum of a gzip member", cursor.offset)
    claimed_crc, claimed_size = int.from_bytes(trailer[:4], "little"), int.from_bytes(trailer[4:], "little")
    if claimed_crc != crc:
        raise mismatch(f"the CRC-32 of a gzip member is {claimed_crc:#010x}, computed {crc:#010x}", offset)
    if claimed_size != size:
        raise mismatch(
            f"the length of a gzip member is {claimed_size}, found {size} (modulo 2**32)", offset + 4
        )


# Input of one call grows from the first to the second size, so that a file of many tiny members is not copied
# around for each.  Output of one call has gzip's own window size at first, where files are small and what precedes
# damage counts, and then a size that does not show in the speed.
_LEAST_INPUT, _MOST_INPUT = 1 << 12, 1 << 18
_WINDOW, _PIECE, _FINE = 1 << 15, 1 << 18, 1 << 23


def _inflate(cursor: Cursor, engine: Engine, start: int, taken: list[bytes] | None) -> Chunks:
    """Yield the content of a member; what is held when the data turns out to be invalid is lost, as in gzip."""
    inflater = engine.inflater()
    held: list[bytes] = []
    total = have = 0
    want, step, needs_input = _LEAST_INPUT, _WINDOW, True
    while not inflater.eof:
        data = cursor.take_any(want) if needs_input else b""
        if taken is not None:
            taken.append(data)
        try:
            output = inflater.decompress(data, step - have)
        except engine.error:
            raise corrupt(f"a gzip member is damaged behind its first {total} bytes", start) from None
        if needs_input and not data and not output:
            break
        needs_input = inflater.needs_input and len(output) < step - have
        held.append(output)
        have += len(output)
        if have == step:
            yield from held
            total += have
            held, have = [], 0
            step = _WINDOW if total < _FINE else _PIECE
        want = min(2 * want, _MOST_INPUT)
    yield from filter(None, held)
    if not inflater.eof:
        raise truncated("the file ends inside a gzip member", cursor.offset)
    cursor.give_back(inflater.unused_data)
