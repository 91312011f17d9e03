"""What `sprintf` does beyond what is recorded: growth, addresses, structs, methods."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lxdimage.templates._go import Kind, Operand, UnstableOutputError, sprintf

LOOP = Operand(
    kind=Kind.STRUCT,
    type="pongo2.loop",
    value={
        "Counter": 1,
        "First": True,
        "Parent": Operand(kind=Kind.NIL_POINTER, type="*pongo2.loop"),
    },
    is_pointer=True,
)
STRUCT = Operand(kind=Kind.STRUCT, type="config.Named", value={"Name": "eth0", "Map": {"a": "b"}})


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("%v", "&{1 true <nil>}"),
        ("%+v", "&{Counter:1 First:true Parent:<nil>}"),
        ("%#v", "&pongo2.loop{Counter:1, First:true, Parent:(*pongo2.loop)(nil)}"),
        ("%d", "&{1 %!d(bool=true) 0}"),
        ("%s", "&{%!s(int=1) %!s(bool=true) %!s(*pongo2.loop=<nil>)}"),
        ("%T", "*pongo2.loop"),
    ],
)
def test_a_pointer_to_a_struct_prints_its_fields(layout: str, expected: str) -> None:
    assert sprintf(layout, [LOOP]) == expected


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("%v", "{eth0 map[a:b]}"),
        ("%+v", "{Name:eth0 Map:map[a:b]}"),
        ("%#v", 'config.Named{Name:"eth0", Map:map[string]interface {}{"a":"b"}}'),
        ("%w", "%!w(config.Named={eth0 map[a:b]})"),
    ],
)
def test_a_struct_prints_its_fields(layout: str, expected: str) -> None:
    assert sprintf(layout, [STRUCT]) == expected


@pytest.mark.parametrize("value", [LOOP, {"a": 1}, ["a"], print, [LOOP]])
def test_an_address_is_never_printed(value: object) -> None:
    with pytest.raises(UnstableOutputError):
        sprintf("%p%v", [value, value])


def test_text_and_source_methods_are_used_for_their_verbs_only() -> None:
    value = Operand(kind=Kind.STRUCT, type="T", value={"a": 1}, text="shown", source="made()")
    assert sprintf("%v|%q|%.2s|%#v|%d", [value] * 5) == 'shown|"shown"|sh|made()|{1}'


def test_what_is_left_over_is_named_with_its_type() -> None:
    assert sprintf("x", [5, None, "a"]) == "x%!(EXTRA int=5, <nil>, string=a)"


def test_an_index_in_brackets_silences_what_is_left_over() -> None:
    assert sprintf("%[2]d", [1, 2, 3]) == "2"


@pytest.mark.parametrize("layout", ["%9999999d", "%-9999999d", "%.9999999d", "%9999999s", "%.9999999f"])
def test_growth_is_announced_before_it_happens(layout: str) -> None:
    sizes = []

    def refuse(size: int) -> None:
        sizes.append(size)
        raise OverflowError

    with pytest.raises(OverflowError):
        sprintf(layout, [1.5 if "f" in layout else 5], reserve=refuse)
    assert sizes == [9999999]


def test_many_small_directives_announce_each_doubling() -> None:
    sizes: list[int] = []
    text = sprintf("%100d" * 1000, [5] * 1000, reserve=sizes.append)
    assert len(text) == 100_000
    assert sizes[-1] > len(text) / 2
    assert all(later > 2 * earlier for earlier, later in pairwise(sizes))


def test_a_width_of_eight_digits_is_no_number() -> None:
    assert sprintf("%10000010d", [5]) == "%!(NOVERB)%!(EXTRA int=5)"


def test_brackets_that_never_close_take_linear_time() -> None:
    assert sprintf("%[" * 100_000, [5]) == "%[" * 50_000


@pytest.mark.parametrize(
    ("layout", "value", "expected"),
    [
        ("%p", 5, "%!p(int=5)"),
        ("%#q|%+q|%#q", "a`é", '"a`é"|%!q(MISSING)|%!q(MISSING)'),
        ("%#q", 'a"b', '`a"b`'),
        ("%+q", "é\udcff", '"\\u00e9\\xff"'),
        ("%8.0d|", 0, "        |"),
        ("%#U", 0x263A, "U+263A '☺'"),
        ("%#U", 7, "U+0007"),
        ("%# x", "ab", "0x61 0x62"),
        ("%-6t|", True, "true  |"),
        ("%5.", 1, "%!.(int=    1)"),
        ("%5.|", 0, "%!|(int=     )"),
    ],
)
def test_rare_flags_and_verbs(layout: str, value: object, expected: str) -> None:
    assert sprintf(layout, [value]) == expected
