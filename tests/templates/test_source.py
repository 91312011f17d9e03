"""Places in a template, as error texts and as findings count them."""

from __future__ import annotations

import pytest

from lxdimage.diagnostics import Position, Span
from lxdimage.templates._source import PREFIX, Source, string
from lxdimage.templates._values import raw


def test_findings_count_in_the_file_and_error_texts_in_the_wrapped_text() -> None:
    source = Source.of("ab\ncd", wrapped=True)
    at = len(PREFIX) + 1
    assert (source.place(at, "b", 1).line, source.place(at, "b", 1).column) == (1, 22)
    assert source.span(at) == Span(Position(1, 2), Position(1, 3))
    assert source.span(at + 2, 2) == Span(Position(2, 1), Position(2, 3))


def test_columns_count_bytes() -> None:
    source = Source.of("\u00e9\u2603\udcffx", wrapped=False)
    assert source.place(3, "x", 1).column == 7
    assert source.span(3).start.column == 7


@pytest.mark.parametrize(
    "text", ["", "ab\ncd" * 700, "\u00e9\n\u2603x" * 700, "x" * 3000 + "\u00e9", "\udcff" * 3000, "\n" * 1025]
)
def test_a_place_is_what_counting_gives(text: str) -> None:
    source = Source.of(text, wrapped=False)
    for offset in range(len(text) + 1):
        before = text[:offset].split("\n")
        counted = Position(len(before), len(raw(before[-1])) + 1)
        assert source.span(offset, 0).start == counted


@pytest.mark.parametrize("offset", [-5, 0, 20, 99])
def test_places_outside_the_file_are_moved_to_its_ends(offset: int) -> None:
    span = Source.of("ab", wrapped=True).span(offset, 50)
    assert Position(1, 1) <= span.start <= span.end <= Position(1, 3)


def test_a_line_is_shown_without_its_end() -> None:
    assert [Source.of("a\r\nb\n", wrapped=False).line(number) for number in (1, 2, 3)] == ["a", "b", ""]


def test_text_is_bytes_whatever_it_was() -> None:
    assert string(b"\xff\xc3\xa9") == "\udcff\u00e9"
    assert string("\udcc3\udca9") == "\u00e9"
    assert string("a\ud800") == "a\udced\udca0\udc80"
