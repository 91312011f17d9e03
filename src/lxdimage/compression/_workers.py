"""A few threads that run stages beside the caller, for work that does not hold Python's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from lxdimage._chunks import Chunks

__all__ = ["Task", "Workers"]


def _nothing() -> Chunks:
    return iter(())


class Task:
    """A stage that a worker runs: at most *depth* chunks wait for whoever takes them."""

    def __init__(self, chunks: Callable[[], Chunks], depth: int) -> None:
        self._new_chunks = chunks
        self._queue: SimpleQueue[bytes | BaseException | None] = SimpleQueue()
        self._slots = threading.Semaphore(depth)
        self._stopped = False

    def run(self) -> None:
        """Produce everything; what is raised here is raised again in the consumer."""
        new_chunks, self._new_chunks = self._new_chunks, _nothing  # what was done is let go
        try:
            for chunk in () if self._stopped else new_chunks():
                self._slots.acquire()
                if self._stopped:
                    return
                self._queue.put(chunk)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the consumer
            self._queue.put(error)
        else:
            self._queue.put(None)

    def stop(self) -> None:
        """Make `run` return soon, also when it waits."""
        self._stopped = True
        self._slots.release()

    def results(self) -> Chunks:
        """Yield what the worker produces."""
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._slots.release()
            yield item


class Workers:
    """
    At most *count* threads, started when they are needed and joined when the ``with`` block ends.

    Tasks start in the order in which they are given.  A task may wait for its consumer; so results must be taken in
    that order, too.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads: list[threading.Thread] = []
        self._waiting: SimpleQueue[Task | None] = SimpleQueue()
        self._tasks: set[Task] = set()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped = True
        for task in list(self._tasks):
            task.stop()
        for _ in self._threads:
            self._waiting.put(None)
        if kind is KeyboardInterrupt:
            return  # a person does not wait until the threads are done with their blocks
        for thread in self._threads:
            thread.join()

    def start(self, chunks: Callable[[], Chunks], depth: int) -> Task:
        """Run the stage that *chunks* gives as soon as a thread is free; *depth* chunks of it may wait."""
        task = Task(chunks, depth)
        self._tasks.add(task)
        self._waiting.put(task)
        if len(self._threads) < self._count:
            thread = threading.Thread(target=self._work, daemon=True, name="lxdimage-worker")
            self._threads.append(thread)
            thread.start()
        return task

    def _work(self) -> None:
        while (task := self._waiting.get()) is not None:
            if not self._stopped:
                task.run()
            self._tasks.discard(task)
            task = None
