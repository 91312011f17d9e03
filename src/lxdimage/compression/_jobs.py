"""Content cut into blocks, and blocks compressed side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from lxdimage._chunks import Chunks
from lxdimage.compression._workers import Task, Workers

__all__ = ["Job", "blocks", "in_order"]

Job = Callable[[], bytes]
"""The compression of one block."""


def blocks(chunks: Chunks, size: int) -> Chunks:
    """Yield the bytes of *chunks* in blocks of exactly *size* bytes, the last one shorter."""
    held: list[memoryview] = []
    missing = size
    for chunk in chunks:
        view = memoryview(chunk)
        while len(view) >= missing:
            held.append(view[:missing])
            view = view[missing:]
            yield b"".join(held)
            held, missing = [], size
        if view:
            held.append(view)
            missing -= len(view)
    if held:
        yield b"".join(held)


def in_order(jobs: Iterable[Job], threads: int, ahead: int = 0) -> Chunks:
    """
    Yield the results of *jobs* in their order while *threads* run them.

    At most *threads* + *ahead* jobs exist at a time, apart from the one that *jobs* is preparing.
    """
    if threads == 1:
        yield from (job() for job in jobs)
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
