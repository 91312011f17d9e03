"""Threads that work beside the one that orders results."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from lxdimage.formats._squashfs._workers import Workers, default_threads


@pytest.mark.parametrize("threads", [0, 1, 2, 5])
def test_results_are_asked_for_in_any_order_and_more_than_once(threads: int) -> None:
    workers = Workers(threads)
    tasks = [workers.submit(partial(pow, number, 2)) for number in range(50)]
    assert [task.result() for task in reversed(tasks)] == [number * number for number in reversed(range(50))]
    assert tasks[7].result() == 49
    workers.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_where_the_result_is_asked_for(threads: int) -> None:
    workers = Workers(threads)
    task = workers.submit(lambda: 1 // 0)
    assert workers.submit(lambda: 5).result() == 5
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            task.result()
    workers.close()


def test_tasks_run_beside_each_other() -> None:
    workers = Workers(2)
    barrier = threading.Barrier(2, timeout=30)
    tasks = [workers.submit(barrier.wait) for _ in range(2)]
    assert sorted(task.result() for task in tasks) == [0, 1]
    workers.close()


def test_threads_start_with_the_first_task_and_end_at_the_close() -> None:
    before = threading.active_count()
    workers = Workers(3)
    assert threading.active_count() == before
    workers.submit(lambda: None).result()
    assert threading.active_count() == before + 3
    workers.close()
    assert threading.active_count() == before


def test_one_thread_is_the_caller_itself() -> None:
    workers = Workers(1)
    assert workers.submit(threading.get_ident).result() == threading.get_ident()
    assert workers.depth == 1
    assert default_threads() >= 1
