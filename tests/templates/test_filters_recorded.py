"""Filter calls recorded from pongo2 4.0.2, replayed on the functions themselves."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lxdimage.templates._filters import FILTERS
from lxdimage.templates._meter import FilterError, Halt, Panic
from lxdimage.templates._values import GoList, GoMap, Value, text
from templates.filter_calls import apply

CORPUS = Path(__file__).parents[1] / "corpus" / "filters" / "pongo2-4.0.2.jsonl"
CALLS = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def _value(recorded: Any) -> Value:
    match recorded:
        case {"list": items, "type": type_name}:
            return GoList(map(_value, items), type_name)
        case {"map": items, "type": type_name}:
            return GoMap({key: _value(item) for key, item in items.items()}, type_name)
        case {"time": moment}:
            return datetime.fromisoformat(moment)
        case _:
            return recorded


def _result(call: dict[str, Any]) -> dict[str, Any]:
    try:
        value = apply(call["filter"], _value(call["value"]), _value(call.get("param")))
    except (FilterError, Halt, Panic):
        return {"fails": True}
    return {"text": text(value), "go": apply("stringformat", value, "%#v")}


@pytest.mark.parametrize("name", sorted({call["filter"] for call in CALLS}))
def test_results_and_their_types_equal_those_of_pongo2(name: str) -> None:
    different = []
    for call in CALLS:
        expected = {key: call[key] for key in ("text", "go", "fails") if key in call}
        if call["filter"] == name and (result := _result(call)) != expected:
            different.append((call, result))
    assert different == []


def test_every_filter_has_recorded_calls() -> None:
    assert set(FILTERS) - {call["filter"] for call in CALLS} == {"random"}
