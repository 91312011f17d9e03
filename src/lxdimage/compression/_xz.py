"""
The .xz container (The .xz File Format 1.1): streams of blocks, each stream with an index and a footer.

liblzma decodes the blocks and checks what they hold; everything around them is read here.  So blocks can be handed
to several threads, nothing is lost in front of a wrong checksum, and a finding says what is wrong where.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import deque
from collections.abc import Generator

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._damage import corrupt, mismatch, trailing_garbage, truncated, unsupported
from lxdimage.compression._workers import Task, Workers
from lxdimage.compression._xz_block import (
    FOOTER_MAGIC,
    MAGIC,
    BlockHeader,
    Record,
    StreamFlags,
    decode_block,
    parse_block_header,
    parse_integer,
)
from lxdimage.errors import InvalidImageError
from lxdimage.limits import Limits

__all__ = ["decode_xz"]

_KNOWN_CHECKS = frozenset({0, 1, 4, 10})
_PADDING_AT_ONCE = 1 << 12  # little, as it is copied around for every stream of a file


def decode_xz(cursor: Cursor, limits: Limits, threads: int, *, alone: bool = False) -> Chunks:
    """
    Yield the content of all streams, or of the first one *alone*.

    So many *threads* work on blocks whose headers give their sizes.
    """
    with Workers(threads) as workers:
        blocks = _Blocks(workers, limits, threads)
        try:
            yield from _streams(cursor, blocks, alone=alone)
        except InvalidImageError:
            # What is wrong lies behind the blocks that are on their way.
            yield from blocks.finish()
            raise


def _streams(cursor: Cursor, blocks: _Blocks, *, alone: bool) -> Chunks:
    unknown: int | None = None
    flags: StreamFlags | None = _parse_stream_header(cursor, first=True)
    while flags:
        if flags.check not in _KNOWN_CHECKS and unknown is None:
            unknown = flags.check
        yield from _stream(cursor, flags, blocks)
        more = not alone and _another_stream(cursor)
        flags = _parse_stream_header(cursor, first=False) if more else None
    yield from blocks.finish()
    if unknown is not None:
        raise unsupported(f"the xz integrity check has the unknown type {unknown}", cursor.offset)


def _another_stream(cursor: Cursor) -> bool:
    """Step over stream padding (section 2.2) and return whether anything follows."""
    start = cursor.offset
    while data := cursor.take_any(_PADDING_AT_ONCE):
        if rest := data.lstrip(b"\0"):
            cursor.give_back(rest)
            break
    if (cursor.offset - start) % 4:
        raise corrupt(f"xz stream padding has {cursor.offset - start} bytes, not a multiple of four", start)
    return bool(data)


def _parse_stream_header(cursor: Cursor, *, first: bool) -> StreamFlags:
    """Read a stream's header (section 2.1.1)."""
    start = cursor.offset
    raw = cursor.take(12)
    if raw[:6] != MAGIC[: len(raw)]:
        if first:
            raise corrupt(f"expected an xz stream, found {raw[:6]!r}", start)
        raise trailing_garbage("xz", start)
    if len(raw) < 12:
        raise truncated("the file ends inside the header of an xz stream", cursor.offset)
    claimed, computed = int.from_bytes(raw[8:], "little"), zlib.crc32(raw[6:8])
    if claimed != computed:
        message = f"the header checksum of an xz stream is {claimed:#010x}, computed {computed:#010x}"
        raise mismatch(message, start + 8)
    if raw[6] or raw[7] & 0xF0:
        raise unsupported(f"an xz stream has flags {raw[6:8].hex()}", start + 6)
    return StreamFlags(raw=raw, check=raw[7])


def _stream(cursor: Cursor, flags: StreamFlags, blocks: _Blocks) -> Chunks:
    """
    Yield the content of the stream behind its header, apart from that of blocks that are still on their way.

    ``Stream = Header Block* Index Footer``.
    """
    records = _Records()
    while (mark := cursor.peek(1)) != b"\0":
        if not mark:
            raise truncated("the file ends inside an xz stream", cursor.offset)
        header = parse_block_header(cursor)
        records.add((yield from blocks.decode(cursor, flags, header)))
    size = _check_index(cursor, records)
    _check_footer(cursor, flags, size)


class _Records:
    """The records of an index by their hash, so that memory does not depend on how many there are."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, record: Record) -> None:
        self._hash.update(struct.pack("<QQ", record.unpadded, record.uncompressed))
        self.count += 1

    def digest(self) -> bytes:
        """Return what is equal for equal records."""
        return self._hash.digest()


def _check_index(cursor: Cursor, found: _Records) -> int:
    """Compare the index (section 4) with the blocks that were *found* and return its size."""
    start = cursor.offset
    fields = _Fields(cursor)
    fields.take(1)
    count = fields.integer()
    if count != found.count:
        raise corrupt(f"the index of an xz stream lists {count} blocks, found {found.count}", start)
    listed = _Records()
    for _ in range(count):
        listed.add(Record(fields.integer(), fields.integer()))
    if listed.digest() != found.digest():
        raise corrupt("the index of an xz stream does not describe its blocks", start)
    if fields.take(-(cursor.offset - start) % 4).strip(b"\0"):
        raise corrupt("the padding of an xz index is not zero", cursor.offset)
    computed = fields.crc
    claimed = int.from_bytes(fields.take(4), "little")
    if claimed != computed:
        message = f"the checksum of an xz index is {claimed:#010x}, computed {computed:#010x}"
        raise mismatch(message, cursor.offset - 4)
    return cursor.offset - start


class _Fields:
    """The fields of an index with their running checksum."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.crc = 0

    def take(self, size: int) -> bytes:
        data = self._cursor.take(size)
        if len(data) < size:
            raise truncated("the file ends inside the index of an xz stream", self._cursor.offset)
        self.crc = zlib.crc32(data, self.crc)
        return data

    def integer(self) -> int:
        head = self._cursor.peek(9)
        try:
            value, size = parse_integer(head, 0)
        except ValueError:
            raise corrupt("the index of an xz stream is malformed", self._cursor.offset) from None
        except IndexError:
            size, value = len(head) + 1, 0
        self.take(size)
        return value


def _check_footer(cursor: Cursor, flags: StreamFlags, index_size: int) -> None:
    """Read a stream's footer (section 2.1.2)."""
    start = cursor.offset
    raw = cursor.take(12)
    if len(raw) < 12:
        raise truncated("the file ends inside the footer of an xz stream", cursor.offset)
    claimed, computed = int.from_bytes(raw[:4], "little"), zlib.crc32(raw[4:10])
    if raw[10:] != FOOTER_MAGIC:
        raise corrupt(f"expected the end {FOOTER_MAGIC!r} of an xz stream, found {raw[10:]!r}", start + 10)
    if claimed != computed:
        message = f"the footer checksum of an xz stream is {claimed:#010x}, computed {computed:#010x}"
        raise mismatch(message, start)
    size = (int.from_bytes(raw[4:8], "little") + 1) * 4
    if size != index_size or raw[8:10] != flags.raw[6:8]:
        raise corrupt("the footer of an xz stream does not describe the stream", start)


@attrs.frozen
class _Pending:
    """A block that a thread decodes, and the bytes of memory that it may need."""

    task: Task
    cost: int


_LEAST_BLOCK = 1 << 18
_PIECE = 1 << 20


class _Blocks:
    """
    Blocks on their way through the decoder: several at a time where their sizes are known and memory allows.

    A block that is not worth a thread is decoded in the caller, once all in front of it are given out.
    """

    def __init__(self, workers: Workers, limits: Limits, threads: int) -> None:
        self._workers = workers
        self._limits = limits
        self._threads = threads
        self._pending: deque[_Pending] = deque()
        self._cost = 0

    def decode(
        self, cursor: Cursor, flags: StreamFlags, header: BlockHeader
    ) -> Generator[bytes, None, Record]:
        """Take the block behind *header*, yield what is ready, and return what the index must say about it."""
        compressed, uncompressed = header.compressed, header.uncompressed
        if compressed is None or uncompressed is None or not self._is_worth_a_thread(header):
            yield from self.finish()
            return (yield from decode_block(cursor, flags, header, self._limits))
        cost = compressed + uncompressed + header.dictionary
        while self._pending and not self._has_room(cost):
            yield from self._next()
        start = cursor.offset
        data = cursor.take(compressed + -compressed % 4 + flags.check_size)
        block = Cursor(iter((data,)), start)
        pieces = 2 * uncompressed // _PIECE + 2
        task = self._workers.start(lambda: _gather(decode_block(block, flags, header, self._limits)), pieces)
        self._pending.append(_Pending(task, cost))
        self._cost += cost
        return Record(len(header.raw) + compressed + flags.check_size, uncompressed)

    def finish(self) -> Chunks:
        """Yield the content of all blocks that are on their way."""
        while self._pending:
            yield from self._next()

    def _is_worth_a_thread(self, header: BlockHeader) -> bool:
        compressed, uncompressed = header.compressed or 0, header.uncompressed or 0
        cost = compressed + uncompressed + header.dictionary
        return self._threads > 1 and uncompressed >= _LEAST_BLOCK and 2 * cost <= self._limits.parallel_memory

    def _has_room(self, cost: int) -> bool:
        return len(self._pending) < self._threads and self._cost + cost <= self._limits.parallel_memory

    def _next(self) -> Chunks:
        """Yield the content of the first block on its way; when it is damaged, those behind it are forgotten."""
        first = self._pending.popleft()
        try:
            yield from first.task.results()
        except InvalidImageError:
            self._pending.clear()
            raise
        self._cost -= first.cost


def _gather(chunks: Chunks) -> Chunks:
    """Yield *chunks* joined to larger ones of at most 1 MiB, so that their number is bounded by their size."""
    held: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            if size + len(chunk) > _PIECE:
                yield b"".join(held)
                held, size = [], 0
            held.append(chunk)
            size += len(chunk)
    except InvalidImageError:
        yield b"".join(held)
        raise
    yield b"".join(held)
