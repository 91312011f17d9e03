"""
How far the gzip program gets with deflate data that ends too early (RFC 1951).

zlib decodes every code that is complete.  gzip looks up a code by as many bits as its table has and gives up where
those are not there, also when the code itself is shorter: the last letters and matches in front of a cut are then
missing, up to hundreds of zeros at the end of an archive.  So the codes are counted here, without their content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

__all__ = ["written_size"]

_STORED, _FIXED, _DYNAMIC = range(3)
_END_OF_BLOCK, _FIRST_LENGTH = 256, 257
_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_LENGTH_BITS = (0,) * 8 + tuple(bits for bits in range(1, 6) for _ in range(4)) + (0,)
_LENGTHS = (
    *range(3, 11), 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258
)  # fmt: skip
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

    def symbol(self, codes: _Codes) -> int:
        """Return the symbol of the next code, once there are the bits that gzip wants to see."""
        position = self._position
        symbol, length, wanted = codes.find(self._ahead(position))
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


class _Codes:
    """
    The codes of an alphabet (section 3.2.2).

    They are found bit by bit, and not in a table: a file may have new ones every thirty bytes.
    """

    def __init__(self, sizes: Sequence[int], lookup: int) -> None:
        """
        Args:
            sizes: How many bits the code of each symbol has.
            lookup: How many bits gzip looks up the first level of its table by.
        """
        used = sorted((size, symbol) for symbol, size in enumerate(sizes) if size)
        self._symbols = [symbol for _, symbol in used]
        counts = Counter(size for size, _ in used)
        self._longest = max(counts, default=1)
        self._lookup = min(max(lookup, min(counts, default=1)), self._longest)
        # By size, from one bit on: the first code, that behind the last one, and the place of the first one's symbol.
        self._spans: list[tuple[int, int, int]] = []
        first = place = 0
        for size in range(1, self._longest + 1):
            behind = first + counts[size]
            self._spans.append((first, behind, place))
            first, place = behind << 1, place + counts[size]

    def find(self, ahead: int) -> tuple[int, int, int]:
        """Return of the bits *ahead* the symbol, the size of its code, and the bits that gzip wants to see."""
        code = 0
        for size, (first, behind, place) in enumerate(self._spans, 1):
            code = code << 1 | ahead & 1
            ahead >>= 1
            if code < behind:
                return self._symbols[place + code - first], size, self._wanted(code, size)
        return _END_OF_BLOCK, 1, self._longest

    def _wanted(self, code: int, size: int) -> int:
        wanted = self._lookup
        while wanted < size:
            # All codes with the same beginning share a further table: the longest of them gives its bits.
            begin = code >> size - wanted
            reached = max(
                longer
                for longer, (first, behind, _) in enumerate(self._spans[size - 1 :], size)
                if first < behind and first >> longer - wanted <= begin <= behind - 1 >> longer - wanted
            )
            wanted = min(reached, wanted + self._lookup)
        return wanted


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
    """Bytes that gzip has written so far."""

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


def _tables(bits: _Bits) -> tuple[_Codes, _Codes]:
    """Read the codes of a block (section 3.2.7)."""
    letters, distances, count = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    order = [0] * len(_ORDER)
    for symbol in _ORDER[:count]:
        order[symbol] = bits.take(3)
    table = _Codes(order, _ORDER_LOOKUP)
    sizes: list[int] = []
    while len(sizes) < letters + distances:
        symbol = bits.symbol(table)
        if symbol < 16:
            sizes.append(symbol)
        elif symbol == 16:
            sizes += sizes[-1:] * (bits.take(2) + 3)
        else:
            sizes += [0] * (bits.take(3) + 3 if symbol == 17 else bits.take(7) + 11)
    return _Codes(sizes[:letters], _LOOKUP), _Codes(sizes[letters:], _DISTANCE_LOOKUP)


_FIXED_TABLES = _Codes(_FIXED_CODE, _FIXED_LOOKUP), _Codes(_FIXED_DISTANCES, _FIXED_DISTANCE_LOOKUP)


def _compressed(bits: _Bits, letters: _Codes, distances: _Codes, written: _Written) -> None:
    """Count what the letters and matches of a block make."""
    while (symbol := bits.symbol(letters)) != _END_OF_BLOCK:
        if symbol < _END_OF_BLOCK:
            written.size += 1
            continue
        length = _LENGTHS[symbol - _FIRST_LENGTH] + bits.take(_LENGTH_BITS[symbol - _FIRST_LENGTH])
        bits.take(_DISTANCE_BITS[bits.symbol(distances)])
        written.size += length
