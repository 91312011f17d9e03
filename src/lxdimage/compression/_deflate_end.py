"""
How far the gzip program gets with deflate data that ends too early (RFC 1951).

zlib decodes every code that is complete.  gzip looks up a code by as many bits as its table has and gives up where
those are not there, also when the code itself is shorter: the last letters and matches in front of a cut are then
missing, up to hundreds of zeros at the end of an archive.  So the codes are counted here, without their content.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = ["written_size"]

_STORED, _FIXED, _DYNAMIC = range(3)
_END_OF_BLOCK, _FIRST_LENGTH = 256, 257
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LENGTH_BITS = (0,) * 8 + tuple(bits for bits in range(1, 6) for _ in range(4)) + (0,)
_LENGTHS = (
    *range(3, 11),
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
    227,
    258,
)
_DISTANCE_BITS = (0, 0, *(bits for bits in range(14) for _ in range(2)))
# How many bits gzip's first tables are looked up by (lbits, dbits), and those of blocks with fixed codes.
_LOOKUP, _DISTANCE_LOOKUP, _FIXED_LOOKUP, _FIXED_DISTANCE_LOOKUP, _ORDER_LOOKUP = 9, 6, 7, 5, 7
_FIXED_CODE = (8,) * 144 + (9,) * 112 + (7,) * 24 + (8,) * 8
_FIXED_DISTANCES = (5,) * 30


class _EndOfDataError(Exception):
    """The bits that are needed are not there."""


class _Bits:
    """The bits of *data*, from the lowest of each byte."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._end = 8 * len(data)
        self._position = 0

    def take(self, size: int) -> int:
        """Return *size* bits, at most 16, as a number."""
        position = self._position
        if position + size > self._end:
            raise _EndOfDataError
        self._position = position + size
        return self._ahead(position) & (1 << size) - 1

    def symbol(self, table: _Table) -> int:
        """Return the symbol of the next code, once there are the bits that gzip wants to see."""
        position = self._position
        symbol, length, wanted = table.entries[self._ahead(position) & table.mask]
        if position + wanted > self._end:
            raise _EndOfDataError
        self._position = position + length
        return symbol

    def skip_bytes(self, size: int) -> int:
        """Step over *size* bytes, and return how many of them there are."""
        start = self._position
        self._position = min(start + 8 * size, self._end)
        return (self._position - start) // 8

    def align(self) -> None:
        """Go on at the next byte."""
        self._position += -self._position % 8

    def _ahead(self, position: int) -> int:
        first = position >> 3
        return int.from_bytes(self._data[first : first + 3], "little") >> (position & 7)


@attrs.frozen
class _Table:
    """
    The codes of an alphabet.

    Attributes:
        entries: By the bits ahead: symbol, size of its code, and bits that gzip wants to see.
        mask: Which bits ahead count.
    """

    entries: Sequence[tuple[int, int, int]]
    mask: int


def _table(sizes: Sequence[int], lookup: int) -> _Table:
    """Return the codes that have *sizes*, as a table whose first level gzip looks up by *lookup* bits."""
    used = [size for size in sizes if size]
    longest = max(used, default=1)
    lookup = min(max(lookup, min(used, default=1)), longest)
    codes = _codes(sizes)
    entries = [(_END_OF_BLOCK, 1, longest)] * (1 << longest)
    for symbol, size, code in codes:
        wanted = lookup
        while wanted < size:
            # All codes with the same beginning share a further table: the longest of them gives its bits.
            mask = (1 << wanted) - 1
            reached = max(length for _, length, other in codes if not (other ^ code) & mask)
            wanted = min(reached, wanted + lookup)
        entries[code :: 1 << size] = [(symbol, size, wanted)] * (1 << longest - size)
    return _Table(entries, (1 << longest) - 1)


def _codes(sizes: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return symbol, size and code (its first bit the lowest) of all that have a code (section 3.2.2)."""
    codes, code, last = [], 0, 0
    for size, symbol in sorted((size, symbol) for symbol, size in enumerate(sizes) if size):
        code <<= size - last
        codes.append((symbol, size, int(f"{code:0{size}b}"[::-1], 2)))
        code, last = code + 1, size
    return codes


def written_size(data: bytes) -> int:
    """Return how many bytes gzip writes of raw deflate *data* that is valid as far as it goes, and ends too early."""
    bits, written = _Bits(data), _Written()
    try:
        while not _block(bits, written):
            pass
    except _EndOfDataError:
        pass
    return written.size


@attrs.define
class _Written:
    size: int = 0


def _block(bits: _Bits, written: _Written) -> bool:
    """Count a block, and return whether it is the last one."""
    last, kind = bool(bits.take(1)), bits.take(2)
    if kind == _STORED:
        bits.align()
        size = bits.take(16)
        bits.take(16)
        found = bits.skip_bytes(size)
        written.size += found
        if found < size:
            raise _EndOfDataError
    else:
        letters, distances = _tables(bits) if kind == _DYNAMIC else _FIXED_TABLES
        _compressed(bits, letters, distances, written)
    return last


def _tables(bits: _Bits) -> tuple[_Table, _Table]:
    """Read the codes of a block (section 3.2.7)."""
    letters, distances, count = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    order = [0] * len(_ORDER)
    for symbol in _ORDER[:count]:
        order[symbol] = bits.take(3)
    table = _table(order, _ORDER_LOOKUP)
    sizes: list[int] = []
    while len(sizes) < letters + distances:
        symbol = bits.symbol(table)
        if symbol < 16:
            sizes.append(symbol)
        elif symbol == 16:
            sizes += sizes[-1:] * (bits.take(2) + 3)
        else:
            sizes += [0] * (bits.take(3) + 3 if symbol == 17 else bits.take(7) + 11)
    return _table(sizes[:letters], _LOOKUP), _table(sizes[letters:], _DISTANCE_LOOKUP)


_FIXED_TABLES = _table(_FIXED_CODE, _FIXED_LOOKUP), _table(_FIXED_DISTANCES, _FIXED_DISTANCE_LOOKUP)


def _compressed(bits: _Bits, letters: _Table, distances: _Table, written: _Written) -> None:
    """Count what the letters and matches of a block make."""
    while (symbol := bits.symbol(letters)) != _END_OF_BLOCK:
        if symbol < _END_OF_BLOCK:
            written.size += 1
            continue
        length = _LENGTHS[symbol - _FIRST_LENGTH] + bits.take(_LENGTH_BITS[symbol - _FIRST_LENGTH])
        bits.take(_DISTANCE_BITS[bits.symbol(distances)])
        written.size += length
