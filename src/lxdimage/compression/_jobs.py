"""Content cut into blocks, and blocks compressed side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from lxdimage._chunks import Chunks
from lxdimage.compression._workers import Task, Workers

__all__ = ["Job", "blocks", "in_order", "pieces"]

Job = Callable[[], bytes]
"""The compression of one block."""


def blocks(chunks: Chunks, size: int) -> Chunks:
    """Yield the bytes of *chunks* in blocks of exactly *size* bytes, the last one shorter."""
    return map(b"".join, pieces(chunks, size))


def pieces(chunks: Chunks, size: int) -> Iterator[list[memoryview]]:
    """
    Yield the same blocks in pieces, as they came.

    A block may be large: it is never copied, and nothing of it is held here while whoever asked for it has it.
    """
    held: list[memoryview] = []
    missing = size
    for chunk in chunks:
        view = memoryview(chunk)
        while len(view) >= missing:
            held.append(view[:missing])
            view = view[missing:]
            yield _taken(held)
            missing = size
        if view:
            held.append(view)
            missing -= len(view)
    if held:
        yield _taken(held)


def _taken(held: list[memoryview]) -> list[memoryview]:
    """Return what is in *held*, and empty it."""
    taken = held.copy()
    held.clear()
    return taken


def in_order(jobs: Iterable[Job], threads: int, ahead: int = 0) -> Chunks:
    """
    Yield the results of *jobs* in their order while *threads* run them.

    At most *threads* + *ahead* jobs exist at a time, apart from the one that *jobs* is preparing.
    """
    if threads == 1:
        for job in jobs:
            result = job()
            del job  # with it goes the block, before the next one is gathered
            yield result
            del result
        return
    with Workers(threads) as workers:
        pending: deque[Task] = deque()
        for job in jobs:
            if len(pending) >= threads + ahead:
                yield from pending.popleft().results()
            pending.append(workers.start(_one(job), 1))
            del job
        while pending:
            yield from pending.popleft().results()


def _one(job: Job) -> Callable[[], Chunks]:
    return lambda: iter((job(),))
