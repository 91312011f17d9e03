"""What comes from outside."""

from __future__ import annotations

from collections import OrderedDict, UserString
from datetime import UTC, datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest

from lxdimage.templates._context import UnfitValueError, adopt
from lxdimage.templates._values import Function, GoList, GoMap, SafeString, type_name
from templates.rendering import bare


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Markup(str):
    __slots__ = ()

    def __html__(self) -> str:
        return self


class Later(datetime):
    pass


@pytest.mark.parametrize(
    ("value", "type_of", "adopted"),
    [
        (None, "<nil>", None),
        (True, "bool", True),
        (Level.HIGH, "int", 3),
        (1.5, "float64", 1.5),
        (Colour.RED, "string", "red"),
        (b"\xc3\xa9\xff", "string", "\u00e9\udcff"),
        (bytearray(b"a"), "string", "a"),
        ("\udcc3\udca9", "string", "\u00e9"),
        ("\ud800", "string", "\udced\udca0\udc80"),
        ((1, "a"), "[]interface {}", [1, "a"]),
        ({"a": [1]}, "map[string]interface {}", {"a": [1]}),
        ([], "[]interface {}", []),
        (["b", b"a"], "[]string", ["b", "a"]),
        ([2, Level.HIGH], "[]int", [2, 3]),
        ([1.5], "[]float64", [1.5]),
        ([True], "[]bool", [True]),
        ([1, None], "[]interface {}", [1, None]),
        ([["a"]], "[]interface {}", [["a"]]),
        (OrderedDict(a=1), "map[string]int", {"a": 1}),
        (MappingProxyType({b"a": "1"}), "map[string]string", {"a": "1"}),
        ({1: "a"}, "map[int]string", {1: "a"}),
        ({1: [2]}, "map[int]interface {}", {1: [2]}),
        (Later(2020, 1, 1, tzinfo=UTC), "time.Time", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_python_values_get_go_types(value: Any, type_of: str, adopted: Any) -> None:
    found = adopt(value)
    assert (type_name(found), found) == (type_of, adopted)


def test_what_is_adopted_has_exact_types() -> None:
    values: list[Any] = [Level.HIGH, Colour.RED, Markup("<"), [], {}]
    assert [type(adopt(value)) for value in values] == [
        int,
        str,
        SafeString,
        GoList,
        GoMap,
    ]


def test_values_of_the_language_pass_as_they_are() -> None:
    typed = GoList(["a"])
    assert adopt(typed) is typed


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "'object' has no counterpart in templates"),
        (Decimal(1), "'Decimal' has no counterpart in templates"),
        (UserString("a"), "'UserString' has no counterpart in templates"),
        (1 << 63, "an integer does not fit in 64 bits"),
        ({"a": 1, 2: 3}, "a map has keys of more than one type"),
        ({1.5: 1}, "a map has a key of type 'float'"),
        ({True: 1}, "a map has a key of type 'bool'"),
        ({"a": {"b": {1}}}, "'set' has no counterpart in templates"),
    ],
)
def test_other_values_are_refused(value: Any, message: str) -> None:
    with pytest.raises(UnfitValueError, match=message):
        adopt(value)


def test_values_without_end_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UnfitValueError, match="nested more than 50 levels deep"):
        adopt(endless)


def test_only_variables_that_are_used_are_converted() -> None:
    assert bare("{{ a }}", a=1, b=object()) == "1"


@pytest.mark.parametrize(
    ("function", "least", "most"),
    [
        (lambda: 1, 0, 0),
        (lambda a, b=1: a, 1, 2),
        (lambda *a: a, 0, None),
        (lambda a, *, k=1: a, 1, 1),
        (len, 1, 1),
        (print, 0, None),
        (type("Callable", (), {"__call__": lambda self, a: a})(), 1, 1),
    ],
)
def test_functions_take_as_many_arguments_as_their_signature(
    function: Any, least: int, most: int | None
) -> None:
    found = adopt(function)
    assert isinstance(found, Function)
    assert (found.least, found.most) == (least, most)


def test_functions_get_plain_values() -> None:
    got: list[Any] = []
    source = "{% for c in 'x' %}{{ f(forloop.Counter) }}{{ f(forloop.Parentloop) }}{% endfor %}{{ f('a'|make_list) }}"
    bare(source, f=got.append)
    assert got == [1, None, ["a"]]


def test_markup_is_not_escaped_again() -> None:
    assert (
        bare("{% autoescape on %}{{ a }}{{ f() }}{% endautoescape %}", a=Markup("<"), f=lambda: Markup(">"))
        == "<>"
    )
