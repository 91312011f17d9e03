"""
Lookup tables: ids, fragments, inode references and extended attributes, found by number.

A table is an array in metadata blocks, anywhere, and an index with the place of each block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._codecs import Decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._metadata import BLOCK_HEADER, UNCOMPRESSED, read_block
from lxdimage.formats._squashfs._superblock import METADATA_SIZE

__all__ = ["PLACE", "Extent", "LookupTable"]

PLACE = struct.Struct("<Q")
"""The place of a block, in the index of a table."""

_CACHED_BLOCKS = 64


class Extent(NamedTuple):
    """
    Where a block of a table is.

    Attributes:
        place: Where it begins.
        stored: Its stored size, with the bit of uncompressed blocks.
        size: Bytes of its rows.
    """

    place: int
    stored: int
    size: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.place + BLOCK_HEADER.size + (self.stored & ~UNCOMPRESSED)

    @property
    def expanded(self) -> bool:
        """Whether compression made it larger."""
        return self.size < self.stored < UNCOMPRESSED


class LookupTable:
    """
    An array of *count* rows, of which each block of 8 KiB is read when a row of it is asked for.

    Attributes:
        name: What the table holds, for findings.
        place: Where its index begins.
        end: Where its index ends.
        longer: Places of blocks that hold more than their rows.
    """

    def __init__(
        self, file: BlockFile, decode: Decoder, *, name: str, row: str, place: int, count: int
    ) -> None:
        self.name = name
        self.place = place
        self._row = struct.Struct("<" + row)
        self._per_block = METADATA_SIZE // self._row.size
        self._count = count
        self._blocks = -(-count // self._per_block)
        self.end = place + self._blocks * PLACE.size
        self._file = file
        self._decode = decode
        self._cache: dict[int, bytes] = {}
        self.longer: set[int] = set()

    def __len__(self) -> int:
        return self._count

    def row(self, number: int) -> tuple[int, ...]:
        """Return the numbers of row *number*."""
        if not 0 <= number < self._count:
            message = f"{self.name}: expected a number below {self._count}, found {number}"
            raise self._file.damaged(message, self.place)
        block, index = divmod(number, self._per_block)
        return self._row.unpack_from(self._block(block), index * self._row.size)

    def load(self) -> None:
        """Read every block once, so that a damaged one is found now."""
        for block in range(self._blocks):
            self._block(block)

    def rows(self) -> Iterator[tuple[int, ...]]:
        """Yield all rows, for a table that is known to be small."""
        for block in range(self._blocks):
            yield from self._row.iter_unpack(self._block(block))

    def _block(self, block: int) -> bytes:
        data = self._cache.pop(block, None)
        if data is None:
            data = self._read(block)
            if len(self._cache) >= _CACHED_BLOCKS:
                del self._cache[next(iter(self._cache))]
        self._cache[block] = data
        return data

    def _read(self, block: int) -> bytes:
        place = self.block_place(block)
        data, _ = read_block(self._file, self._decode, place, self.name)
        expected = self._block_size(block)
        if len(data) > expected:
            self.longer.add(place)
        elif len(data) < expected:
            message = f"{self.name}: expected a block of {expected} bytes, found {len(data)}"
            raise self._file.damaged(message, place)
        return data[:expected]

    def _block_size(self, block: int) -> int:
        rows = min(self._per_block, self._count - block * self._per_block)
        return rows * self._row.size

    def block_place(self, block: int) -> int:
        """
        Return where *block* begins, as the index says.

        Raises:
            InvalidImageError: The index is not in the file.
        """
        if self.end > self._file.size:
            end = self._file.size
            message = f"{self.name}: expected an index of {self._blocks} blocks that ends before byte {end}"
            raise self._file.damaged(message, self.place)
        index = self._file.read(self.place + block * PLACE.size, PLACE.size)
        return int(PLACE.unpack(index)[0])

    def block_places(self) -> Iterator[int]:
        """Yield where the blocks begin, as the index says."""
        return map(self.block_place, range(self._blocks))

    @property
    def start(self) -> int:
        """Where the first block begins; the index where there is none."""
        return self.block_place(0) if self._blocks else self.place

    def extents(self) -> Iterator[Extent]:
        """Yield where every block is."""
        for block in range(self._blocks):
            place = self.block_place(block)
            (stored,) = BLOCK_HEADER.unpack(self._file.read(place, BLOCK_HEADER.size))
            yield Extent(place, stored, self._block_size(block))

    def damaged(self, message: str) -> InvalidImageError:
        """Return the error of something wrong in this table."""
        return self._file.damaged(f"{self.name}: {message}", self.place)
