"""
Writing the content of files: blocks, fragments and holes, compressed by workers, equal files once.

What is written depends on the content and its order alone: blocks are written in the order in which they were
submitted, whatever worker is done first.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import deque
from functools import partial
from itertools import chain, repeat
from typing import BinaryIO

import attrs

from lxdimage._chunks import Chunks, Cursor
from lxdimage.formats._squashfs._content import UNCOMPRESSED
from lxdimage.formats._squashfs._encoders import BlockEncoder
from lxdimage.formats._squashfs._inodes import NOTHING
from lxdimage.formats._squashfs._workers import Task, Workers

__all__ = ["DataWriter", "StoredFile"]

_NO_BLOCKS: array[int] = array("I")


@attrs.define(eq=False)
class StoredFile:
    """
    Where the content of a file is; complete once the writer was flushed.

    Attributes:
        size: Bytes of content.
        start: Place of the first block.
        blocks: The stored size of each block, 0 for a hole.
        holes: Bytes of content in holes.
        fragment: Number of the fragment block with the whole of a small file, or `NOTHING`.
        offset: Where it begins in that block.
    """

    size: int = 0
    start: int = 0
    blocks: array[int] = _NO_BLOCKS
    holes: int = 0
    fragment: int = NOTHING
    offset: int = 0


@attrs.frozen
class _Pending:
    """A block on its way to the output: of a file, or of fragments when *file* is None."""

    file: StoredFile | None
    data: bytes
    task: Task[bytes | None]


@attrs.define
class _Hole:
    """Blocks of zeros of a file, which are not stored; there may be millions of them."""

    file: StoredFile
    size: int = 0
    blocks: int = 0


class DataWriter:
    """
    Writes the content of files from a place in the output on.

    Attributes:
        position: Where the next block goes.
        fragments: Place and stored size of every fragment block; complete after `flush`.
        duplicates: Files whose content was there already.
    """

    def __init__(
        self, output: BinaryIO, position: int, *, encode: BlockEncoder, block_size: int, workers: Workers
    ) -> None:
        self.position = position
        self.fragments: list[tuple[int, int]] = []
        self.duplicates = 0
        output.seek(position)
        self._output = output
        self._encode = encode
        self._block_size = block_size
        self._workers = workers
        self._zeros = bytes(block_size)
        self._queue: deque[_Pending | _Hole] = deque()
        self._submitted = 0
        self._tails = bytearray()
        self._fragment = 0
        self._known: dict[tuple[int, bytes], StoredFile] = {}

    def write(self, chunks: Chunks) -> StoredFile:
        """Take the content of one file and return where it is, or where an equal one is."""
        first = next(chunks, b"")
        second = next(chunks, None)
        if second is None and len(first) < self._block_size:
            return self._write_small(first)
        cursor = Cursor(chain((first, second or b""), chunks))
        block = cursor.take(self._block_size)
        if len(block) < self._block_size:
            return self._write_small(block)
        return self._write_blocks(block, cursor)

    def _write_blocks(self, block: bytes, cursor: Cursor) -> StoredFile:
        """Write a file of at least one block, and take it back when an equal one is there."""
        file, digest = StoredFile(blocks=array("I")), hashlib.sha256()
        while block:
            digest.update(block)
            file.size += len(block)
            self._submit(file, block)
            block = cursor.take(self._block_size)
        known = self._known.setdefault((file.size, digest.digest()), file)
        if known is not file:
            self.duplicates += 1
            self._withdraw(file)
        return known

    def _write_small(self, data: bytes) -> StoredFile:
        """Put a file that is smaller than a block in the current fragment block."""
        size = len(data)
        if not size:
            return StoredFile()
        key = size, hashlib.sha256(data).digest()
        known = self._known.get(key)
        if known is not None:
            self.duplicates += 1
            return known
        if len(self._tails) + size > self._block_size:
            self._submit_fragment()
        file = StoredFile(size=size, fragment=self._fragment, offset=len(self._tails))
        self._known[key] = file
        self._tails += data
        return file

    def _submit(self, file: StoredFile, block: bytes) -> None:
        zeros = self._zeros if len(block) == self._block_size else bytes(len(block))
        if block == zeros:
            self._add_hole(file, len(block))
        else:
            task = self._workers.submit(partial(self._encode, block))
            self._queue.append(_Pending(file, block, task))
            self._submitted += 1
        self._drain(self._workers.depth)

    def _add_hole(self, file: StoredFile, size: int) -> None:
        hole = self._queue[-1] if self._queue else None
        if not isinstance(hole, _Hole) or hole.file is not file:
            hole = _Hole(file)
            self._queue.append(hole)
        hole.size += size
        hole.blocks += 1

    def _submit_fragment(self) -> None:
        data = bytes(self._tails)
        self._tails.clear()
        self._fragment += 1
        self._queue.append(_Pending(None, data, self._workers.submit(partial(self._encode, data))))
        self._submitted += 1
        self._drain(self._workers.depth)

    def _drain(self, depth: int) -> None:
        """Write what is in front until at most *depth* blocks are being compressed, and holes at once."""
        queue = self._queue
        while queue and (self._submitted > depth or isinstance(queue[0], _Hole)):
            pending = queue.popleft()
            if pending.file is None:
                place = self.position
                self.fragments.append((place, self._store(pending)))
                continue
            if not pending.file.blocks:
                pending.file.start = self.position
            if isinstance(pending, _Hole):
                pending.file.holes += pending.size
                pending.file.blocks.extend(repeat(0, pending.blocks))
            else:
                pending.file.blocks.append(self._store(pending))

    def _store(self, pending: _Pending) -> int:
        """Write a block and return its stored size, with the bit of uncompressed blocks."""
        self._submitted -= 1
        compressed = pending.task.result()
        data = pending.data if compressed is None else compressed
        self._output.write(data)
        self.position += len(data)
        return len(data) | (UNCOMPRESSED if compressed is None else 0)

    def _withdraw(self, file: StoredFile) -> None:
        """Take back the file that was written last: its blocks are the end of the queue and of the output."""
        while self._queue and self._queue[-1].file is file:
            self._submitted -= isinstance(self._queue.pop(), _Pending)
        if file.blocks:
            self.position = file.start
            self._output.seek(file.start)

    def flush(self) -> None:
        """Write all that is pending, and cut off what was taken back."""
        if self._tails:
            self._submit_fragment()
        self._drain(0)
        self._output.truncate(self.position)
