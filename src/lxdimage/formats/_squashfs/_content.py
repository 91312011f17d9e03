"""
The content of files: data blocks, fragments and holes.

A file is a run of blocks of one size, and an end that is a shorter block or a part of a fragment block, which small
files share.  The list of stored sizes follows the file's inode and is read while the content is.
"""

from __future__ import annotations

import sys
import threading
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from lxdimage._chunks import Cursor
from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._codecs import CodecError, Decoder, make_decoder
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.formats._squashfs._inodes import NOTHING, File, Inode
from lxdimage.formats._squashfs._metadata import Metadata
from lxdimage.formats._squashfs._superblock import BLOCK_SIZES, Superblock
from lxdimage.formats._squashfs._tables import LookupTable
from lxdimage.limits import RATIO_COUNTS_FROM, Limits

__all__ = ["UNCOMPRESSED", "Block", "Content"]

UNCOMPRESSED = 1 << 24
"""The bit in the stored size of a data block that is not compressed."""

_LIST_PIECE = 8192
_MOST_STRETCHES = 1 << 20
_FARTHEST = max(BLOCK_SIZES)


class Block(NamedTuple):
    """
    A piece of a file and the block that it is in.

    Attributes:
        place: Where the block is stored.
        stored: Its stored size, with the bit of uncompressed blocks; 0 for a hole.
        size: Bytes that come out: exactly for a block of one file, at most for a fragment block.
        fragment: Its number when it is a fragment block, or `NOTHING`.
        start: Where in it the piece begins.
        length: Bytes of the piece.
    """

    place: int
    stored: int
    size: int
    fragment: int
    start: int
    length: int


class Content:
    """
    Where the content of files is, and what comes out of its blocks.

    `blocks` and `stretches` are for one thread; `decode` is for any number of them.

    Attributes:
        tolerant: Takes what is wrong with the size of blocks, which are then filled with zeros; it is raised unless
            there is one.
    """

    def __init__(
        self,
        file: BlockFile,
        superblock: Superblock,
        inodes: Metadata,
        fragments: LookupTable,
        limits: Limits,
    ) -> None:
        self._file = file
        self._superblock = superblock
        self._inodes = inodes
        self._fragments = fragments
        self._limits = limits
        self._local = threading.local()
        self._decoded = 0
        self._total = 0
        self._listed = 0
        self.tolerant: Callable[[InvalidImageError], None] | None = None
        self.block_size = superblock.block_size

    def blocks(self, inode: Inode, body: File) -> Iterator[Block]:
        """
        Yield the pieces of a file in order.

        Raises:
            InvalidImageError: The list of blocks or the fragment is not there.
            LimitExceededError: The file is larger than what may come out.
        """
        if body.size > self._limits.size:
            message = f"a file of {body.size} bytes, more than the limit of {self._limits.size}"
            raise self._file.exceeded(message, self._inodes.start + inode.place)
        place, left, size = body.start, body.size, self.block_size
        for sizes in self._stored_sizes(inode, body):
            for stored in sizes:
                length = min(size, left)
                yield Block(place, stored, length, NOTHING, 0, length)
                place += stored & ~UNCOMPRESSED
                left -= length
        if left:
            yield self._fragment(body, left)

    def in_fragment(self, body: File) -> bool:
        """Tell whether the end of a file lies in a fragment."""
        return body.fragment != NOTHING and body.size % self.block_size > 0

    def _count_blocks(self, body: File) -> int:
        whole, rest = divmod(body.size, self.block_size)
        return whole + (rest > 0 and body.fragment == NOTHING)

    def check_list(self, inode: Inode, body: File) -> None:
        """
        Read the list of a file's blocks.

        Raises:
            InvalidImageError: The list is not there.
            LimitExceededError: The files are larger than what may come out.
        """
        count = self._count_blocks(body)
        self._listed += body.size
        if self._listed > self._limits.size:
            raise self._file.exceeded(f"files of more than {self._limits.size} bytes", None)
        if count:
            for _ in self._inodes.chunks(inode.place, inode.offset, count * 4):
                pass

    def _stored_sizes(self, inode: Inode, body: File) -> Iterator[array[int]]:
        """Yield the stored sizes of all blocks of a file, some thousand at a time."""
        count = self._count_blocks(body)
        cursor = Cursor(self._inodes.chunks(inode.place, inode.offset, count * 4))
        while cursor.offset < count * 4:
            sizes = array("I", cursor.take(min(_LIST_PIECE, count * 4 - cursor.offset)))
            if sys.byteorder == "big":
                sizes.byteswap()
            yield sizes

    def _fragment(self, body: File, length: int) -> Block:
        place, stored, _ = self._fragments.row(body.fragment)
        if body.offset > _FARTHEST:
            message = f"expected the last {length} bytes of a file in a fragment, found them at {body.offset}"
            raise self._fragments.damaged(message)
        return Block(place, stored, self.block_size, body.fragment, body.offset, length)

    def fragment_place(self, body: File) -> int:
        """Return where the fragment block of a file is stored; -1 when the table has no such fragment."""
        return self._fragments.row(body.fragment)[0] if body.fragment < len(self._fragments) else -1

    def stretches(self, inode: Inode, body: File) -> tuple[tuple[int, int], ...] | None:
        """Return where a sparse file holds data, as (offset, length); None when it has no holes worth telling."""
        if not body.holes:
            return None
        result: list[tuple[int, int]] = []
        position = end = 0
        for block in self.blocks(inode, body):
            if block.stored:
                if result and end == position:
                    result[-1] = result[-1][0], result[-1][1] + block.length
                else:
                    result.append((position, block.length))
                end = position + block.length
                if len(result) > _MOST_STRETCHES:
                    return None
            position += block.length
        return tuple(result)

    def decode(self, block: Block) -> bytes:
        """
        Return the content of the whole block that *block* is in.

        Raises:
            InvalidImageError: The block is not in the file or does not decompress to its size.
        """
        stored = block.stored & ~UNCOMPRESSED
        if stored > self.block_size:
            raise self._damaged(f"expected a block of at most {self.block_size} bytes, found {stored}", block)
        data = self._file.read(block.place, stored)
        if not block.stored & UNCOMPRESSED:
            try:
                data = self._decoder(data, self.block_size)
            except CodecError as error:
                raise self._damaged(f"a block does not decompress: {error}", block) from None
        if block.fragment == NOTHING and len(data) != block.size:
            return self._other_size(block, data, block.size)
        return data

    def _other_size(self, block: Block, data: bytes, size: int) -> bytes:
        """Return *size* bytes for what is another size, where that is tolerated."""
        error = self._damaged(
            f"expected {size} bytes at {block.start}, found {len(data)}", block, "squashfs-content"
        )
        if self.tolerant is None:
            raise error
        self.tolerant(error)
        return data[:size].ljust(size, b"\0")

    @property
    def _decoder(self) -> Decoder:
        decoder: Decoder | None = getattr(self._local, "decoder", None)
        if decoder is None:
            decoder = make_decoder(self._superblock.compressor, window=self._limits.window)
            self._local.decoder = decoder
        return decoder

    def piece(self, block: Block, data: bytes) -> bytes:
        """Return the file's piece of the decompressed block *data*, and count it against the limits."""
        if block.length != len(data):
            data = data[block.start : block.start + block.length]
            if len(data) != block.length:
                data = self._other_size(block, data, block.length)
        self._decoded += block.length
        self._count(block)
        return data

    def hole(self, block: Block) -> bytes:
        """Return the zeros of a hole, and count them against the limits."""
        self._count(block)
        return bytes(block.length)

    def _count(self, block: Block) -> None:
        limits = self._limits
        self._total += block.length
        if self._total > limits.size:
            raise self._file.exceeded(f"more than {limits.size} bytes come out", block.place)
        if self._decoded > RATIO_COUNTS_FROM and self._decoded > limits.ratio * self._superblock.used_bytes:
            raise self._file.exceeded(f"more than {limits.ratio} bytes come out of each", block.place)

    def _damaged(self, message: str, block: Block, code: str = "squashfs-block") -> InvalidImageError:
        name = "a file" if block.fragment == NOTHING else f"fragment {block.fragment}"
        return self._file.damaged(f"{name}: {message}", block.place, code)
