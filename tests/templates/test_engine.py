"""Parsing, rendering, and what both raise."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from lxdimage.diagnostics import render
from lxdimage.errors import LimitExceededError, LXDImageError, TemplateRenderError, TemplateSyntaxError
from lxdimage.limits import Limits
from lxdimage.templates import Chance, Dialect, Template
from templates.rendering import bare, daemon


def raised(source: str, **variables: Any) -> LXDImageError:
    with pytest.raises(LXDImageError) as caught:
        bare(source, **variables)
    return caught.value


# -- the bare language


def test_output_is_escaped_unless_told() -> None:
    template = Template.parse("{{ a }}{{ a|safe }}{% autoescape off %}{{ a }}{% endautoescape %}")
    assert template.render({"a": "<&'\">"}) == b"&lt;&amp;&#39;&quot;&gt;<&'\"><&'\">"
    assert Template.parse("{{ a }}", autoescape=False).render({"a": "<"}) == b"<"


def test_text_and_variables_may_be_bytes() -> None:
    assert (
        Template.parse(b"\xff{{ a }}\xc3", autoescape=False).render({"a": b"\xa9\xff"}) == b"\xff\xa9\xff\xc3"
    )


def test_line_ends_and_the_last_newline_are_kept() -> None:
    assert bare("a\r\n{{ x }}\n\n", x=1) == "a\r\n1\n\n"


def test_the_caller_gives_clock_and_chance() -> None:
    template = Template.parse('{% now "2006-01-02 15:04" %} {{ a|random }}')
    noon = datetime(2021, 2, 3, 12, 0, tzinfo=UTC)
    rendered = template.run({"a": "xyz"}, clock=lambda: noon, random=random.Random(3))
    assert rendered.output == b"2021-02-03 12:00 " + random.Random(3).choice("xyz").encode()
    assert rendered.depends_on == {Chance.CLOCK, Chance.RANDOM}


def test_chance_is_the_same_each_time_unless_given() -> None:
    template = Template.parse("{% for c in '0123456789' %}{{ 'abcdefghijklmn'|random }}{% endfor %}")
    assert template.render({}) == template.render({})


def test_output_that_depends_on_nothing_says_so() -> None:
    source = (
        "{% for k in m sorted %}{{ k }}{% endfor %}{% for k in one %}{{ k }}{% endfor %}{% now '2006' fake %}"
    )
    assert Template.parse(source).run({"m": {"a": 1, "b": 2}, "one": {"a": 1}}).depends_on == frozenset()
    assert Template.parse("{% for k in m %}{% endfor %}").run({"m": {"a": 1, "b": 2}}).depends_on == {
        Chance.MAP_ORDER
    }


@pytest.mark.parametrize("tag", ["include 'x'", "extends 'x'", "import 'x' a", "ssi 'x'"])
def test_tags_that_load_files_are_refused(tag: str) -> None:
    for branch in ("{%% %s %%}", "{%% if false %%}{%% %s %%}{%% endif %%}"):
        with pytest.raises(TemplateSyntaxError) as caught:
            Template.parse(branch % tag)
        assert caught.value.diagnostics[0].code == "banned-tag"
    assert bare("{%% comment %%}{%% %s %%}{%% endcomment %%}{# {%% %s %%} #}" % (tag, tag)) == ""


def test_more_tags_can_be_refused() -> None:
    with pytest.raises(TemplateSyntaxError, match="usage of tag 'for' is not allowed"):
        Template.parse("{% for a in b %}{% endfor %}", banned=["for"])


def test_pongo2_knows_its_version() -> None:
    assert bare("{{ pongo2.version }}") == "4.0.2"
    assert bare("{{ pongo2.version }}", dialect=Dialect.V6) == "6.1.0"
    assert daemon("{{ pongo2.version }}") == "dev"


def test_no_name_reaches_python_or_jinja2() -> None:
    names = [
        "self",
        "context",
        "environment",
        "range",
        "cycler",
        "namespace",
        "caller",
        "loop",
        "super",
        "turn",
        "t_1",
    ]
    names += ["__import__", "__builtins__", "None", "l_0_a", "_", "Undefined", "a", "true_"]
    assert bare("".join("{{ %s }}" % name for name in names)) == ""
    assert bare("{{ m.__class__ }}{{ m.keys }}{{ m.items.x }}", m={}) == ""
    for source in ("{{ a.__class__ }}", "{{ a.upper }}", "{{ l.append }}", "{{ f().__class__ }}"):
        with pytest.raises(LXDImageError):
            bare(source, a="text", l=[], f=lambda: 1)


def test_text_cannot_leave_its_literal() -> None:
    text = "'\"\\\r'''\"\"\"{}%s\u2028\udcff\x00 $ \\N{DASH} #"
    assert bare(text + "\n ") == text + "\n "
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert bare('{{ "' + quoted + '" }}') == text


# -- errors


def test_a_fault_points_into_the_template() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        Template.parse("first\n  {{ path|uper }}\n", name="a.tpl", wrapped=True)
    assert render(caught.value.diagnostics[0]) == (
        "a.tpl:2:11: error: unknown filter 'uper' [unknown-filter]\n"
        "   2 |   {{ path|uper }}\n"
        "     |           ^^^^\n"
        "     = hint: did you mean 'upper'?"
    )


def test_columns_of_the_first_line_are_those_of_the_file() -> None:
    with pytest.raises(TemplateRenderError) as caught:
        daemon("{{ path.x }}")
    found = caught.value.diagnostics[0]
    assert (found.line, found.column, found.code) == (1, 4, "template-error")
    assert found.message == "can't access a field by name on type string (variable path.x)"


def test_the_marker_is_below_what_it_marks_whatever_comes_before() -> None:
    for before in ("", "\u00e9\u2603", "\t", "\udcff\x07"):
        with pytest.raises(TemplateSyntaxError) as caught:
            Template.parse(before + "{{ path|uper }}", wrapped=True)
        _, line, marker, _ = render(caught.value.diagnostics[0]).split("\n")
        assert [line[at] for at, mark in enumerate(marker) if mark == "^"] == list("uper"), before


def test_columns_count_bytes() -> None:
    found = raised("\u00e9\udcff{{ a.b }}", a="x").diagnostics[0]
    assert found.column == 7


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("{{ 1/0 }}", "template-panic", "the engine panics: runtime error: integer divide by zero"),
        ("{{ 'a'|pluralize }}", "template-error", "filter 'pluralize' does only work on numbers"),
        ("{{ -'a' }}", "template-error", "negative sign on a non-number expression"),
        ("{% filter nosuch %}{% endfilter %}", "template-error", "filter with name 'nosuch' not found"),
        ("{% filter date %}{% endfilter %}", "template-error", None),
        ("{% for c in 'ab' sorted %}{% endfor %}", "template-panic", None),
        ("{{ 'a'|slice:'-1:' }}", "template-panic", None),
    ],
)
def test_failures_have_a_code_and_a_place(source: str, code: str, message: str | None) -> None:
    error = raised(source)
    (found,) = error.diagnostics
    assert isinstance(error, TemplateRenderError)
    assert found.code == code
    assert found.span is not None
    assert message in {None, found.message}


def test_an_exported_macro_must_not_be_named_like_a_variable() -> None:
    source = "{% macro m() export %}{% endmacro %}x"
    assert bare(source) == "x"
    assert raised(source, m=1).diagnostics[0].message == "context key name 'm' clashes with macro 'm'"


def test_variables_must_have_simple_names() -> None:
    for name in ("a-b", "", "\u00e9", "a\nb"):
        assert raised("x", **{name: 1}).diagnostics[0].code == "template-value"
    with pytest.raises(TemplateRenderError):
        Template.parse("x").render({1: 2})  # type: ignore[dict-item]


# -- limits


@pytest.mark.parametrize(
    ("source", "limits"),
    [
        (
            "{% for a in s %}{% for b in s %}{% for c in s %}{% endfor %}{% endfor %}{% endfor %}",
            Limits(steps=500),
        ),
        ("{% for a in s %}{{ s }}{% endfor %}", Limits(output=50)),
        ("{{ s|ljust:100 }}", Limits(value=50)),
        ("{{ s|split:''|length }}", Limits(value=50)),
        ("{% filter upper %}{{ s }}{{ s }}{% endfilter %}", Limits(value=15)),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", Limits()),
        ("{% for i in s %}{% cycle c c as c %}{{ c }}{% endfor %}", Limits()),
        ("{% lorem 99999999999 w %}", Limits(output=10_000)),
        ("{% set a = s %}" + "{% set a = a|add:a %}" * 40, Limits()),
        ("{% macro m() %}{{ s|ljust:1000 }}{% endmacro %}{{ m() }}", Limits(value=500)),
    ],
)
def test_hostile_templates_reach_a_limit(source: str, limits: Limits) -> None:
    with pytest.raises(LimitExceededError) as caught:
        bare(source, limits=limits, s="0123456789")
    assert [found.code for found in caught.value.diagnostics] == ["template-limit"]


def test_joining_strings_in_version_6_is_bounded() -> None:
    with pytest.raises(LimitExceededError):
        bare("{% set a = 'xx' %}" + "{% set a = a + a %}" * 40, dialect=Dialect.V6)


@pytest.mark.parametrize(
    "work",
    [
        "{% if big|upper %}{% endif %}",
        "{% if 1|divisibleby:big %}{% endif %}",
        "{% if big == other %}{% endif %}",
        "{% if 1 == 1 == big %}{% endif %}",
        "{% if big.5 %}{% endif %}",
        "{% ifequal big other %}{% endifequal %}",
        "{% ifchanged big %}{% else %}{% endifchanged %}",
        "{% widthratio big 1 1 as x %}",
        "{% filter cut:big %}{% endfilter %}",
    ],
)
def test_long_work_on_long_strings_costs_steps(work: str) -> None:
    source = "{% for a in s %}{% for b in s %}" + work + "{% endfor %}{% endfor %}"
    assert bare(source, s="0" * 100, big="x", other="y") == ""
    with pytest.raises(LimitExceededError, match="steps"):
        bare(source, s="0" * 100, big="x" * 1_000_000, other="x" * 1_000_000)


def test_a_large_template_is_refused() -> None:
    with pytest.raises(LimitExceededError, match="the template has 101 bytes, more than the limit of 100"):
        Template.parse("x" * 99 + "\u00e9", limits=Limits(template_size=100))


@pytest.mark.parametrize(
    ("source", "limits"),
    [("twelve bytes", Limits(template_size=11)), ("{{ ((1)) }}", Limits(nesting=1))],
)
def test_limits_hold_for_what_was_compiled_within_wider_ones(source: str, limits: Limits) -> None:
    Template.parse(source)
    with pytest.raises(LimitExceededError):
        Template.parse(source, limits=limits)


def test_too_deep_nesting_is_refused() -> None:
    with pytest.raises(LimitExceededError, match="nested more than 50 levels deep"):
        Template.parse("{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}")


def test_limits_that_are_raised_never_show_pythons_own() -> None:
    limits = Limits(nesting=100_000)
    deep = "{% if a %}" * 3000 + "{% endif %}" * 3000
    with pytest.raises(LimitExceededError, match="nested too deep"):
        Template.parse(deep, limits=limits)
    with pytest.raises(LimitExceededError, match="nested too deep"):
        bare("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", limits=limits)


# -- the cache, threads and imports


def test_a_template_is_compiled_once() -> None:
    first, second = (
        Template.parse("{{ cached }}"),
        Template.parse("{{ cached }}", name="other", autoescape=False),
    )
    assert first._program is second._program
    assert Template.parse("{{ cached }}", wrapped=True)._program is not first._program
    assert Template.parse("{{ cached }}", dialect=Dialect.V6)._program is not first._program


def test_threads_may_share_a_template() -> None:
    source = "{% for c in s %}{% cycle 'a' 'b' %}{% set n = n + 1 %}{% ifchanged %}{{ c }}{% endifchanged %}{% endfor %}"
    template = Template.parse(source)
    expected = [template.render({"s": str(number) * 50}) for number in range(8)]
    results: list[list[bytes]] = [[] for _ in range(8)]

    def work(number: int) -> None:
        results[number] = [template.render({"s": str(number) * 50}) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[output] * 20 for output in expected]


def test_importing_the_package_does_not_import_jinja2() -> None:
    code = (
        "import sys, lxdimage.templates as t; assert 'jinja2' not in sys.modules;"
        "t.check_template('{{ a }}'); assert 'jinja2' not in sys.modules;"
        "t.Template.parse('{{ a }}'); assert 'jinja2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
