"""One .xz stream of blocks of a fixed size: byte for byte what ``xz -T2`` writes with the same liblzma."""

from __future__ import annotations

import lzma
import zlib
from functools import partial

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.compression._jobs import Job, in_order, pieces
from lxdimage.compression._xz_block import (
    FOOTER_MAGIC,
    MAGIC,
    Record,
    dump_integer,
    parse_block_header,
    parse_integer,
)

__all__ = ["PRESETS", "encode_xz"]

_MIB = 1 << 20
_FLAGS = bytes((0, lzma.CHECK_CRC64))
_CHECK_SIZE = 8


@attrs.frozen
class Preset:
    """
    What a level of xz means.

    Attributes:
        dictionary: Its size in bytes.
        encoder: Bytes of memory of one encoder.
    """

    dictionary: int
    encoder: int

    @property
    def block(self) -> int:
        """Bytes of content of a block: three dictionaries."""
        return max(_MIB, 3 * self.dictionary)

    @property
    def memory(self) -> int:
        """Bytes that a thread needs: the encoder, its input, its output and the next input."""
        return self.encoder + 3 * self.block


_DICTIONARIES = (_MIB // 4, _MIB, *(size * _MIB for size in (2, 4, 4, 8, 8, 16, 32, 64)))
_ENCODERS = tuple(size * _MIB for size in (3, 9, 17, 32, 48, 94, 94, 186, 370, 674))

PRESETS = tuple(map(Preset, _DICTIONARIES, _ENCODERS))
"""The levels 0 to 9."""


def encode_xz(chunks: Chunks, level: int, threads: int) -> Chunks:
    """Yield a stream; every block is compressed in a thread."""
    size = PRESETS[level].block
    records: list[Record] = []
    yield MAGIC + _FLAGS + _crc(_FLAGS)
    # A generator expression would hold one block while the next one is gathered.
    jobs = map(partial(_job, level=level, block_size=size), pieces(chunks, size))
    for block in in_order(jobs, threads):
        records.append(_record(block))
        yield block
    index = _dump_index(records)
    yield index
    fields = (len(index) // 4 - 1).to_bytes(4, "little") + _FLAGS
    yield _crc(fields) + fields + FOOTER_MAGIC


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def _job(content: list[memoryview], level: int, block_size: int) -> Job:
    return lambda: _compress_block(content, level, block_size)


def _compress_block(content: list[memoryview], level: int, block_size: int) -> bytes:
    """Return a block that says its sizes, made of the block of a whole stream, which does not."""
    size = sum(map(len, content))
    stream = b"".join(_compress(content, level))
    start = 12 + (stream[12] + 1) * 4
    end = len(stream) - 12 - (int.from_bytes(stream[-8:-4], "little") + 1) * 4
    unpadded, _ = parse_integer(stream, end + 2)
    compressed = unpadded - (start - 12) - _CHECK_SIZE
    filters = stream[14 : 16 + stream[15]]  # identifier, size of the properties, properties
    header = _dump_header(compressed, size, filters, block_size)
    return header + memoryview(stream)[start:end]


def _compress(content: list[memoryview], level: int) -> list[bytes]:
    """Return a stream, and let its encoder go; in pieces, so that an interrupt need not wait for a whole block."""
    encoder = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC64, level)
    return [*map(encoder.compress, content), encoder.flush()]


def _dump_header(compressed: int, uncompressed: int, filters: bytes, block_size: int) -> bytes:
    """Return a block's header (section 3.1), as large as liblzma makes it: for the largest sizes it may say."""
    fields = dump_integer(compressed) + dump_integer(uncompressed) + filters
    largest = dump_integer(_bound(block_size)) + dump_integer(block_size) + filters
    size = (2 + len(largest) + 3) // 4 * 4
    header = (bytes((size // 4, 0xC0)) + fields).ljust(size, b"\0")
    return header + _crc(header)


def _bound(size: int) -> int:
    """Return liblzma's bound on the size of a block with *size* bytes of content (lzma_block_buffer_bound)."""
    chunks = -(-size // (1 << 16))
    return (size + 3 * chunks + 1 + 3) // 4 * 4 + 92


def _record(block: bytes) -> Record:
    header = parse_block_header(Cursor(iter((block,))))
    return Record(len(header.raw) + (header.compressed or 0) + _CHECK_SIZE, header.uncompressed or 0)


def _dump_index(records: list[Record]) -> bytes:
    """Return the index (section 4)."""
    fields = [b"\0", dump_integer(len(records))]
    fields += (dump_integer(record.unpadded) + dump_integer(record.uncompressed) for record in records)
    index = b"".join(fields)
    index += bytes(-len(index) % 4)
    return index + _crc(index)
