"""
Reading ahead: the blocks of files are decompressed by workers before they are asked for.

Only as many blocks as keep the workers busy are ever held, and the fragment blocks of the last files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from lxdimage._chunks import Chunks
from lxdimage.errors import LXDImageError
from lxdimage.formats._squashfs._content import Block, Content
from lxdimage.formats._squashfs._inodes import NOTHING, File, Inode
from lxdimage.formats._squashfs._workers import Task, Workers

__all__ = ["FragmentCache", "Pipeline"]

_CACHED_BYTES = 8 << 20
_MOST_QUEUED = 512


class FragmentCache:
    """The fragment blocks used last, or being decompressed."""

    def __init__(self, content: Content, workers: Workers) -> None:
        self._content = content
        self._workers = workers
        self._most = max(2, _CACHED_BYTES // content.block_size)
        self._tasks: dict[int, Task[bytes]] = {}

    def get(self, block: Block) -> tuple[Task[bytes], bool]:
        """Return what gives a fragment block, and whether it had to be submitted."""
        task = self._tasks.pop(block.fragment, None)
        submitted = task is None
        if task is None:
            if len(self._tasks) >= self._most:
                del self._tasks[next(iter(self._tasks))]
            task = self._workers.submit(partial(self._content.decode, block))
        self._tasks[block.fragment] = task
        return task, submitted


class _Piece(NamedTuple):
    """
    A piece of a file on its way.

    Attributes:
        file: Which file.
        block: Which piece of it; None when *error* says why there is none.
        task: What gives the block; None for a hole.
        submitted: Whether the task was submitted for this piece, and not for one before it.
        error: Why the file ends here.
    """

    file: int
    block: Block | None
    task: Task[bytes] | None = None
    submitted: bool = False
    error: Exception | None = None


class Pipeline:
    """
    The content of *files*, best read in their order.

    Reading ahead goes beyond the file that is asked for only when the one before it was asked for as well: who wants
    single files does not pay for others.
    """

    def __init__(
        self, content: Content, workers: Workers, fragments: FragmentCache, files: Sequence[Inode]
    ) -> None:
        self._content = content
        self._workers = workers
        self._fragments = fragments
        self._files = files
        self._queue: deque[_Piece] = deque()
        self._submitted = 0
        self._pieces: Iterator[_Piece] = iter(())
        self._upcoming = 0
        self._until = 0
        self._last = -2

    def read(self, index: int) -> Chunks:
        """
        Yield the content of file *index*.

        Raises:
            InvalidImageError: A block does not decompress; other files may still be readable.
        """
        self._until = len(self._files) - 1 if index == self._last + 1 else index
        self._seek(index)
        self._last = index
        while True:
            self._fill()
            if not self._queue or self._queue[0].file != index:
                return
            yield self._take()

    def _seek(self, index: int) -> None:
        """Have the first piece of file *index* come next: drop what is queued before it, or begin anew."""
        if index > self._last:
            while self._queue and self._queue[0].file < index:
                self._submitted -= self._queue.popleft().submitted
            if self._queue and self._queue[0].file == index:
                return
        self._queue.clear()
        self._submitted = 0
        self._pieces = iter(())
        self._upcoming = index

    def _fill(self) -> None:
        """Submit blocks until the workers have enough to do."""
        while self._submitted < self._workers.depth and len(self._queue) < _MOST_QUEUED:
            piece = next(self._pieces, None)
            if piece is not None:
                self._submitted += piece.submitted
                self._queue.append(piece)
            elif self._upcoming <= self._until:
                self._pieces = self._submit(self._upcoming)
                self._upcoming += 1
            else:
                return

    def _submit(self, index: int) -> Iterator[_Piece]:
        """Yield the pieces of file *index*, their blocks submitted."""
        inode = self._files[index]
        assert isinstance(inode.body, File)
        try:
            for block in self._content.blocks(inode, inode.body):
                if not block.stored:
                    yield _Piece(index, block)
                elif block.fragment != NOTHING:
                    yield _Piece(index, block, *self._fragments.get(block))
                else:
                    task = self._workers.submit(partial(self._content.decode, block))
                    yield _Piece(index, block, task, submitted=True)
        except (LXDImageError, OSError) as error:
            yield _Piece(index, None, error=error)

    def _take(self) -> bytes:
        piece = self._queue.popleft()
        self._submitted -= piece.submitted
        if piece.block is None:
            assert piece.error is not None
            raise piece.error
        if piece.task is None:
            return self._content.hole(piece.block)
        return self._content.piece(piece.block, piece.task.result())
