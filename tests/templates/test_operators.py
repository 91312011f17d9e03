"""What operators mean."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from lxdimage.templates._meter import Dialect, Panic
from lxdimage.templates._operators import OPERATORS, contains, equal, minus, negate
from lxdimage.templates._values import GoList, GoMap, Live, NamedString, NilPointer, SafeString, Struct, Uint8

SMALLEST = -(1 << 63)
LARGEST = (1 << 63) - 1
TRIGGER = NamedString("create", "instance.TemplateTrigger")
LOOP = Struct("*pongo2.tagForLoopInformation", {"Counter": 1})


def v4(left: Any, operator: str, right: Any) -> Any:
    return OPERATORS[Dialect.V4][operator](left, right)


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        (1, 1, True),
        (1, Uint8(1), True),
        (Uint8(1), 1, True),
        (1, 1.0, False),
        (1, True, False),
        (True, True, True),
        ("1", 1, False),
        (None, None, True),
        (None, "", False),
        ("a", SafeString("a"), True),
        (TRIGGER, "create", False),
        ("create", TRIGGER, False),
        (TRIGGER, NamedString("create", "instance.TemplateTrigger"), True),
        (GoList(), GoMap(), False),
        (GoList(), GoList([], "[]int"), False),
        (LOOP, LOOP, True),
        (LOOP, Struct(LOOP.type_name, {"Counter": 1}), False),
        (NilPointer(LOOP.type_name), None, False),
        (math.nan, math.nan, False),
        (0.0, -0.0, True),
        (Live({"n": 3}, "n"), 3, True),
        (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), True),
    ],
)
def test_values_are_equal_when_type_and_value_are(left: Any, right: Any, result: bool) -> None:
    assert equal(left, right) is result


@pytest.mark.parametrize("value", [GoList(), GoMap(), Struct("config.DeviceNamed", {})])
def test_comparing_what_go_cannot_compare_panics(value: Any) -> None:
    with pytest.raises(Panic, match="comparing uncomparable type"):
        equal(value, value)


@pytest.mark.parametrize(
    ("left", "operator", "right", "result"),
    [
        ("b", ">", "a", False),
        ("10", ">", "9", True),
        ("1.5", ">", 1, False),
        ("1.5", ">", 1.0, True),
        (math.nan, "<", 1, False),
        (None, "<=", 0, True),
        (TRIGGER, ">=", "x", True),
        (datetime(2020, 1, 1), "<", datetime(2020, 1, 1, 1, tzinfo=UTC), True),
    ],
)
def test_order_is_numeric(left: Any, operator: str, right: Any, result: bool) -> None:
    assert v4(left, operator, right) is result


@pytest.mark.parametrize(
    ("left", "operator", "right", "result"),
    [
        (7, "/", 2, 3),
        (-7, "/", 2, -3),
        (-7, "%", 3, -1),
        (7, "%", -3, 1),
        (7, "/", 2.0, 3.5),
        ("7", "+", 2, 9),
        ("a", "+", "b", 0),
        ("1.5", "+", 1, 2),
        ("1.5", "+", 1.0, 2.5),
        (LARGEST, "+", 1, SMALLEST),
        (LARGEST, "*", 2, -2),
        (SMALLEST, "/", -1, SMALLEST),
        (SMALLEST, "-", 1, LARGEST),
        (1.0, "/", 0, math.inf),
        (-1.0, "/", 0, -math.inf),
        (2, "^", 10, 1024.0),
        (True, "+", 1, 1),
        (None, "+", 1, 1),
        (7.9, "%", 3, 1),
    ],
)
def test_arithmetic_converts_and_wraps(left: Any, operator: str, right: Any, result: Any) -> None:
    found = v4(left, operator, right)
    assert (type(found), found) == (type(result), result)


def test_zero_by_zero_is_no_number() -> None:
    assert math.isnan(v4(0.0, "/", 0))


@pytest.mark.parametrize("operator", ["/", "%"])
def test_integers_divided_by_zero_panic(operator: str) -> None:
    with pytest.raises(Panic, match="integer divide by zero"):
        v4(1, operator, "x")


def test_plus_joins_strings_in_version_6() -> None:
    plus = OPERATORS[Dialect.V6]["+"]
    assert (plus("7", 2), plus(7, "2"), plus(1, 2), plus(None, "a")) == ("72", "72", 3, "a")
    assert plus("\udcc3", "\udca9") == "\u00e9"


@pytest.mark.parametrize(
    ("container", "value", "result"),
    [
        ("abc", "b", True),
        ("abc", None, True),
        ("a1c", 1, True),
        ("\u00e9", "\udca9", True),
        ("\u00e9", "\udcaa", False),
        ("aTrue", True, True),
        (GoMap({"a": "1"}), "a", True),
        (GoMap({"a": "1"}), TRIGGER, False),
        (GoMap({"a": "1"}), True, False),
        (GoMap({"a": "1"}), Uint8(1), False),
        (GoMap({1: "a"}, "map[int]string"), 1, True),
        (GoList(["a", "b"]), "b", True),
        (GoList(["create"]), TRIGGER, False),
        (GoList([Uint8(1)], "[]uint8"), 1, True),
        (LOOP, "Counter", True),
        (Struct("pongo2.tagBlockInformation", {}, frozenset({"ctx"})), "ctx", True),
        (5, 5, False),
        (None, None, False),
    ],
)
def test_membership_depends_on_the_container(container: Any, value: Any, result: bool) -> None:
    assert contains(container, value) is result


def test_a_key_of_the_wrong_type_panics() -> None:
    with pytest.raises(Panic, match="value of type int is not assignable to type string"):
        contains(GoMap({"a": "1"}), 1)
    with pytest.raises(Panic, match="value of type string is not assignable to type int"):
        contains(GoMap({1: "a"}, "map[int]string"), "a")


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (0, 1),
        (5, 0),
        (Uint8(0), 1),
        (0.0, 1.1),
        (2.5, 0.0),
        ("", True),
        ("a", False),
        (None, True),
        (LOOP, False),
    ],
)
def test_negation_keeps_numbers_numbers(value: Any, result: Any) -> None:
    found = negate(value)
    assert (type(found), found) == (type(result), result)


def test_only_numbers_have_a_sign() -> None:
    assert [minus(value) for value in (3, 1.5, SMALLEST, Uint8(2))] == [-3, -1.5, SMALLEST, -2]
    assert str(minus(0.0)) == "-0.0"
    assert [minus(value) for value in ("3", None, True, GoList())] == [None] * 4
