"""
Threads that decompress and compress blocks beside the one that orders them.

Whoever submits tasks also decides in which order it asks for their results, so that what is read or written does not
depend on the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

__all__ = ["Task", "Workers", "default_threads"]

_Result = TypeVar("_Result")


def default_threads() -> int:
    """Return how many threads to use when nobody says: the processors that this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class Task(Generic[_Result]):
    """A call that a worker makes, or has made."""

    def __init__(self, call: Callable[[], _Result]) -> None:
        self._call = call
        self._result: list[_Result] = []
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Make the call and keep what comes of it."""
        try:
            self._result.append(self._call())
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
            self._error = error
        finally:
            del self._call
            self._done.release()

    def result(self) -> _Result:
        """Wait for the call and return its result, or raise its error."""
        with self._done:
            if self._error is not None:
                raise self._error
            return self._result[0]


class Workers:
    """
    A number of threads, started with the first task.

    With one thread or fewer there are none, and a task runs when it is submitted.
    """

    def __init__(self, threads: int | None = None) -> None:
        count = default_threads() if threads is None else threads
        self.count = count if count > 1 else 0
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def depth(self) -> int:
        """How many tasks to keep submitted so that no thread waits."""
        return self.count + 2 if self.count else 1

    def submit(self, call: Callable[[], _Result]) -> Task[_Result]:
        """Have *call* made, and return what gives its result."""
        task = Task(call)
        if not self.count:
            task.run()
            return task
        if not self._threads:
            self._start()
        if self._threads:
            self._queue.put(task.run)
        else:
            task.run()
        return task

    def _start(self) -> None:
        for _ in range(self.count):
            thread = threading.Thread(
                target=_work, args=(self._queue,), daemon=True, name="lxdimage-squashfs"
            )
            try:
                thread.start()
            except RuntimeError:
                return  # the system gives no more threads: those that there are do the work, or the caller
            self._threads.append(thread)

    def close(self) -> None:
        """End the threads after what was submitted."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()

    def __del__(self) -> None:
        for _ in self._threads:  # they hold the queue and not this object: nobody else would end them
            self._queue.put(None)


def _work(queue: SimpleQueue[Callable[[], None] | None]) -> None:
    while (run := queue.get()) is not None:
        run()
        # A failed task holds its traceback, and that whoever should end this thread: not while it waits for the next.
        del run
