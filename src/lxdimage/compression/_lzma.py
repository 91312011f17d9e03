"""
LZMA as liblzma decodes it: pieces of bounded size, and all that precedes damage.

The standard library's decoder loses the output of the call in which it meets damage.  ``xz -d`` writes it, and
whether a daemon imports a damaged image depends on it.  So the beginning of the input is kept, and after an error
it is decoded again, up to the very byte.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable

from lxdimage._chunks import READ_SIZE, Chunks, Cursor
from lxdimage.compression._damage import corrupt, over_limit, trailing_garbage, truncated, unsupported
from lxdimage.errors import InvalidImageError
from lxdimage.limits import Limits

__all__ = ["OVERHEAD", "LZMADecoder", "decode_lzma", "lzma_failure"]

OVERHEAD = 1 << 20
"""Bytes that liblzma counts beside the dictionary, rounded up."""

_PIECE = 1 << 20
_KEPT = 1 << 20


class LZMADecoder:
    """
    A `lzma.LZMADecompressor` that can say what it decoded before it failed.

    Attributes:
        eof: Whether the end of the data was reached.
        total: Bytes given out.
    """

    def __init__(self, new: Callable[[], lzma.LZMADecompressor]) -> None:
        self._new = new
        self._decoder = new()
        self._kept: bytearray | None = bytearray()
        self.total = 0

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        """Input behind the end of the data."""
        return self._decoder.unused_data

    def feed(self, data: bytes) -> Chunks:
        """
        Yield what *data* decodes to.

        Raises:
            lzma.LZMAError: The data is damaged; all that precedes the damage was yielded.
        """
        self._keep(data)
        while True:
            try:
                output = self._decoder.decompress(data, _PIECE)
            except lzma.LZMAError:
                yield from self._rescue()
                raise
            if output:
                self.total += len(output)
                yield output
            if self._decoder.eof or (self._decoder.needs_input and len(output) < _PIECE):
                return
            data = b""

    def _keep(self, data: bytes) -> None:
        if self._kept is None:
            return
        if len(self._kept) + len(data) > _KEPT:
            self._kept = None
        else:
            self._kept += data

    def _rescue(self) -> Chunks:
        """
        Yield what lies between the last byte given out and the damage.

        liblzma decodes on for as long as it has input and room: it is given ever less of both, so that the call that
        fails has nothing else to lose.
        """
        if self._kept is None:
            return
        data, good, rescued = bytes(self._kept), 0, bytearray()
        for step, room in _RESCUES:
            decoder, rescued, left = self._new(), bytearray(), self.total
            try:
                left = _pass_on(decoder, data[:good], _PIECE, left, rescued)
                while good < len(data):
                    left = _pass_on(decoder, data[good : good + step], room, left, rescued)
                    good += step
            except lzma.LZMAError:
                pass
        if rescued:
            self.total += len(rescued)
            yield bytes(rescued)


# Steps of input and the most output of one call, from one try to decode what precedes damage to the next.
_RESCUES = ((1 << 10, _PIECE), (1, _PIECE), (1, 1))


def _pass_on(decoder: lzma.LZMADecompressor, data: bytes, room: int, skipped: int, content: bytearray) -> int:
    """Add to *content* what *data* decodes to, but for the first *skipped* bytes; return how many are left of these."""
    while True:
        output = decoder.decompress(data, room)
        content += output[skipped:]
        skipped = max(0, skipped - len(output))
        if decoder.eof or (decoder.needs_input and len(output) < room):
            return skipped
        data = b""


def lzma_failure(error: lzma.LZMAError, message: str, offset: int) -> InvalidImageError:
    """Return what liblzma's *error* means for the reader; *message* is what it means in case of damage."""
    text = str(error)
    if "emory" in text:
        return over_limit("the dictionary needs more memory than Limits.window allows", offset)
    if "options" in text:
        return unsupported("the data has options or filters that liblzma does not know", offset)
    return corrupt(message, offset)


_HEADER_SIZE = 13
_MOST_DICTIONARY = (1 << 32) - 1
_UNKNOWN_SIZE, _MOST_SIZE = (1 << 64) - 1, 1 << 38
_FIRST = 1 << 14


def decode_lzma(cursor: Cursor, limits: Limits, *, alone: bool = False) -> Chunks:
    """Yield the content of an ``.lzma`` file (LZMA_Alone): one stream, nothing behind it unless it is read *alone*."""
    _check_header(cursor.peek(_HEADER_SIZE))
    decoder = LZMADecoder(
        lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=limits.window + OVERHEAD),
    )
    while not decoder.eof:
        data = cursor.take(READ_SIZE if decoder.total else _FIRST)
        if not data:
            raise truncated("the file ends inside the lzma data", cursor.offset)
        try:
            yield from decoder.feed(data)
        except lzma.LZMAError as error:
            message = f"the lzma data is damaged behind its first {decoder.total} bytes"
            raise lzma_failure(error, message, 0) from None
    cursor.give_back(decoder.unused_data)
    if not alone and cursor.peek(1):
        raise trailing_garbage("lzma", cursor.offset)


def _check_header(head: bytes) -> None:
    """
    Refuse what ``lzma -d`` does not recognise as its format though liblzma would decode it.

    Those are dictionaries of other sizes than 2**n and 2**n + 2**(n-1) bytes, and a content of more than 256 GiB.
    """
    if head[1:5] == b"7zXZ":
        raise corrupt(f"expected a byte 0xfd before '7zXZ', found {head[0]:#04x}", 0)
    if len(head) < _HEADER_SIZE:
        return
    dictionary, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:], "little")
    if dictionary != _MOST_DICTIONARY and dictionary.bit_count() != 1 and not _is_one_and_a_half(dictionary):
        raise corrupt(f"the lzma header claims a dictionary of {dictionary} bytes", 1)
    if size != _UNKNOWN_SIZE and size > _MOST_SIZE:
        raise corrupt(f"the lzma header claims {size} bytes of content", 5)


def _is_one_and_a_half(value: int) -> bool:
    """Return whether *value* is 1.5 times a power of two."""
    return value % 3 == 0 and (value // 3).bit_count() == 1
