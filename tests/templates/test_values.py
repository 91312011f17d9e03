"""What values are and convert to."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from lxdimage.templates._values import (
    CycleValue,
    Function,
    GoList,
    GoMap,
    Live,
    NamedString,
    NilPointer,
    SafeString,
    Struct,
    Uint8,
    elements,
    is_number,
    is_sliceable,
    is_string,
    kind_name,
    length,
    normal,
    raw,
    runes,
    text,
    to_float,
    to_int,
    truth,
    type_name,
)

TRIGGER = NamedString("create", "instance.TemplateTrigger")
LOOP = Struct("*pongo2.tagForLoopInformation", {"Counter": 1})
FUNCTION = Function(lambda _: None, 0, 0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "True"),
        (False, "False"),
        (7, "7"),
        (Uint8(7), "7"),
        (1.5, "1.500000"),
        (-0.0, "-0.000000"),
        (0.0000005, "0.000000"),
        (1e21, "1000000000000000000000.000000"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
        ("a", "a"),
        (TRIGGER, "create"),
        (SafeString("<"), "<"),
        (GoList(["a"]), "<[]string Value>"),
        (GoMap(), "<map[string]string Value>"),
        (LOOP, "<pongo2.tagForLoopInformation Value>"),
        (NilPointer("*x"), ""),
        (CycleValue(0, 1.5), "1.500000"),
        (Live({"n": 3}, "n"), "3"),
        (datetime(2020, 1, 2, 3, 4, 5, 60, tzinfo=UTC), "2020-01-02 03:04:05.00006 +0000 UTC"),
    ],
)
def test_values_print(value: Any, shown: str) -> None:
    found = text(value)
    assert (type(found), found) == (str, shown)


@pytest.mark.parametrize(
    ("value", "true"),
    [
        (None, False),
        (0, False),
        (0.0, False),
        ("", False),
        (GoList(), False),
        (GoMap(), False),
        (FUNCTION, False),
        (NilPointer("*x"), False),
        ("false", True),
        ("0", True),
        (math.nan, True),
        (LOOP, True),
        (Struct("pongo2.tagBlockInformation", {}), True),
        (datetime(2020, 1, 1, tzinfo=UTC), True),
        (Live({"n": 0}, "n"), False),
    ],
)
def test_truth_is_not_empty_and_not_zero(value: Any, true: bool) -> None:
    assert truth(value) is true


@pytest.mark.parametrize(
    ("value", "whole", "broken"),
    [
        ("42.9", 42, 42.9),
        ("9007199254740993", 9007199254740992, 9007199254740992.0),
        (" 5", 0, 0.0),
        ("0x1p4", 16, 16.0),
        ("inf", -(1 << 63), math.inf),
        (1e30, -(1 << 63), 1e30),
        (-7.9, -7, -7.9),
        (Uint8(3), 3, 3.0),
        (True, 0, 0.0),
        (None, 0, 0.0),
        (GoList(["1"]), 0, 0.0),
        (TRIGGER, 0, 0.0),
        (Live({"n": 3}, "n"), 3, 3.0),
    ],
)
def test_numbers_are_read_as_go_reads_them(value: Any, whole: int, broken: float) -> None:
    assert (to_int(value), to_float(value)) == (whole, broken)


def test_only_strings_lists_and_maps_have_a_length() -> None:
    values = ["a\udcff\u00e9", GoList(["a", "b"]), GoMap({"a": 1}), 5, 1.5, None, LOOP, TRIGGER]
    assert [length(value) for value in values] == [3, 2, 1, 0, 0, 0, 0, 6]


def test_elements_are_code_points_or_items() -> None:
    assert list(elements("a\udcff")) == ["a", "\ufffd"]
    assert elements(GoList(["x"])) == ["x"]


def test_kinds_look_through_live_values() -> None:
    live = Live({"n": 3, "s": "x"}, "n")
    assert is_number(live)
    assert not is_string(live)
    assert is_sliceable(GoList())
    assert not is_number(True)
    assert (kind_name(live), type_name(live)) == ("int", "int")


@pytest.mark.parametrize(
    ("value", "kind", "name"),
    [
        (None, "invalid", "<nil>"),
        (1.5, "float64", "float64"),
        (TRIGGER, "string", "instance.TemplateTrigger"),
        (GoList(), "slice", "[]string"),
        (GoMap({}, "config.Devices"), "map", "config.Devices"),
        (LOOP, "ptr", "*pongo2.tagForLoopInformation"),
        (Struct("config.DeviceNamed", {}), "struct", "config.DeviceNamed"),
        (datetime(2020, 1, 1, tzinfo=UTC), "struct", "time.Time"),
    ],
)
def test_types_have_gos_names(value: Any, kind: str, name: str) -> None:
    assert (kind_name(value), type_name(value)) == (kind, name)


def test_pieces_that_make_a_character_are_joined() -> None:
    assert normal("\udcc3" + "\udca9x") == "\u00e9x"
    assert normal("\udcc3x") == "\udcc3x"
    assert raw("\udcc3\u00e9") == b"\xc3\xc3\xa9"
    assert runes("a\udcffb") == "a\ufffdb"
