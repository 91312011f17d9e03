"""Everything recorded from Go's standard library, replayed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from lxdimage.templates import _go
from lxdimage.templates._go import Kind, Operand, PatternError

CORPUS = Path(__file__).parents[1] / "corpus" / "go" / "go-1.19.jsonl"
CALLS = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def _normal(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _argument(value: Any) -> Any:
    """Return an argument of sprintf."""
    match value:
        case {"uint8": number}:
            return Operand(kind=Kind.UNSIGNED, type="uint8", value=number)
        case {"float": number}:
            return float.fromhex(number)
        case {"strings": strings}:
            return Operand(kind=Kind.LIST, type="[]string", value=strings)
        case {"list": items}:
            return [_argument(item) for item in items]
        case {"map": items}:
            return {key: _argument(item) for key, item in items.items()}
        case _:
            return value


def _remove(pattern: str, text: str) -> str | None:
    try:
        compiled = _go.compile_pattern(pattern)
    except PatternError:
        return None
    kept, done = "", 0
    for start, end in compiled.spans(text, lambda _: None):
        kept, done = kept + text[done:start], end
    return kept + text[done:]


def _moment(numbers: list[int], offset: int) -> datetime:
    year, month, day, hour, minute, second, microsecond = numbers
    zone = timezone(timedelta(seconds=offset))
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=zone)


def _hex(number: float | None) -> str | None:
    return None if number is None else number.hex()


REPLAY: dict[str, Callable[..., Any]] = {
    "parse_float": lambda text: _hex(_go.parse_float(text)),
    "format_float": lambda value, verb, digits: _go.format_float(float.fromhex(value), verb, digits),
    "float_to_int": lambda value: _go.float_to_int(float.fromhex(value)),
    "power": lambda base, exponent: _hex(_go.power(float.fromhex(base), float.fromhex(exponent))),
    "quote": _go.quote,
    "sprintf": lambda layout, values: _normal(_go.sprintf(layout, [_argument(value) for value in values])),
    "format_time": lambda numbers, offset, layout: _go.format_time(_moment(numbers, offset), layout),
    "remove": _remove,
    "upper": lambda text: _normal(_go.upper(text)),
    "lower": lambda text: _normal(_go.lower(text)),
    "title": lambda text: _normal(_go.title(text)),
    "trim_space": _go.trim_space,
    "fields": _go.fields,
}


@pytest.mark.parametrize("operation", REPLAY)
def test_results_equal_those_of_go(operation: str) -> None:
    calls = [call for call in CALLS if call["op"] == operation]
    assert calls
    different = [
        (call["args"], call["result"], result)
        for call in calls
        if call["result"] != (result := REPLAY[operation](*call["args"]))
    ]
    assert different == []


def test_every_recorded_operation_is_replayed() -> None:
    assert {call["op"] for call in CALLS} == set(REPLAY)
