"""Threads: results in order, errors in their place, and none left behind."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator

import pytest

from lxdimage.compression import Compression, decode
from lxdimage.compression._jobs import Job, blocks, in_order
from lxdimage.compression._workers import Workers
from lxdimage.compression.writing import encode
from streams import Stream, corpus, text


def _names() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("lxdimage")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert _names() == []


def test_threads_start_when_they_are_needed_and_end_with_the_block() -> None:
    with Workers(3) as workers:
        assert _names() == []
        tasks = [workers.start(lambda: iter((b"a", b"b")), 2) for _ in range(5)]
        assert len(_names()) == 3
        assert [b"a", b"b"] * 5 == [chunk for task in tasks for chunk in task.results()]


def test_an_error_comes_behind_what_precedes_it() -> None:
    def failing() -> Iterator[bytes]:
        yield b"first"
        raise OSError(28, "No space left on device")

    with Workers(1) as workers:
        results = workers.start(failing, 5).results()
        assert next(results) == b"first"
        with pytest.raises(OSError, match="No space left"):
            next(results)


def test_a_task_waits_for_its_consumer() -> None:
    made = 0

    def counting() -> Iterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1
            yield b"x"

    with Workers(1) as workers:
        results = workers.start(counting, 3).results()
        next(results)
        time.sleep(0.05)
        assert made <= 6


def test_waiting_and_queued_tasks_end_with_the_block() -> None:
    begun: list[int] = []

    def endless(number: int) -> Iterator[bytes]:
        begun.append(number)
        while True:
            yield b"x"

    with Workers(1) as workers:
        for number in range(3):
            workers.start(functools.partial(endless, number), 1)
        time.sleep(0.02)
    assert begun == [0]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("ahead", [0, 3])
def test_jobs_give_their_results_in_order(threads: int, ahead: int) -> None:
    def job(number: int) -> bytes:
        time.sleep(0.002 * (number % 3))
        return b"%d " % number

    jobs = (functools.partial(job, number) for number in range(20))
    assert b"".join(b"%d " % number for number in range(20)) == b"".join(in_order(jobs, threads, ahead))


def test_jobs_are_taken_as_they_are_needed() -> None:
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield lambda: b"x"

    results = in_order(jobs(), 2, 1)
    next(results)
    assert taken <= 5


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_blocks_have_their_size_whatever_chunks_there_are(size: int) -> None:
    data = text(10)
    for chunks in ([data], [data[:5], b"", data[5:]], [data[at : at + 1] for at in range(len(data))]):
        assert [data[at : at + size] for at in range(0, len(data), size)] == list(blocks(iter(chunks), size))
    assert list(blocks(iter([b""]), size)) == []


@pytest.mark.parametrize("stream", list(corpus()), ids=lambda stream: stream.name)
def test_no_thread_is_left_when_decoding_stops_early(stream: Stream) -> None:
    content = decode(stream.compression, iter([stream.data]), threads=3)
    next(content, None)
    del content


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.BZIP2, Compression.XZ])
def test_no_thread_is_left_when_encoding_stops_early(compression: Compression) -> None:
    packed = encode(compression, iter([text(30_000)] * 10), level=1, threads=3)
    for _ in range(3):
        next(packed, None)
    del packed


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.BZIP2, Compression.XZ])
def test_errors_of_the_content_pass_through_the_encoder(compression: Compression) -> None:
    def broken() -> Iterator[bytes]:
        yield text(30_000)
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        for _ in encode(compression, broken(), level=1, threads=2):
            pass
