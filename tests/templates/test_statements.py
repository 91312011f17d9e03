"""Tags that bind, choose, capture and produce text."""

from __future__ import annotations

import time

import pytest

from lxdimage.errors import TemplateRenderError
from lxdimage.limits import Limits
from lxdimage.templates import Dialect
from lxdimage.templates._meter import Meter
from lxdimage.templates._spaceless import spaceless
from templates.rendering import bare, daemon

# -- scopes


def test_set_in_a_choice_is_seen_after_it() -> None:
    for tag in ("if 1", "ifequal 1 1", "ifchanged", "filter", "spaceless", "autoescape on", "block b"):
        end = "end" + tag.split()[0]
        assert bare("{%% %s %%}{%% set x = 1 %%}{%% %s %%}{{ x }}" % (tag, end)) == "1"


def test_with_binds_for_its_body_and_computes_outside() -> None:
    assert (
        bare("{% set a = 1 %}{% with a=2 b=a %}{{ a }}{{ b }}{% set a = 3 %}{% endwith %}{{ a }}{{ b }}")
        == "211"
    )
    assert bare("{% with 1 as a 2 as b %}{{ a }}{{ b }}{% endwith %}") == "12"
    assert bare("{% with a=1 a=2 %}{{ a }}{% endwith %}") == "2"


def test_tags_hide_the_variables_of_the_daemon() -> None:
    assert daemon("{% set config_get = 1 %}{{ config_get }}") == "1"


def test_escaping_is_switched_for_a_body() -> None:
    source = "{{ a }}{% autoescape on %}{{ a }}{% autoescape off %}{{ a }}{% endautoescape %}{{ a }}{% endautoescape %}{{ a }}"
    assert bare(source, a="<") == "<&lt;<&lt;<"


def test_only_strings_without_safe_are_escaped() -> None:
    on = "{%% autoescape on %%}{{ %s }}{%% endautoescape %%}"
    assert bare(on % "'<'|safe|upper") == "<"
    assert bare(on % "'<'|safe + '<'", dialect=Dialect.V6) == "&lt;&lt;"
    assert bare(on % "'<'|safe + '<'|safe", dialect=Dialect.V6) == "<<"
    assert bare(on % "'<a>'|truncatechars_html:9") == "<a></a>"
    assert bare(on % "m") == ""
    assert bare(on % "a", a=["<"]) == "<[]string Value>"


# -- choices


def test_else_may_stand_anywhere() -> None:
    source = "{%% if %d %%}A{%% else %%}B{%% elif %d %%}C{%% endif %%}"
    assert [bare(source % pair) for pair in ((1, 0), (0, 1), (0, 0))] == ["A", "B", "C"]


def test_ifequal_compares_as_the_operator_does() -> None:
    assert (
        bare(
            "{% ifequal 1 1 %}a{% else %}b{% endifequal %}{% ifnotequal 1 1.0 %}a{% else %}b{% endifnotequal %}"
        )
        == "aa"
    )
    with pytest.raises(TemplateRenderError, match="panics"):
        bare("{% ifequal m m %}{% endifequal %}", m={})


def test_ifchanged_watches_its_output() -> None:
    assert bare("{% for c in 'aabba' %}{% ifchanged %}{{ c }}{% endifchanged %}{% endfor %}") == "aba"
    source = "{% for c in 'aab' %}{% ifchanged %}{{ c }}{% else %}-{% endifchanged %}{% endfor %}"
    assert (bare(source), bare(source, dialect=Dialect.V6)) == ("ab", "a-b")


def test_ifchanged_watches_values() -> None:
    source = "{% for c in 'aab' %}{% ifchanged c %}{{ c }}{% else %}-{% endifchanged %}{% endfor %}"
    assert bare(source) == "a-b"
    without = source.replace("{% else %}-", "")
    assert bare(without, dialect=Dialect.V6) == "ab"
    with pytest.raises(TemplateRenderError, match="panics"):
        bare(without)


def test_firstof_evaluates_up_to_the_first_true_value() -> None:
    assert bare("{% firstof 0 '' 'a' 1/0 %}{% firstof %}{% firstof 0 %}") == "a"
    assert bare("{% firstof 0 -1 %}") == "-1"
    assert bare(
        "{% autoescape on %}{% firstof '<' %}{% firstof '<'|safe %}{% firstof m %}{% endautoescape %}",
        m={"a": 1},
    ) == ("&lt;<&lt;map[string]int Value&gt;")


# -- cycle


def test_cycle_takes_its_values_in_turn() -> None:
    assert bare("{% for c in 'abcd' %}{% cycle 1 x 'z' %}{% endfor %}", x="y") == "1yz1"
    assert bare("{% cycle 'a' 'b' %}{% cycle 'a' 'b' %}") == "aa"
    with pytest.raises(TemplateRenderError, match="panics"):
        bare("{% cycle %}")


def test_a_named_cycle_can_be_moved_on() -> None:
    source = (
        "{% cycle 'a' 'b' as c %}{{ c }}{% cycle c %}{{ c }}{{ c.String }}{% if c %}!{% endif %}{{ c|upper }}"
    )
    assert bare(source) == "aabbb!B"
    assert bare("{% cycle 'a' 'b' as c silent %}{{ c }}{% cycle c %}{{ c }}") == "ab"


# -- captured bodies


def test_filter_sends_its_body_through_filters() -> None:
    assert bare("{% filter upper|cut:'B' %}ab{{ x }}{% endfilter %}", x="c") == "AC"
    assert bare("{% filter %}a{% endfilter %}{% filter upper| %}b{% endfilter %}") == "aB"
    assert bare("{% autoescape on %}{% filter upper %}<{% endfilter %}{% endautoescape %}") == "<"
    assert bare("{% filter length %}ab{% endfilter %}") == "2"


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("<a> <b> <c>\n<d>", "<a><b><c><d>"),
        (" <a> x <b> ", " <a> x <b> "),
        ("<a\n> <b>", "<a\n> <b>"),
        ("> <a> <b", "> <a> <b"),
        ("<a> <b\n> <c>", "<a> <b\n> <c>"),
        ("<> <> <>", "<><><>"),
        ("<a> \u00a0 <b>", "<a> \u00a0 <b>"),
        ("<a>\v\f<b>", "<a><b>"),
        ("< x > < > y > <z>", "< x >< > y ><z>"),
    ],
)
def test_spaceless_removes_gaps_between_tags_on_a_line(body: str, output: str) -> None:
    assert output == spaceless(body, Meter(Limits()))


def test_spaceless_takes_linear_time() -> None:
    began = time.process_time()
    for hostile in (
        "<" * 300_000,
        "<a> " * 100_000,
        "> <" * 100_000,
        "> \n<" * 100_000,
        "<\n" * 100_000 + "> <a>",
    ):
        spaceless(hostile, Meter(Limits()))
    assert time.process_time() - began < 10


def test_a_pattern_that_is_not_utf8_panics_in_version_4() -> None:
    """Names of tags are patterns there, and Go compiles none with such bytes."""
    source = "{{ '<b>x'|removetags:p }}"
    assert bare(source, p="b") == "x"
    with pytest.raises(TemplateRenderError, match="invalid UTF-8"):
        bare(source, p=b"\xe9")


# -- text from elsewhere


def test_widthratio_rounds_up_from_a_half_more() -> None:
    assert bare("{% widthratio 175 200 100 %} {% widthratio 1 2 10 %} {% widthratio 0 1 1 %}") == "88 6 1"
    assert bare("{% widthratio 1 2 10 as w %}{{ w + 1 }}") == "7"
    assert bare("{% widthratio 5 0 10 %}") == "-9223372036854775808"
    assert bare("[{% widthratio 5 0 10 %}{% widthratio 5 0 1 as w %}{{ w }}]", dialect=Dialect.V6) == "[]"


def test_now_can_be_fake() -> None:
    assert bare('{% now "Mon Jan _2 15:04:05 MST 2006" fake %}') == "Wed Feb  5 18:31:45 UTC 2014"


def test_lorem_gives_words_and_paragraphs() -> None:
    assert bare("{% lorem 3 w %}|{% lorem 0 w %}|{% lorem w %}") == "Lorem ipsum dolor||Lorem"
    assert bare("{% lorem 2 p %}").count("<p>") == 2


def test_templatetag_writes_what_would_open_a_tag() -> None:
    words = ["openblock", "closeblock", "openvariable", "closevariable", "openbrace", "closebrace"]
    tags = "".join("{%% templatetag %s %%}" % word for word in [*words, "opencomment", "closecomment"])
    assert bare(tags) == "{%%}{{}}{}{##}"


def test_a_block_runs_in_place() -> None:
    assert bare("{% block a %}{{ block }}{{ block.Super }}{% endblock a %}{{ block }}") == (
        "<pongo2.tagBlockInformation Value>" * 2
    )
    with pytest.raises(TemplateRenderError, match="panics"):
        bare("{% block a %}{{ block.ctx }}{% endblock %}")
