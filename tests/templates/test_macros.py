"""Macros."""

from __future__ import annotations

import pytest

from lxdimage.errors import LimitExceededError, TemplateRenderError
from lxdimage.limits import Limits
from lxdimage.templates import Dialect
from templates.rendering import bare


def test_arguments_are_bound_by_position_and_missing_ones_are_nil() -> None:
    source = "{% macro m(a, b=2,) %}[{{ a }},{{ b }}]{% endmacro %}{{ m() }}{{ m(1) }}{{ m(1, 3) }}"
    assert bare(source) == "[,2][1,2][1,3]"


def test_a_default_is_evaluated_at_each_call_and_sees_no_parameter() -> None:
    assert (
        bare(
            "{% set x = 1 %}{% macro m(a, b=x, c=a) %}{{ b }}{{ c }}{% endmacro %}{{ m(5) }}{% set x = 2 %}{{ m(5) }}"
        )
        == "12"
    )
    assert "Can't access" in bare("{% macro m(a=p.x) %}{{ a }}{% endmacro %}{{ m(1) }}", p="text")


def test_the_scope_is_that_of_the_tag_as_it_is_at_the_call() -> None:
    assert bare("{% macro m() %}{{ x }}{% endmacro %}{{ m() }}{% set x = 1 %}{{ m() }}") == "1"
    assert bare("{% macro m() %}{{ c }}{% endmacro %}{% for c in 'ab' %}{{ m() }}{% endfor %}") == ""
    assert bare("{% for c in 'ab' %}{% macro m() %}{{ c }}{% endmacro %}{{ m() }}{% endfor %}") == "ab"
    assert bare("{% macro m() %}{% set x = 5 %}{% endmacro %}{{ m() }}{{ x }}") == ""


def test_results_are_safe_and_arguments_are_not() -> None:
    on = "{%% autoescape on %%}%s{%% endautoescape %%}"
    assert bare(on % "{% macro m() %}<{{ '<' }}{% endmacro %}{{ m() }}") == "<&lt;"
    assert (
        bare(on % "{% macro m() %}<{% endmacro %}{% macro n(a) %}{{ a }}{% endmacro %}{{ n(m()) }}") == "&lt;"
    )
    assert bare(on % "{% macro m() %}<{% endmacro %}{% set x = m() %}{{ x }}{{ x|upper }}") == "<&lt;"


def test_macros_call_each_other() -> None:
    source = (
        "{% macro odd(n) %}{% if n == 0 %}odd{% else %}{{ even(n - 1) }}{% endif %}{% endmacro %}"
        "{% macro even(n) %}{% if n == 0 %}even{% else %}{{ odd(n - 1) }}{% endif %}{% endmacro %}"
        "{{ odd(7) }}"
    )
    assert bare(source) == "even"


def test_an_error_becomes_the_result_in_version_4_and_fails_in_version_6() -> None:
    source = "{% macro m() %}before{{ p.x }}{% endmacro %}[{{ m() }}]"
    text = "[Error (where: execution) in <string> | Line 1 Col 25 near 'p'] "
    assert bare(source, p="text") == f"[{text}Can't access a field by name on type string (variable p.x)]"
    with pytest.raises(TemplateRenderError):
        bare(source, dialect=Dialect.V6, p="text")


def test_too_many_arguments_are_such_an_error() -> None:
    source = "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"
    prefix = "[Error (where: execution) in <string> | Line 1 Col 4 near 'macro'] "
    assert bare(source) == f"{prefix}Macro 'm' called with too many arguments (2 instead of 1)."
    with pytest.raises(TemplateRenderError):
        bare(source, dialect=Dialect.V6)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            "{{ 'a'|pluralize }}",
            "[Error (where: filter:pluralize) | Line 1 Col 23 near 'pluralize'] filter 'pluralize' does only work on numbers",
        ),
        (
            "{{ 'a'|time:'x' }}",
            "[Error (where: filter:date) | Line 1 Col 23 near 'time'] filter input argument must be of type 'time.Time'",
        ),
        (
            "{{ -'a' }}",
            "[Error (where: execution) in <string> | Line 1 Col 20 near 'a'] Negative sign on a non-number expression",
        ),
        (
            "{% filter x %}{% endfilter %}",
            "[Error (where: execution) in <string> | Line 1 Col 19 near 'filter'] [Error (where: applyfilter)] Filter with name 'x' not found.",
        ),
        (
            "{% filter date %}{% endfilter %}",
            "[Error (where: execution) in <string> | Line 1 Col 19 near 'filter'] [Error (where: filter:date)] filter input argument must be of type 'time.Time'",
        ),
    ],
)
def test_the_text_of_an_error_is_the_engines(body: str, text: str) -> None:
    assert text == bare("{% macro m() %}" + body + "{% endmacro %}{{ m() }}")


def test_a_panic_is_never_swallowed() -> None:
    for dialect in Dialect:
        with pytest.raises(TemplateRenderError, match="panics"):
            bare("{% macro m() %}{{ 1/0 }}{% endmacro %}{{ m() }}", dialect=dialect)


def test_scopes_begun_before_an_error_are_forgotten() -> None:
    source = (
        "{% macro m() %}{% with a=1 %}{% for c in 'x' %}{% autoescape on %}{{ f(p.x) }}"
        "{% endautoescape %}{% endfor %}{% endwith %}{% endmacro %}"
        "{% set a = 5 %}{% set r = m() %}{{ a }}{{ c }}{{ '<' }}{% with b=6 %}{{ m()|length }}{{ b }}{% endwith %}{{ b }}"
    )
    start, end = "5<", "6"
    output = bare(source, p="t", f=lambda v: v)
    assert output.startswith(start)
    assert output.endswith(end)
    assert output[len(start) : -len(end)].isdecimal()


def test_a_loop_may_be_handed_to_a_macro() -> None:
    source = (
        "{% macro m(forloop) %}{% for c in 'x' %}{{ forloop.Parentloop.Counter }}{% endfor %}{% endmacro %}"
    )
    assert bare(source + "{% for a in 'xy' %}{{ m(forloop) }}{% endfor %}") == "12"
    assert bare(source + "{{ m() }}") == ""
    with pytest.raises(TemplateRenderError, match="panics"):
        bare(source + "{{ m(1) }}")


def test_the_text_of_an_error_is_a_value_with_its_bounds() -> None:
    source = "{%% macro m() %%}{{ p.%s }}{%% endmacro %%}{%% set x = m() %%}" % ("x" * 200)
    assert bare(source, p="text") == ""
    with pytest.raises(LimitExceededError, match="longer than the limit of 200"):
        bare(source, limits=Limits(value=200), p="text")
