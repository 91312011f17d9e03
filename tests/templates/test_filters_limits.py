"""Hostile input: sizes are checked before memory is taken, and time is linear."""

from __future__ import annotations

import contextlib
import time
import tracemalloc
from typing import Any

import pytest

from lxdimage.limits import Limits
from lxdimage.templates._filters import FILTERS, _html
from lxdimage.templates._meter import FilterError, Halt, Panic
from lxdimage.templates._values import GoList, Value
from templates.filter_calls import apply, make_call

HUGE = 10**12
MOST = 100_000


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("center", "x", HUGE),
        ("ljust", "x", HUGE),
        ("ljust", "x", float("nan")),
        ("rjust", "x", 9_000_000),
        ("rjust", "x", -9_000_000),
        ("floatformat", 1.5, HUGE),
        ("floatformat", 1.5, -HUGE),
        ("stringformat", 5, "%9000000d"),
        ("stringformat", 5, "%99999d" * 3),
        ("join", GoList(["x"] * 1000), "y" * 1000),
        ("split", "," * MOST, ","),
        ("split", "," * MOST, ""),
        ("make_list", "," * MOST, None),
        ("add", "x" * MOST, "x" * MOST),
        ("escape", "&" * MOST, None),
        ("linenumbers", "\n" * MOST, None),
        ("urlencode", "&" * MOST, None),
        ("removetags", "x" * (MOST + 1), "b"),
    ],
)
def test_growth_is_refused(name: str, value: Value, param: Value) -> None:
    with pytest.raises(Halt):
        FILTERS[name](value, param, make_call(limits=Limits(value=MOST)))


def test_refusing_takes_no_memory() -> None:
    tracemalloc.start()
    try:
        for name in ("center", "ljust", "floatformat"):
            with pytest.raises(Halt):
                apply(name, 1.5, HUGE)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


SIZE = 24_000
HOSTILE = {
    "open": "<" * SIZE,
    "slashes": "</" * (SIZE // 2),
    "tags": "<a>" * (SIZE // 6) + "</b>" * (SIZE // 8),
    "crossed tags": "<a>" * (SIZE // 12) + "<b>" * (SIZE // 12) + "</a>" * (SIZE // 8),
    "word": "a" * SIZE,
    "spaces": " " * SIZE,
    "at signs": "@" * SIZE,
    "mail": "a@" * (SIZE // 2),
    "mail domains": "a@a." * (SIZE // 4),
    "addresses": "http://" * (SIZE // 7) + "\n",
    "hosts": " a.com" * (SIZE // 6) + "\n",
    "lines": "\n" * SIZE,
    "directives": "%[" * (SIZE // 2),
    "digits": "1" * SIZE,
    "separated digits": "1_" * (SIZE // 2) + "1",
    "bytes": "\udcff" * SIZE,
    "brackets": "[a-" * (SIZE // 3),
    "zeros": "." + "0" * SIZE + "1",
}


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_no_filter_is_slow_on_hostile_text(name: str) -> None:
    started = time.process_time()
    for text in HOSTILE.values():
        for value, param in ((text, 5), (text, "a"), ("<b>x</b> http://a.b/ a@b.co", text), (text, text)):
            with contextlib.suppress(FilterError, Halt, Panic):
                FILTERS[name](value, param, make_call())
    assert time.process_time() - started < 5


@pytest.mark.parametrize("pattern", ["(a.*z|a)", "[^c]*c|a", "(a*)*b", ".*.*.*x"])
def test_patterns_cost_steps_for_the_work_that_they_make(pattern: str) -> None:
    limits = Limits(steps=20_000)
    with pytest.raises(Halt):
        FILTERS["removetags"]("<a" * 100_000, pattern, make_call(limits=limits))


def test_the_tables_of_escapes_stay_small() -> None:
    many = "".join(chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000)
    assert len(apply("escapejs", many)) > len(many)
    assert len(_html._JS) <= 4096


def test_long_input_costs_steps() -> None:
    for name in ("wordcount", "get_digit", "truncatechars", "title", "urlize", "striptags"):
        call: Any = make_call()
        before = call.meter.steps_left
        FILTERS[name]("a b " * 10_000, 5, call)
        assert before - call.meter.steps_left > 1000
