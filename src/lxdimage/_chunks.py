"""
Bytes in motion: iterators of `bytes` chunks and the stages that do not care what the bytes mean.

Every chunk is immutable and belongs to whoever received it.  No buffer is reused: a queue between two threads may
hold several chunks, and a buffer that is overwritten while queued corrupts data without any error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import TypeAlias

__all__ = ["READ_SIZE", "Chunks", "Cursor", "drain", "peek", "read_ahead"]

Chunks: TypeAlias = Iterator[bytes]

READ_SIZE = 1 << 19
"""Bytes asked of a file at a time: few enough for the memory, many enough to keep threads busy."""


def drain(chunks: Chunks) -> int:
    """Read *chunks* to their end and return the number of bytes."""
    return sum(map(len, chunks))


def peek(chunks: Chunks, size: int) -> tuple[bytes, Chunks]:
    """
    Return the first *size* bytes (fewer at the end of the stream) and an iterator that still yields all.

    The iterator does not close *chunks* when it is abandoned: whoever owns the source can read on.
    """
    head = bytearray()
    while len(head) < size and (chunk := next(chunks, None)) is not None:
        head += chunk
    return bytes(head[:size]), _again(bytes(head), chunks)


def _again(head: bytes, chunks: Chunks) -> Chunks:
    # Not `yield from`: that would close *chunks* together with this generator, and its rest would never be hashed.
    if head:
        yield head
    for chunk in chunks:  # noqa: UP028
        yield chunk


class Cursor:
    """
    Exact reads from chunks, with the offset of the next byte.

    Attributes:
        offset: Where the next byte lies: what was given plus the bytes taken so far.
    """

    def __init__(self, chunks: Chunks, offset: int = 0) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._start = 0
        self.offset = offset

    def peek(self, size: int) -> bytes:
        """Return the next *size* bytes, fewer at the end of the stream, without taking them."""
        have = len(self._buffer) - self._start
        if have < size:
            parts = [self._buffer[self._start :]]
            while have < size and (chunk := next(self._chunks, None)) is not None:
                parts.append(chunk)
                have += len(chunk)
            self._buffer = b"".join(parts)
            self._start = 0
        return self._buffer[self._start : self._start + size]

    def take(self, size: int) -> bytes:
        """Return the next *size* bytes, fewer at the end of the stream."""
        end = self._start + size
        if end <= len(self._buffer):
            data = self._buffer[self._start : end]
            self._start = end
        else:
            data = self._take_across(size)
        self.offset += len(data)
        return data

    def _take_across(self, size: int) -> bytes:
        """Return bytes of several chunks, each copied once."""
        parts = [memoryview(self._buffer)[self._start :]]
        missing = size - len(parts[0])
        while missing and (chunk := next(self._chunks, None)) is not None:
            parts.append(memoryview(chunk)[:missing])
            missing -= len(parts[-1])
            self._buffer = chunk
        self._start = len(self._buffer) if missing or len(parts) == 1 else len(parts[-1])
        return b"".join(parts)

    def take_any(self, limit: int | None = None) -> bytes:
        """Return what is buffered or else the next chunk, at most *limit* bytes: empty only at the end."""
        while self._start == len(self._buffer):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._buffer, self._start = chunk, 0
        end = len(self._buffer) if limit is None else self._start + limit
        data = self._buffer[self._start : end]
        self._start += len(data)
        self.offset += len(data)
        return data

    def give_back(self, data: bytes) -> None:
        """Return the last bytes that were taken, so that they come again."""
        start = self._start - len(data)
        if start < 0 or self._buffer[start : self._start] != data:
            self._buffer = data + self._buffer[self._start :]
            start = 0
        self._start = start
        self.offset -= len(data)


class _Failure:
    """An exception on its way from one thread to another."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def read_ahead(chunks: Chunks, depth: int = 2) -> Chunks:
    """
    Yield *chunks* while a thread of its own fetches at most *depth* of them in advance.

    So whatever *chunks* does beside Python (hashing, decompressing, reading) overlaps with what the caller does.
    An error of *chunks* is raised here in its place in the stream.  When the caller stops early, the thread ends
    before this generator is closed, and *chunks* is neither closed nor exhausted.
    """
    queue: SimpleQueue[bytes | _Failure | None] = SimpleQueue()
    slots = threading.Semaphore(depth)
    stopped = threading.Event()

    def fetch() -> None:
        try:
            for chunk in chunks:
                slots.acquire()
                queue.put(chunk)
                if stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again in the consumer
            queue.put(_Failure(error))
        else:
            queue.put(None)

    thread = threading.Thread(target=fetch, daemon=True, name="lxdimage-read-ahead")
    try:
        thread.start()
    except RuntimeError:  # the system gives no more threads
        yield from chunks
        return
    try:
        yield from _received(queue.get, slots.release)
    finally:
        stopped.set()
        slots.release()
        thread.join()


def _received(get: Callable[[], bytes | _Failure | None], release: Callable[[], None]) -> Chunks:
    while (item := get()) is not None:
        if isinstance(item, _Failure):
            raise item.error
        yield item
        release()
