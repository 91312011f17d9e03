"""Blocks of an .xz stream (The .xz File Format 1.1, section 3), and what reader and writer share of streams."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Generator

import attrs

from lxdimage._chunks import Cursor
from lxdimage.compression._damage import corrupt, mismatch, truncated, unsupported
from lxdimage.compression._lzma import OVERHEAD, LZMADecoder, lzma_failure
from lxdimage.limits import Limits

__all__ = [
    "FOOTER_MAGIC",
    "MAGIC",
    "BlockHeader",
    "Record",
    "StreamFlags",
    "decode_block",
    "dump_integer",
    "parse_block_header",
    "parse_integer",
]

_CHECK_SIZES = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)
"""Size of the integrity check by its number (section 2.1.1.2)."""

MAGIC, FOOTER_MAGIC = b"\xfd7zXZ\0", b"YZ"
"""What a stream begins with, and what it ends in (sections 2.1.1.1 and 2.1.2.4)."""

_LZMA2 = 0x21


@attrs.frozen(kw_only=True)
class StreamFlags:
    """
    What the header of a stream says.

    Attributes:
        raw: The header.
        check: Number of the type of integrity check.
    """

    raw: bytes
    check: int

    @property
    def check_size(self) -> int:
        """Bytes of the check behind every block."""
        return _CHECK_SIZES[self.check]


@attrs.frozen(kw_only=True)
class BlockHeader:
    """
    What the header of a block says.

    Attributes:
        raw: The header.
        start: Its offset.
        compressed: Size of the compressed data, when the header has it.
        uncompressed: Size of the content, when the header has it.
        dictionary: Bytes of the LZMA2 dictionary.
    """

    raw: bytes
    start: int
    compressed: int | None
    uncompressed: int | None
    dictionary: int


@attrs.frozen
class Record:
    """
    What the index must say about a block.

    Attributes:
        unpadded: Size of header, compressed data and check.
        uncompressed: Size of the content.
    """

    unpadded: int
    uncompressed: int


def parse_integer(data: bytes, position: int) -> tuple[int, int]:
    """
    Return the variable-length integer at *position* and the position behind it (section 1.2).

    Raises:
        ValueError: There is none: more than nine bytes, or not the shortest form.
        IndexError: *data* ends inside.
    """
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 56:
            raise ValueError
    if byte == 0 and shift:
        raise ValueError
    return value, position


def dump_integer(value: int) -> bytes:
    """Return *value* as a variable-length integer."""
    result = bytearray()
    while value > 0x7F:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def parse_block_header(cursor: Cursor) -> BlockHeader:
    """Read a block's header (section 3.1); the byte that gives its size must be there."""
    start = cursor.offset
    size = (cursor.peek(1)[0] + 1) * 4
    raw = cursor.take(size)
    if len(raw) < size:
        raise truncated("the file ends inside the header of an xz block", cursor.offset)
    claimed, computed = int.from_bytes(raw[-4:], "little"), zlib.crc32(raw[:-4])
    if claimed != computed:
        message = f"the header checksum of an xz block is {claimed:#010x}, computed {computed:#010x}"
        raise mismatch(message, cursor.offset - 4)
    if raw[1] & 0x3C:
        raise unsupported(f"an xz block has flags {raw[1]:#04x}", start + 1)
    try:
        return _parse_fields(raw[:-4], start)
    except (ValueError, IndexError):
        raise corrupt("the header of an xz block is malformed", start) from None


def _parse_fields(raw: bytes, start: int) -> BlockHeader:
    flags, position = raw[1], 2
    compressed = uncompressed = None
    if flags & 0x40:
        compressed, position = parse_integer(raw, position)
    if flags & 0x80:
        uncompressed, position = parse_integer(raw, position)
    dictionary = 0
    for _ in range((flags & 3) + 1):
        identifier, position = parse_integer(raw, position)
        size, position = parse_integer(raw, position)
        if identifier == _LZMA2:
            dictionary = _dictionary_size(raw[position])
        position += size
    return BlockHeader(
        raw=raw + zlib.crc32(raw).to_bytes(4, "little"),
        start=start,
        compressed=compressed,
        uncompressed=uncompressed,
        dictionary=dictionary,
    )


def _dictionary_size(code: int) -> int:
    """Return the size that LZMA2's property byte stands for (section 5.3.1)."""
    return min((2 | code & 1) << (code >> 1) + 11, (1 << 32) - 1)


def decode_block(
    cursor: Cursor, flags: StreamFlags, header: BlockHeader, limits: Limits
) -> Generator[bytes, None, Record]:
    """
    Yield the content of the block behind *header* and return what the index must say about it.

    liblzma is given the stream's header, so that it verifies the check, and then this block in the units of its
    format: an error tells by the unit what is wrong.
    """
    decoder = LZMADecoder(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.window + OVERHEAD))
    try:
        yield from decoder.feed(flags.raw + header.raw)
    except lzma.LZMAError as error:
        raise lzma_failure(error, "the header of an xz block is malformed", header.start) from None
    compressed = yield from _decode_data(cursor, decoder)
    padding = _take(cursor, -compressed % 4)
    if padding.strip(b"\0"):
        raise corrupt("the padding of an xz block is not zero", cursor.offset - len(padding))
    yield from decoder.feed(padding)
    check = _take(cursor, flags.check_size)
    try:
        yield from decoder.feed(check)
    except lzma.LZMAError:
        message = f"the content of an xz block differs from its check, {check[::-1].hex()}"
        raise mismatch(message, cursor.offset - len(check)) from None
    return Record(len(header.raw) + compressed + len(check), decoder.total)


def _take(cursor: Cursor, size: int) -> bytes:
    data = cursor.take(size)
    if len(data) < size:
        raise truncated("the file ends inside an xz block", cursor.offset)
    return data


def _decode_data(cursor: Cursor, decoder: LZMADecoder) -> Generator[bytes, None, int]:
    """Yield the content of a block's compressed data, LZMA2 chunk by chunk, and return the size of that data."""
    start, control = cursor.offset, b""
    while control != b"\0":
        offset = cursor.offset
        size = _chunk_size(cursor.peek(6))
        chunk = cursor.take(size)
        control = chunk[:1]
        try:
            yield from decoder.feed(chunk)
        except lzma.LZMAError as error:
            message = f"an xz block is damaged behind its first {decoder.total} bytes"
            raise lzma_failure(error, message, offset) from None
        if len(chunk) < size:
            raise truncated("the file ends inside an xz block", cursor.offset)
    return cursor.offset - start


def _chunk_size(head: bytes) -> int:
    """
    Return the size of the LZMA2 chunk that begins with *head*.

    ``Chunk = End | Control Size[2] Data | Control Size[2] Packed[2] [Properties] Data``; liblzma complains about
    any other control byte, and every size is stored minus one.
    """
    control = head[0] if head else 1
    if control >= 0x80:
        return 6 + int.from_bytes(head[3:5], "big") + (control >= 0xC0)
    if control in {1, 2}:
        return 4 + int.from_bytes(head[1:3], "big")
    return 1
