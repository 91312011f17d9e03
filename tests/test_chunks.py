"""Rules of the stages that carry bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lxdimage._chunks import Cursor, drain, peek, read_ahead

DATA = bytes(range(256)) * 5


def split(data: bytes, size: int) -> Iterator[bytes]:
    """Yield *data* in pieces of *size* bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 3, 255, 5000])
@pytest.mark.parametrize("wanted", [0, 1, 7, 1280, 2000])
def test_peek_gives_the_head_and_loses_nothing(size: int, wanted: int) -> None:
    head, chunks = peek(split(DATA, size), wanted)
    assert DATA[:wanted] == head
    assert b"".join(chunks) == DATA


def test_peek_leaves_the_source_open_when_its_iterator_is_abandoned() -> None:
    source = split(DATA, 100)
    _, chunks = peek(source, 10)
    next(chunks)
    next(chunks)
    del chunks
    assert len(DATA) - 200 == drain(source)


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_a_cursor_takes_exactly_what_is_asked(size: int) -> None:
    cursor = Cursor(split(DATA, size))
    assert DATA[:5] == cursor.peek(5)
    assert DATA[:3] == cursor.take(3)
    assert DATA[3:300] == cursor.take(297)
    assert cursor.offset == 300
    rest = b""
    while piece := cursor.take_any():
        rest += piece
    assert DATA[300:] == rest
    assert cursor.take(10) == b""
    assert len(DATA) == cursor.offset


def test_read_ahead_keeps_order_and_content() -> None:
    assert list(split(DATA, 13)) == list(read_ahead(split(DATA, 13), depth=2))


def test_read_ahead_raises_an_error_in_its_place() -> None:
    def source() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise OSError("broken")

    seen = []
    with pytest.raises(OSError, match="broken"):
        for chunk in read_ahead(source()):
            seen.append(chunk)  # noqa: PERF402 - what came before the error counts
    assert seen == [b"a", b"b"]


def test_read_ahead_ends_its_thread_when_abandoned() -> None:
    before = threading.active_count()
    chunks = read_ahead(split(DATA, 1), depth=2)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert before == threading.active_count()


def test_read_ahead_leaves_the_source_usable_when_abandoned() -> None:
    source = split(DATA, 1)
    chunks = read_ahead(source, depth=2)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    # What was fetched in advance is lost to the consumer, but the source was not closed.
    assert drain(source) > 0
