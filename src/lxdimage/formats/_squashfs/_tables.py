"""
Lookup tables: ids, fragments, inode references and extended attributes, found by number.

A table is an array in metadata blocks, anywhere, and an index with the place of each block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._codecs import Decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._metadata import read_block
from lxdimage.formats._squashfs._superblock import METADATA_SIZE

__all__ = ["LookupTable"]

_PLACE = struct.Struct("<Q")
_STORED = struct.Struct("<H")
_CACHED_BLOCKS = 64


class LookupTable:
    """
    An array of *count* rows, of which each block of 8 KiB is read when a row of it is asked for.

    Attributes:
        name: What the table holds, for findings.
        place: Where its index begins.
        end: Where its index ends.
    """

    def __init__(
        self, file: BlockFile, decode: Decoder, *, name: str, row: str, place: int, count: int, limit: int
    ) -> None:
        self.name = name
        self.place = place
        self._row = struct.Struct("<" + row)
        self._per_block = METADATA_SIZE // self._row.size
        self._count = count
        self._blocks = -(-count // self._per_block)
        self.end = place + self._blocks * _PLACE.size
        self._file = file
        self._decode = decode
        self._cache: dict[int, bytes] = {}
        if self.end > limit:
            message = f"{name}: expected an index of {self._blocks} blocks that ends before byte {limit}"
            raise file.damaged(message, place)

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
        data, _ = read_block(self._file, self._decode, place, self.place, self.name)
        expected = self._block_size(block)
        if len(data) != expected:
            message = f"{self.name}: expected a block of {expected} bytes, found {len(data)}"
            raise self._file.damaged(message, place)
        return data

    def _block_size(self, block: int) -> int:
        rows = min(self._per_block, self._count - block * self._per_block)
        return rows * self._row.size

    def block_place(self, block: int) -> int:
        """Return where *block* begins, as the index says."""
        index = self._file.read(self.place + block * _PLACE.size, _PLACE.size)
        return int(_PLACE.unpack(index)[0])

    @property
    def start(self) -> int:
        """Where the first block begins; the index where there is none."""
        return self.block_place(0) if self._blocks else self.place

    def expanded(self) -> Iterator[tuple[int, int, int]]:
        """Yield place, stored size and content size of every block that compression made larger."""
        for block in range(self._blocks):
            place, expected = self.block_place(block), self._block_size(block)
            (stored,) = _STORED.unpack(self._file.read(place, _STORED.size))
            if expected < stored < 0x8000:
                yield place, stored, expected

    def damaged(self, message: str) -> InvalidImageError:
        """Return the error of something wrong in this table."""
        return self._file.damaged(f"{self.name}: {message}", self.place)
