"""Writing metadata: blocks of 8 KiB, lookup tables with their indexes, and sets of extended attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lxdimage.formats._squashfs._encoders import BlockEncoder
from lxdimage.formats._squashfs._metadata import BLOCK_HEADER, UNCOMPRESSED
from lxdimage.formats._squashfs._superblock import METADATA_SIZE
from lxdimage.formats._squashfs._tables import PLACE
from lxdimage.formats._squashfs._xattrs import NAME, NAMESPACES, SET, SIZE, TABLE

__all__ = ["MetadataWriter", "XattrWriter", "dump_table"]


class MetadataWriter:
    """
    A region of metadata blocks in the making.

    Attributes:
        done: The blocks that are full, with their headers.
    """

    def __init__(self, encode: BlockEncoder) -> None:
        self._encode = encode
        self._open = bytearray()
        self.done = bytearray()

    @property
    def reference(self) -> int:
        """Where the next byte goes: the place of its block, shifted left by 16, and the offset in the block."""
        return len(self.done) << 16 | len(self._open)

    def write(self, data: bytes) -> int:
        """Add *data* and return the reference of its first byte."""
        reference = self.reference
        self._open += data
        while len(self._open) >= METADATA_SIZE:
            self._close(bytes(self._open[:METADATA_SIZE]))
            del self._open[:METADATA_SIZE]
        return reference

    def finish(self) -> bytes:
        """Return the whole region."""
        if self._open:
            self._close(bytes(self._open))
            self._open.clear()
        return bytes(self.done)

    def _close(self, data: bytes) -> None:
        compressed = self._encode(data)
        if compressed is None:
            self.done += BLOCK_HEADER.pack(len(data) | UNCOMPRESSED) + data
        else:
            self.done += BLOCK_HEADER.pack(len(compressed)) + compressed


def dump_table(rows: bytes, place: int, encode: BlockEncoder) -> tuple[bytes, int]:
    """
    Return the bytes of a lookup table, and the place of its index.

    Args:
        rows: All rows, one after the other.
        place: Where the table is to be.
        encode: Compresses a block.
    """
    index = []
    writer = MetadataWriter(encode)
    for start in range(0, len(rows), METADATA_SIZE):
        index.append(place + len(writer.done))
        writer.write(rows[start : start + METADATA_SIZE])
    blocks = writer.finish()
    return blocks + b"".join(map(PLACE.pack, index)), place + len(blocks)


class XattrWriter:
    """Sets of extended attributes, equal ones once."""

    def __init__(self, encode: BlockEncoder) -> None:
        self._encode = encode
        self._values = MetadataWriter(encode)
        self._rows = bytearray()
        self._known: dict[tuple[tuple[bytes, bytes], ...], int] = {}

    def add(self, xattrs: Sequence[tuple[bytes, bytes]]) -> int:
        """Return the number of a set of full names and values, sorted by name."""
        key = tuple(xattrs)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(self._known)
            data = b"".join(_dump_xattr(name, value) for name, value in xattrs)
            self._rows += SET.pack(self._values.write(data), len(xattrs), len(data))
        return number

    def __bool__(self) -> bool:
        return bool(self._known)

    def finish(self, place: int) -> tuple[bytes, int]:
        """Return the bytes of all sets at *place*, and the place of their header."""
        values = self._values.finish()
        table, index = dump_table(bytes(self._rows), place + len(values), self._encode)
        split = index - place - len(values)
        header = TABLE.pack(place, len(self._known), 0)
        return values + table[:split] + header + table[split:], index


_NUMBERS: Mapping[bytes, int] = {namespace: number for number, namespace in enumerate(NAMESPACES)}


def _dump_xattr(name: bytes, value: bytes) -> bytes:
    namespace, dot, rest = name.partition(b".")
    head = NAME.pack(_NUMBERS[namespace + dot], len(rest))
    return head + rest + SIZE.pack(len(value)) + value
