"""Loops."""

from __future__ import annotations

import pytest

from lxdimage.errors import TemplateRenderError
from lxdimage.templates._values import GoList
from templates.rendering import bare, daemon

COUNTERS = "{{ forloop.Counter }}{{ forloop.Counter0 }}{{ forloop.Revcounter }}{{ forloop.Revcounter0 }}"
ENDS = "{{ forloop.First }}{{ forloop.Last }} "


def test_counters_start_at_one_and_run_backwards_to_one() -> None:
    assert bare("{% for x in 'ab' %}" + COUNTERS + " {% endfor %}") == "1021 2110 "
    assert bare("{% for x in 'abc' %}" + ENDS + "{% endfor %}") == "TrueFalse FalseFalse FalseTrue "


def test_a_string_backwards_has_its_counters_backwards() -> None:
    source = "{% for x in 'abc' reversed %}{{ x }}{{ forloop.Counter }}" + ENDS + "{% endfor %}"
    assert bare(source) == "c3TrueTrue b2FalseTrue a1FalseTrue "


def test_strings_go_byte_by_byte_and_join_again() -> None:
    assert bare("{% for c in '\u00e9' %}{{ c|length }}{{ c }}{% endfor %}") == "1\udcc31\udca9"
    assert bare("{% for c in '\u00e9x' %}{{ c }}{% endfor %}") == "\u00e9x"
    assert daemon("{% for c in trigger %}{{ c == 'c' }}{% endfor %}") == "False" * 6


def test_maps_give_keys_and_values_in_order_of_keys() -> None:
    values = {"b": "2", "\u00e9": "4", "a": "1", "B": "0"}
    assert bare("{% for k, v in m sorted %}{{ k }}{{ v }}{% endfor %}", m=values) == "B0a1b2\u00e94"
    assert bare("{% for k in m %}{{ k }}{% endfor %}", m=values) == "Bab\u00e9"
    assert bare("{% for k in m reversed sorted %}{{ k }}{% endfor %}", m=values) == "\u00e9baB"
    assert bare("{% for k in m reversed %}{{ k }}{% endfor %}", m=values) == "Bab\u00e9"


def test_lists_are_sorted_when_go_knows_their_type() -> None:
    loop = "{%% for x in items%s %%}{{ x }} {%% endfor %%}"
    numbers = GoList([10, 9, 1], "[]int")
    assert bare(loop % " sorted", items=numbers) == "1 9 10 "
    assert bare(loop % " reversed sorted", items=numbers) == "10 9 1 "
    assert bare(loop % " sorted", items=GoList(["b", "\udcff", "a", "\u00e9"])) == "a b \u00e9 \udcff "
    assert bare(loop % " sorted", items=["b", "a"]) == "a b "
    assert bare(loop % " sorted", items=[3, None, 1]) == "3  1 "
    assert bare(loop % " reversed", items=[3, 1, 2]) == "2 1 3 "


def test_a_second_variable_is_left_alone_without_a_map() -> None:
    assert bare("{% set b = 7 %}{% for a, b in 'xy' %}{{ a }}{{ b }}{% endfor %}") == "x7y7"


@pytest.mark.parametrize("source", ["''", "missing", "5", "1.5", "true", "empty"])
def test_nothing_to_iterate_takes_the_empty_part(source: str) -> None:
    loop = "{%% for x in %s %%}{{ x }}{%% empty %%}{{ forloop.Counter }}{{ forloop.First }}{%% endfor %%}"
    assert bare(loop % source, empty=[]) == "0True"


def test_sorting_a_string_panics_an_empty_one_too() -> None:
    for text in ("'ab'", "''"):
        with pytest.raises(TemplateRenderError, match="panics"):
            bare("{%% for c in %s sorted %%}{%% endfor %%}" % text)


def test_what_is_set_in_a_round_is_seen_in_the_next_and_gone_after_the_loop() -> None:
    assert bare("{% for c in 'ab' %}{{ x }}{% set x = c %}{% endfor %}{{ x }}") == "a"


def test_the_iterated_expression_sees_the_new_loop() -> None:
    assert bare("{% for x in forloop.First|make_list %}{{ x }}{% endfor %}") == "True"
    assert bare("{% for x in forloop.Counter|make_list %}{{ x }}{% endfor %}") == "0"


@pytest.mark.parametrize(
    "clobber",
    [
        "{% set forloop = 1 %}",
        "{% cycle 1 as forloop silent %}",
        "{% widthratio 1 1 1 as forloop %}",
        "{% macro forloop() %}{% endmacro %}",
        "{% for forloop in 'a' %}",
    ],
)
def test_a_loop_under_another_forloop_panics(clobber: str) -> None:
    closing = "{% endfor %}" if "{% for" in clobber else ""
    with pytest.raises(TemplateRenderError, match="panics"):
        bare(clobber + "{% for x in 'a' %}{% endfor %}" + closing)


def test_the_outer_loop_is_reached_by_parentloop() -> None:
    source = "{% for a in 'xy' %}{% for b in 'z' %}{{ forloop.Parentloop.Counter }}{% endfor %}{% endfor %}"
    assert bare(source) == "12"
    assert (
        bare("{% for a in 'x' %}[{{ forloop.Parentloop }}{{ forloop.Parentloop.Counter }}]{% endfor %}")
        == "[]"
    )
    assert bare("{% for a in 'x' %}{{ forloop.Parentloop == nil }}{% endfor %}") == "False"


def test_a_stored_counter_stays_tied_to_its_loop() -> None:
    loop = "{%% for c in 'abc' %%}%s{%% endfor %%}"
    once = "{% if forloop.First %}{% set n = forloop.Counter{} %}{% endif %}{{ n }}"
    assert bare(loop % once.replace("{}", "")) == "123"
    assert bare(loop % once.replace("{}", "|default:9|safe")) == "123"
    assert bare(loop % once.replace("{}", "|center:0")) == "123"
    assert bare(loop % once.replace("{}", " + 0")) == "111"
    assert bare(loop % once.replace("{}", "|add:0")) == "111"
    assert bare(loop % "{% ifchanged forloop.Counter %}x{% else %}-{% endifchanged %}") == "x--"
    assert bare("{% macro m(n) %}{{ n }}{% endmacro %}" + loop % "{{ m(forloop.Counter) }}") == "123"


def test_a_default_instead_of_a_counter_is_not_tied() -> None:
    once = "{% if forloop.First %}{% set n = forloop.Counter0|default:0 %}{% endif %}{{ n }}"
    assert bare("{% for c in 'abc' %}" + once + "{% endfor %}") == "000"


def test_a_key_that_is_taken_away_while_the_loop_runs_is_nil() -> None:
    device = {"type": "disk", "initial.a": "1", "initial.b": "2"}
    source = "{% for k, v in devices.d sorted %}{{ v }},{% set x = devices.CutInitialConfig %}{% endfor %}"
    assert daemon(source, devices={"d": device}) == "1,,disk,"
