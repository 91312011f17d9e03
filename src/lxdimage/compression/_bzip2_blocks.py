"""
bzip2 blocks in several threads.

A block begins with a magic number of 48 bits at any bit and says neither how long it is nor where the next one
begins.  So the magic numbers are looked up, what lies between two of them is decoded on its own, and where that
does not come out right (damage, the end of the file, a magic number by chance) the sequential decoder takes over
at the beginning of the doubtful block.  Content and errors are therefore always those of the sequential decoder.
"""

from __future__ import annotations

import bz2
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeAlias

import attrs

from lxdimage._chunks import READ_SIZE, Chunks, Cursor
from lxdimage.compression._bzip2 import Writes, begins_stream, decode_stream
from lxdimage.compression._workers import Task, Workers
from lxdimage.diagnostics import Diagnostic

__all__ = ["MEMORY", "decode_blocks"]

MEMORY = 20 << 20
"""Bytes that each thread may need: a decoder, its output and the input of two blocks."""

_BLOCK, _END = 0x314159265359, 0x177245385090
_MAGIC_BITS = 48
_CRC_BITS = 32
_MASK = (1 << 32) - 1

# 900,000 symbols of at most 20 bits and the tables in front of them.
_MOST_BLOCK_BITS = 8 * 2_500_000
_PIECE = 1_000_000
_PIECES = 4


def decode_blocks(cursor: Cursor, report: Callable[[Diagnostic], None], threads: int) -> Chunks:
    """Yield the content of all streams, blocks decoded by *threads*."""
    first = True
    with Workers(threads) as workers:
        while begins_stream(cursor, report, first=first):
            first = False
            yield from _Run(cursor, workers, threads + 1).decode()


@attrs.frozen
class _Header:
    """The header of a stream at *position*, which counts bits of the file."""

    position: int
    level: bytes


@attrs.frozen
class _Block:
    """A block at *position* with the checksum it claims, on its way through a worker."""

    position: int
    crc: int
    task: Task


@attrs.frozen
class _End:
    """The end of a stream at *position* with the checksum it claims."""

    position: int
    crc: int


@attrs.frozen
class _Unclear:
    """Something at *position*, inside a stream, that cannot be decoded on its own."""

    position: int


@attrs.frozen
class _Stop:
    """The end of the last stream, at *position*."""

    position: int


_Found: TypeAlias = _Header | _Block | _End | _Unclear | _Stop


class _Doubt(Exception):  # noqa: N818 - no error: the sequential decoder decides
    """What lies at *position* did not come out right."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class _Run:
    """
    Streams that come out right, and at most one that the sequential decoder finishes.

    At most *ahead* blocks are on their way at a time.
    """

    def __init__(self, cursor: Cursor, workers: Workers, ahead: int) -> None:
        self._cursor = cursor
        self._workers = workers
        self._ahead = ahead
        self._window = _Window(cursor)
        self._header = _Header(8 * cursor.offset, b"")
        self._writes = Writes()
        self._combined = self._blocks = 0

    def decode(self) -> Chunks:
        """Yield the content; the cursor ends up behind the last stream."""
        waiting: deque[_Found] = deque()
        try:
            for found in self._scan():
                waiting.append(found)
                if len(waiting) > self._ahead:
                    yield from self._emit(waiting.popleft())
            while waiting:
                yield from self._emit(waiting.popleft())
        except _Doubt as doubt:
            for later in waiting:
                if isinstance(later, _Block):
                    later.task.stop()
            decoder = self._resumed(doubt.position)
            yield from decode_stream(decoder, self._cursor, self._header.position // 8, self._writes)

    def _scan(self) -> Iterator[_Found]:
        """Find what the streams consist of: ``Header (Magic Crc Content)* End Crc``, all but Header at any bit."""
        position = self._header.position
        while (level := self._window.level(position)) is not None:
            yield _Header(position, level)
            position += 32
            while self._window.bits(position, _MAGIC_BITS) == _BLOCK:
                end = self._window.next_magic(position)
                crc = self._window.bits(position + _MAGIC_BITS, _CRC_BITS)
                if end is None or crc is None:
                    yield _Unclear(position)
                    return
                yield _Block(position, crc, self._start(position, end, level, crc))
                position = end
            crc = self._window.bits(position + _MAGIC_BITS, _CRC_BITS)
            if crc is None or self._window.bits(position, _MAGIC_BITS) != _END:
                yield _Unclear(position)
                return
            yield _End(position, crc)
            position += _MAGIC_BITS + _CRC_BITS
            position += -position % 8
        yield _Stop(position)

    def _start(self, position: int, end: int, level: bytes, crc: int) -> Task:
        size, tail = end - position, _MAGIC_BITS + _CRC_BITS
        data, shift = self._window.cut(position, end)

        def decode() -> Chunks:
            # The block alone is a stream when it begins at a byte and an end with its checksum follows.
            bits = (int.from_bytes(data, "big") >> shift & (1 << size) - 1) << tail | _END << _CRC_BITS | crc
            padding = -(size + tail) % 8
            return _decode_alone(level + (bits << padding).to_bytes((size + tail + padding) // 8, "big"))

        return self._workers.start(decode, _PIECES)

    def _emit(self, found: _Found) -> Chunks:
        self._window.forget(found.position)
        match found:
            case _Header():
                self._header, self._writes = found, Writes()
                self._combined = self._blocks = 0
            case _Block():
                yield from self._emit_block(found)
            case _End():
                if found.crc != self._combined:
                    raise _Doubt(found.position)
                yield from self._writes.finish()
            case _Unclear():
                raise _Doubt(found.position)
            case _Stop():
                self._window.give_back(found.position // 8)

    def _emit_block(self, block: _Block) -> Chunks:
        try:
            for piece in block.task.results():
                yield from self._writes.add(piece)
        except OSError:
            raise _Doubt(block.position) from None
        self._combined = (self._combined << 1 | self._combined >> 31) & _MASK ^ block.crc
        self._blocks += 1

    def _resumed(self, position: int) -> bz2.BZ2Decompressor:
        """
        Return a decoder that goes on at *position*, with the cursor behind what it was given already.

        It has seen one small block instead of all that precede: its length puts the next one at the right bit of a
        byte, and its checksum is what the checksums of all blocks so far combine to.
        """
        shift = position % 8
        decoder = bz2.BZ2Decompressor()
        prefix, size, content_size = 0, 0, 0
        if self._blocks:
            prefix, size, content_size = _forge_block(self._combined, shift)
        if shift:
            left = 8 - shift
            prefix, size = prefix << left | (self._window.bits(position, left) or 0), size + left
        self._window.give_back((position + 7) // 8)
        decoder.decompress(self._header.level + prefix.to_bytes(size // 8, "big"), content_size)
        return decoder


def _decode_alone(data: bytes) -> Chunks:
    """
    Yield the content of a stream of one block once it is known to be right.

    A block may hold 46 MB of equal bytes: such content is not kept but decoded again.

    Raises:
        OSError: The stream is damaged or incomplete.
    """
    pieces: list[bytes] = []
    for count, piece in enumerate(_decode_strictly(data)):
        if count < _PIECES:
            pieces.append(piece)
    yield from pieces if count < _PIECES else _decode_strictly(data)


def _decode_strictly(data: bytes) -> Chunks:
    decoder = bz2.BZ2Decompressor()
    yield decoder.decompress(data, _PIECE)
    while not decoder.eof:
        piece = decoder.decompress(b"", _PIECE)
        if not piece and not decoder.eof:
            raise OSError
        yield piece
    if decoder.unused_data:
        raise OSError


class _Window:
    """The bytes from the oldest that may be needed again up to the newest that was looked at."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._start = cursor.offset
        self._data = bytearray()
        self._magics: deque[int] = deque()
        self._searched = cursor.offset + 1

    def _fetch(self) -> bool:
        """Look at some more bytes and return whether there were any."""
        data = self._cursor.take_any(READ_SIZE)
        self._data += data
        return bool(data)

    def bits(self, position: int, size: int) -> int | None:
        """Return *size* bits at *position*, or None when the file ends before."""
        while 8 * (self._start + len(self._data)) < position + size:
            if not self._fetch():
                return None
        data, shift = self.cut(position, position + size)
        return int.from_bytes(data, "big") >> shift & (1 << size) - 1

    def cut(self, position: int, end: int) -> tuple[bytes, int]:
        """Return the bytes that hold the bits from *position* to *end*, and how many bits follow in the last."""
        first, last = position // 8 - self._start, (end + 7) // 8 - self._start
        return bytes(self._data[first:last]), -end % 8

    def level(self, position: int) -> bytes | None:
        """Return the header of a stream at *position*, or None when there is none."""
        value = self.bits(position, 32)
        header = b"" if value is None else value.to_bytes(4, "big")
        return header if header[:3] == b"BZh" and b"1" <= header[3:] <= b"9" else None

    def next_magic(self, position: int) -> int | None:
        """Return where the magic number behind the one at *position* lies, or None when there is none in reach."""
        while True:
            self._search()
            while self._magics and self._magics[0] <= position:
                self._magics.popleft()
            if self._magics:
                found = self._magics[0]
                return found if found - position <= _MOST_BLOCK_BITS else None
            if 8 * self._searched - position > _MOST_BLOCK_BITS or not self._fetch():
                return None

    def _search(self) -> None:
        """Find the magic numbers that have not been searched for yet and are complete."""
        data, last = self._data, len(self._data) - 1
        found = []
        for core, magic, shift in _CORES:
            at = data.find(core, self._searched - self._start, last)
            while at >= 0:
                window = int.from_bytes(data[at - 1 : at + 6], "big")
                if window >> 8 - shift & (1 << _MAGIC_BITS) - 1 == magic:
                    found.append(8 * (self._start + at - 1) + shift)
                at = data.find(core, at + 1, last)
        self._magics.extend(sorted(found))
        self._searched = max(self._searched, self._start + len(data) - 5)

    def forget(self, position: int) -> None:
        """Let go of what lies before *position*."""
        count = position // 8 - self._start
        del self._data[:count]
        self._start += count

    def give_back(self, offset: int) -> None:
        """Return everything from *offset* on to the cursor."""
        self._cursor.give_back(bytes(self._data[offset - self._start :]))


# A magic number that begins *shift* bits into a byte fills the next five bytes, whatever surrounds it.
_CORES = tuple(
    ((magic << 8 - shift).to_bytes(7, "big")[1:6], magic, shift)
    for magic in (_BLOCK, _END)
    for shift in range(8)
)

_POLYNOMIAL = 0x04C11DB7


def _forge_block(crc: int, shift: int) -> tuple[int, int, int]:
    """
    Return a block with checksum *crc* that ends *shift* bits into a byte when it follows the header of a stream.

    Returns:
        The bits of the block, their number, and the size of its content.
    """
    end = _END << _CRC_BITS | crc
    number = 0
    while True:
        text = b"%d" % number
        content = text + _complete(text, crc)
        packed = bz2.compress(content, 1)[4:]
        value = int.from_bytes(packed, "big")
        padding = next(bits for bits in range(8) if value >> bits & (1 << 80) - 1 == end)
        size = 8 * len(packed) - padding - 80
        if size % 8 == shift:
            return value >> padding + 80, size, len(content)
        number += 1


def _complete(text: bytes, crc: int) -> bytes:
    """Return the four bytes that make *crc* the checksum of *text* and them."""
    register = _MASK
    for byte in text:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (_POLYNOMIAL if register >> 31 else 0)) & _MASK
    wanted = crc ^ _MASK
    for _ in range(32):
        wanted = (wanted ^ _POLYNOMIAL) >> 1 | 1 << 31 if wanted & 1 else wanted >> 1
    return (register ^ wanted).to_bytes(4, "big")
