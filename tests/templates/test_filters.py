"""The rules of filters, one each; what the recorded calls do not say by themselves."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from lxdimage.templates._filters import FILTERS, filters_of
from lxdimage.templates._meter import Chance, Dialect, FilterError, Halt, Panic
from lxdimage.templates._values import (
    CycleValue,
    Function,
    GoList,
    GoMap,
    NamedString,
    SafeString,
    Struct,
    Uint8,
    Value,
)
from templates.filter_calls import apply, make_call

TRIGGER = NamedString("create", "instance.TemplateTrigger")


def test_version_6_has_one_filter_more() -> None:
    assert set(filters_of(Dialect.V6)) - set(FILTERS) == {"e"}
    assert filters_of(Dialect.V4) is FILTERS


# -- types of results


@pytest.mark.parametrize("name", ["safe", "default", "default_if_none"])
def test_what_is_handed_on_stays_the_same_object(name: str) -> None:
    for value in (TRIGGER, SafeString("x"), GoList(["a"]), GoMap({"a": "b"}), 5, 2.5, True):
        assert apply(name, value, "p") is value


@pytest.mark.parametrize("name", ["upper", "escape", "cut", "capfirst", "striptags", "urlize"])
@pytest.mark.parametrize("value", [TRIGGER, SafeString("create")])
def test_made_text_is_a_plain_string(name: str, value: Value) -> None:
    assert type(apply(name, value)) is str


@pytest.mark.parametrize("name", ["truncatechars_html", "truncatewords_html"])
def test_shortened_html_is_safe(name: str) -> None:
    assert apply(name, "<b>one two three</b>", 1) == apply(name, SafeString("<b>one two three</b>"), 1)
    assert type(apply(name, "<b>one two three</b>", 1)) is SafeString


def test_a_digit_is_a_byte_less_that_of_zero() -> None:
    assert (type(apply("get_digit", 1234, 2)), apply("get_digit", 1234, 2)) == (Uint8, 3)
    assert apply("get_digit", "a", 1) == 49
    assert apply("get_digit", "é", 1) == 0xA9 - 48
    assert apply("get_digit", "!", 1) == 241


def test_a_slice_of_a_list_keeps_its_type() -> None:
    part = apply("slice", GoList([1, 2, 3], "[]int"), "1:3")
    assert (part, part.type_name) == ([2, 3], "[]int")


# -- chance


def test_only_a_choice_among_several_asks_for_chance() -> None:
    call = make_call()
    assert [FILTERS["random"](value, None, call) for value in ("", 5, None, GoList())] == ["", 5, None, []]
    assert call.chances == set()
    assert FILTERS["random"](GoList(["a", "b"]), None, call) in {"a", "b"}
    assert call.chances == {Chance.RANDOM}


# -- bytes that are not UTF-8


@pytest.mark.parametrize(
    ("name", "value", "param", "expected"),
    [
        ("cut", "é", "\udcc3", "\udca9"),
        ("cut", "\udcc3x\udca9", "x", "é"),
        ("add", "\udcc3", "\udca9", "é"),
        ("join", GoList(["\udcc3", "\udca9"]), "", "é"),
        ("removetags", "\udcc3<b>\udca9", "b", "é"),
        ("striptags", "\udcc3<b>\udca9", None, "é"),
        ("split", "é", "\udcc3", ["", "\udca9"]),
        ("make_list", "a\udcff", None, ["a", "\ufffd"]),
        ("urlencode", "\udcff", None, "%FF"),
        ("iriencode", "\udcff", None, "%EF%BF%BD"),
        ("escapejs", "a\udcff\ufffdb", None, "ab"),
        ("rjust", "\udcff", 3, "  \udcff"),
        ("urlizetrunc", "www.é.com", 8, '<a href="http://www.%C3%A9.com" rel="nofollow">www.\udcc3...</a>'),
    ],
)
def test_bytes_are_bytes(name: str, value: Value, param: Value, expected: Value) -> None:
    assert apply(name, value, param) == expected


# -- html


@pytest.mark.parametrize(
    ("name", "value", "param", "expected"),
    [
        ("truncatewords_html", "<p>one two</p> three", 2, "<p>one two</p> three..."),
        ("truncatewords_html", "<b>one two three</b>", 1, "<b>one ...</b>"),
        ("truncatewords_html", "<b>one</b> two three", 1, "<b>one</b> two ..."),
        ("truncatechars_html", "<a><b>12345</a>6", 6, "<a><b>123...</b></a>"),
        ("truncatechars_html", "<br/>12345", 5, "<br/>12...</br/>"),
        ("truncatechars_html", "<\udcff/a>xyz", 100, "</a>xyz<//a>"),
        ("truncatechars_html", "<x", 100, "<x"),
    ],
)
def test_open_tags_are_closed_behind_the_dots(name: str, value: str, param: int, expected: str) -> None:
    assert apply(name, value, param) == expected


def test_closing_a_lower_tag_puts_the_top_in_its_place() -> None:
    assert apply("truncatechars_html", "<a><b><c></a>12345", 6) == "<a><b><c></a>123...</b></c>"


# -- removetags


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("b", "x<i>y</i>"),
        ("b,i", "xy"),
        ("(b|i)", "xy"),
        ("[bi]", "xy"),
        (".", "xy"),
        ("b|i", ">x><y</"),
        ("(?i)B", "x<i>y</i>"),
        ("[[:lower:]]", "xy"),
        (r"\pL", "xy"),
    ],
)
def test_version_4_takes_names_as_patterns(names: str, expected: str) -> None:
    assert apply("removetags", "<b>x</b><i>y</i>", names) == expected


def test_version_6_takes_names_literally() -> None:
    assert apply("removetags", "<b>x</b><(b|i)>y<[>", "(b|i),[", Dialect.V6) == "<b>x</b>y"


def test_a_pattern_that_go_refuses_is_a_panic() -> None:
    with pytest.raises(Panic, match="regexp: Compile"):
        apply("removetags", "x", "[")


def test_a_pattern_beyond_the_grammar_ends_the_rendering() -> None:
    with pytest.raises(Halt, match="Greek"):
        apply("removetags", "x", r"\p{Greek}")


# -- numbers


@pytest.mark.parametrize(
    ("value", "param", "expected"),
    [
        (1.5, None, "1.5"),
        (5.0, None, 5),
        (5.0, 2, "5.00"),
        (5.0, "2", 5),
        (2.5, 0, "2"),
        (0.125, 2, "0.12"),
        (math.nan, None, "NaN"),
        (0.1, math.inf, "0.1"),
        (0.1, -math.inf, "0.1"),
    ],
)
def test_floatformat_rounds_half_to_even(value: float, param: Value, expected: Value) -> None:
    assert apply("floatformat", value, param) == expected


@pytest.mark.parametrize(
    ("count", "endings", "expected"),
    [(1, None, ""), (2, None, "s"), (1, "es", ""), (0, "es", "es"), (1, "y,ies", "y"), (2, "y,ies", "ies")],
)
def test_only_one_is_singular(count: int, endings: str | None, expected: str) -> None:
    assert apply("pluralize", count, endings) == expected


def test_sums_wrap_at_64_bits() -> None:
    assert apply("add", 2**63 - 1, 1) == -(2**63)


# -- slices


@pytest.mark.parametrize(
    ("bounds", "in_v4", "in_v6"),
    [
        (":", "", "abcd"),
        ("1:", "bcd", "bcd"),
        ("2:1", "cd", ""),
        (":-1", "abcd", "abc"),
        ("1: ", "bcd", "bcd"),
        ("9:", "", ""),
        ("0:9", "abcd", "abcd"),
    ],
)
def test_slices_differ_between_the_versions(bounds: str, in_v4: str, in_v6: str) -> None:
    assert apply("slice", "abcd", bounds) == in_v4
    assert apply("slice", "abcd", bounds, Dialect.V6) == in_v6


def test_a_negative_start_is_a_panic_in_version_4_alone() -> None:
    with pytest.raises(Panic):
        apply("slice", "abcd", "-2:")
    assert apply("slice", "abcd", "-2:", Dialect.V6) == "cd"


# -- errors

TOO_MANY = "You cannot pass more than 3 options to the 'yesno'-filter (got: 'a,b,c,{}')."
TOO_FEW = "You must pass either no or at least 2 arguments to the 'yesno'-filter (got: '{0}')."
NO_SLICE = "Slice string must have the format 'from:to' [from/to can be omitted, but the ':' is required]"


@pytest.mark.parametrize(
    ("name", "value", "param", "message"),
    [
        ("date", "2020", "2006", "filter input argument must be of type 'time.Time'"),
        ("pluralize", "5", None, "filter 'pluralize' does only work on numbers"),
        ("pluralize", 5, "a,b,c", "you cannot pass more than 2 arguments to filter 'pluralize'"),
        ("slice", "abc", "1", NO_SLICE),
        ("yesno", True, "a,b,c,{}", TOO_MANY),
        ("yesno", True, "{0}", TOO_FEW),
    ],
)
def test_errors_have_the_words_of_the_engine(name: str, value: Value, param: Value, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        apply(name, value, param)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("name", "value", "param"),
    [
        ("truncatechars", "abc", -1),
        ("truncatechars", "", -1),
        ("wordwrap", "a b c d e", 3),
        ("wordwrap", "a b", 2**62),
        ("slice", "abc", "-1:"),
    ],
)
def test_what_makes_the_engine_panic_is_a_panic(name: str, value: Value, param: Value) -> None:
    with pytest.raises(Panic):
        apply(name, value, param)


# -- stringformat

LOOP = Struct("*pongo2.tagForLoopInformation", {"Counter": 1, "Parentloop": None}, frozenset())
DEVICE = Struct(
    "config.DeviceNamed", {"Name": "eth0", "Config": GoMap({"type": "nic", "name": "é"}, "config.Device")}
)
TIME = datetime(2024, 2, 29, 12, 0, 1, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "layout", "expected"),
    [
        (TRIGGER, "%T|%[1]v|%[1]d", "instance.TemplateTrigger|create|%!d(instance.TemplateTrigger=create)"),
        (SafeString("x"), "%T", "string"),
        (Uint8(5), "%T %#[1]v", "uint8 0x5"),
        (GoMap({"\U0001f600": 1, "\ufffd": 2}, "map[string]int"), "%v", "map[\ufffd:2 \U0001f600:1]"),
        (GoMap({10: "a", 9: "b"}, "map[int]string"), "%v", "map[9:b 10:a]"),
        (GoList([1, None], "[]interface {}"), "%#v", "[]interface {}{1, interface {}(nil)}"),
        (LOOP, "%v", "&{1 <nil>}"),
        (LOOP, "%+v", "&{Counter:1 Parentloop:<nil>}"),
        (LOOP, "%.21T", "*pongo2.tagForLoopInf"),
        (DEVICE, "%v %T", "{eth0 map[name:é type:nic]} %!T(MISSING)"),
        (TIME, "%v", "2024-02-29 12:00:01.5 +0000 UTC"),
        (TIME, "%#v", "time.Date(2024, time.February, 29, 12, 0, 1, 500000000, time.UTC)"),
        (TIME, "%d", "{500000000 63844804801 0}"),
    ],
)
def test_stringformat_knows_the_go_types_of_values(value: Value, layout: str, expected: str) -> None:
    assert apply("stringformat", value, layout) == expected


@pytest.mark.parametrize("value", [Function(lambda _: None, 0, 0), GoList([LOOP]), CycleValue(0, "a")])
def test_stringformat_does_not_print_addresses(value: Any) -> None:
    with pytest.raises(Halt, match="memory address"):
        apply("stringformat", value, "%d")


def test_a_cycle_variable_prints_its_text() -> None:
    assert apply("stringformat", CycleValue(0, "a"), "%v %q") == "a %!q(MISSING)"
