"""Laws that hold for every filter, value and parameter."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage.templates._filters import FILTERS, filters_of
from lxdimage.templates._meter import Dialect, FilterError, Halt, Panic
from lxdimage.templates._values import (
    CycleValue,
    Function,
    GoList,
    GoMap,
    NamedString,
    SafeString,
    Struct,
    Uint8,
    from_raw,
    length,
    normal,
    raw,
    text,
    truth,
)
from templates.filter_calls import make_call

PIECES = st.sampled_from(
    [
        "<", ">", "/", "<b>", "</b>", "%", "%d", "%[1]", "*", "[", "]", "(", ")", "|", "\\", ",", ":", " ", "\n",
        "http://", "www.", ".com", "@", "a@b.co", "x", "é", "1", "-1", "1:3", "0x1p4", "nan", "_", "{2}", "&", "2006",
        ".000", "Jan",
    ]
)  # fmt: skip
STRINGS = st.one_of(
    st.lists(PIECES, max_size=8).map("".join),
    st.binary(max_size=12).map(from_raw),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
INTEGERS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
SCALARS = st.one_of(
    st.none(), st.booleans(), INTEGERS, st.integers(min_value=-5, max_value=30), st.floats(), STRINGS
)
TIMES = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3.5)), timezone(timedelta(hours=1), "CET")])
)
VALUES = st.one_of(
    SCALARS,
    SCALARS,
    STRINGS.map(SafeString),
    STRINGS.map(lambda value: NamedString(value, "instance.TemplateTrigger")),
    st.integers(min_value=0, max_value=255).map(Uint8),
    st.lists(STRINGS, max_size=4).map(GoList),
    st.lists(SCALARS, max_size=4).map(lambda items: GoList(items, "[]interface {}")),
    st.dictionaries(STRINGS, STRINGS, max_size=3).map(GoMap),
    TIMES,
    SCALARS.map(
        lambda value: Struct("*pongo2.tagForLoopInformation", {"Counter": value, "Parentloop": None})
    ),
    SCALARS.map(lambda value: CycleValue(0, value)),
    st.just(Function(lambda _: None, 0, 0)),
)
NAMES = st.sampled_from(sorted(FILTERS))
DIALECTS = st.sampled_from(Dialect)


@settings(max_examples=600, deadline=None)
@given(NAMES, VALUES, VALUES, DIALECTS)
def test_a_filter_gives_a_value_or_fails_in_one_of_three_ways(
    name: str, value: Any, param: Any, dialect: Dialect
) -> None:
    try:
        result = filters_of(dialect)[name](value, param, make_call(dialect))
    except (FilterError, Panic, Halt):
        return
    assert isinstance(truth(result), bool)
    assert length(result) >= 0
    shown = text(result)
    assert type(shown) is str
    assert normal(shown) == shown


@given(STRINGS)
def test_escaped_text_holds_nothing_that_html_reads(value: str) -> None:
    escaped = FILTERS["escape"](value, None, make_call())
    assert not set("<>\"'") & set(escaped)


@given(STRINGS, st.integers(min_value=0, max_value=40))
def test_truncated_text_is_no_longer_than_asked_for(value: str, most: int) -> None:
    assert len(FILTERS["truncatechars"](value, most, make_call())) <= max(most, 0)


@given(STRINGS, st.integers(min_value=-40, max_value=40))
def test_justified_text_is_as_wide_as_asked_for(value: str, width: int) -> None:
    wide = max(width, len(value))
    for name in ("center", "ljust"):
        assert len(FILTERS[name](value, width, make_call())) == wide
    assert len(FILTERS["rjust"](value, width, make_call())) == max(abs(width), len(value))


@given(STRINGS, STRINGS.filter(bool))
def test_what_was_split_joins_again(value: str, separator: str) -> None:
    call = make_call()
    parts = FILTERS["split"](value, separator, call)
    assert FILTERS["join"](parts, separator, call) == value


@given(STRINGS)
def test_encoded_addresses_are_ascii_without_spaces(value: str) -> None:
    for name in ("urlencode", "iriencode"):
        encoded = FILTERS[name](value, None, make_call())
        assert encoded.isascii()
        assert " " not in encoded


@given(STRINGS)
def test_text_without_tags_has_no_pair_of_angles(value: str) -> None:
    stripped = FILTERS["striptags"](value, None, make_call())
    assert stripped.find(">", stripped.find("<") if "<" in stripped else len(stripped)) < 0


@given(STRINGS)
def test_digits_are_the_bytes_from_the_right(value: str) -> None:
    data = raw(value)
    for place in range(1, len(data) + 1):
        assert (FILTERS["get_digit"](value, place, make_call()) + 48) % 256 == data[-place]
