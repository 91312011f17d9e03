"""
Metadata blocks: the compressed pieces of at most 8 KiB that inodes, directories and all tables are made of.

Two bytes before each block hold its stored size, and a bit when it is not compressed.  What spans two blocks goes
on at the start of the next one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._codecs import CodecError, Decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._refusals import Refusal, Refusals
from lxdimage.formats._squashfs._superblock import METADATA_SIZE

__all__ = ["BLOCK_HEADER", "UNCOMPRESSED", "Metadata", "read_block"]

BLOCK_HEADER = struct.Struct("<H")
"""What precedes a block: its stored size, with a bit when it is not compressed."""

UNCOMPRESSED = 0x8000
"""That bit."""

_LARGEST_STORED = BLOCK_HEADER.size + METADATA_SIZE
_CACHED_BLOCKS = 512


def read_block(file: BlockFile, decode: Decoder, place: int, name: str) -> tuple[bytes, int]:
    """
    Return the content of the metadata block at *place*, and the place behind it.

    Args:
        file: The SquashFS.
        decode: Its decoder.
        place: Where the block begins.
        name: What the region holds, for findings.

    Returns:
        At most 8192 bytes, and the place of the next block.

    Raises:
        InvalidImageError: The block leaves the file or does not decompress.
    """
    end = file.size
    if not 0 <= place <= end - BLOCK_HEADER.size:
        raise file.damaged(f"{name}: expected a block before byte {end}, found one at byte {place}", place)
    stored = file.read(place, min(_LARGEST_STORED, end - place))
    (header,) = BLOCK_HEADER.unpack_from(stored)
    size = header & ~UNCOMPRESSED
    after = place + BLOCK_HEADER.size + size
    if not 0 < size <= METADATA_SIZE or after > end:
        message = f"{name}: expected a block of 1 to {METADATA_SIZE} bytes that ends before byte {end}, found {size}"
        raise file.damaged(message, place)
    data = stored[BLOCK_HEADER.size : BLOCK_HEADER.size + size]
    if header & UNCOMPRESSED:
        return data, after
    try:
        return decode(data, METADATA_SIZE), after
    except CodecError as error:
        raise file.damaged(f"{name}: a block does not decompress: {error}", place) from None


class Metadata:
    """
    One region of metadata blocks, the last used ones kept.

    Places are relative to the start of the region, as references state them.  For one thread.  ``unsquashfs`` reads
    blocks behind the region as well; ``sqfs2tar`` does not.

    Attributes:
        file: The SquashFS.
        start: Where the region begins.
        name: What it holds, for findings.
    """

    def __init__(
        self, file: BlockFile, decode: Decoder, start: int, end: int, name: str, refusals: Refusals
    ) -> None:
        self.file = file
        self.start = start
        self.name = name
        self._decode = decode
        self._end = end
        self._refusals = refusals
        self._cache: dict[int, tuple[bytes, int]] = {}
        self._last_place = -1
        self._last = b"", 0

    def block(self, place: int) -> tuple[bytes, int]:
        """Return the content of the block at *place*, and the place of the next one."""
        if place == self._last_place:
            return self._last
        block = self._cache.pop(place, None)
        if block is None:
            data, after = read_block(self.file, self._decode, self.start + place, self.name)
            block = data, after - self.start
            if len(self._cache) >= _CACHED_BLOCKS:
                del self._cache[next(iter(self._cache))]
        self._cache[place] = block
        if self.start + block[1] > self._end:  # noted each time, since it may have been forgotten
            message = f"{self.name}, which ends at byte {self._end}"
            self._refusals.add(Refusal.REGION, message, self.start + place)
        else:
            self._last_place, self._last = place, block
        return block

    def chunks(self, place: int, offset: int, size: int) -> Iterator[bytes]:
        """
        Yield *size* bytes from *offset* in the block at *place*, over as many blocks as that takes.

        Raises:
            InvalidImageError: The file ends before.
        """
        while size:
            data, place = self.block(place)
            piece = data[offset : offset + size]
            offset = max(0, offset - len(data))
            size -= len(piece)
            if piece:
                yield piece

    def read(self, place: int, offset: int, size: int) -> bytes:
        """Return *size* bytes from *offset* in the block at *place*; for sizes that are known to be small."""
        data = self.block(place)[0][offset : offset + size] if size else b""
        return data if len(data) == size else b"".join(self.chunks(place, offset, size))

    def damaged(self, message: str, place: int) -> InvalidImageError:
        """Return the error of something wrong in the block at *place*."""
        return self.file.damaged(f"{self.name}: {message}", self.start + place)
