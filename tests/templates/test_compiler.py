"""Large and deep templates: the compiled code has neither Python's limits nor a cost beyond linear."""

from __future__ import annotations

import time

import pytest

from lxdimage.limits import Limits
from lxdimage.templates import Template
from templates.rendering import bare

DEEP = Limits(nesting=60)


@pytest.mark.parametrize(
    ("opening", "closing", "output"),
    [
        ("{% if 1 %}", "{% endif %}", "x"),
        ("{% for a in 'x' %}", "{% endfor %}", "x"),
        ("{% with a=1 %}", "{% endwith %}", "x"),
        ("{% ifequal 1 1 %}", "{% endifequal %}", "x"),
        ("{% ifchanged %}", "{% endifchanged %}", "x"),
        ("{% ifchanged 1 %}", "{% else %}{% endifchanged %}", "x"),
        ("{% filter lower %}", "{% endfilter %}", "x"),
        ("{% spaceless %}", "{% endspaceless %}", "x"),
        ("{% autoescape on %}", "{% endautoescape %}", "x"),
        ("{% for a in '' %}{% empty %}", "{% endfor %}", "x"),
        ("{% if 0 %}{% elif 0 %}{% else %}", "{% endif %}", "x"),
    ],
)
def test_tags_nest_to_the_limit(opening: str, closing: str, output: str) -> None:
    assert output == bare(opening * 60 + "x" + closing * 60, limits=DEEP)


def test_loops_in_loops_count_their_parents() -> None:
    inner = "{{ forloop.Parentloop.Parentloop.Counter }}{{ forloop.Counter }}"
    source = "{% for a in 'xy' %}" * 3 + inner + "{% endfor %}" * 3
    assert bare(source) == "11121112" + "21222122"


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{{ " + "(" * 60 + "1" + ")" * 60 + " }}", "1"),
        ("{{ " + "(1 + " * 60 + "1" + ")" * 60 + " }}", "61"),
        ("{{ " + "f(" * 60 + "1" + ")" * 60 + " }}", "1"),
        ("{{ " + "f(1 + (0 + " * 30 + "1" + "))" * 30 + " }}", "31"),
        ("{{ " + "not (" * 60 + "true" + ")" * 60 + " }}", "True"),
        ("{{ " + "1 and (0 or " * 60 + "1" + ")" * 60 + " }}", "True"),
    ],
)
def test_brackets_and_calls_nest_to_the_limit(source: str, output: str) -> None:
    assert output == bare(source, limits=DEEP, f=lambda value: value)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{{ 1" + " + 1" * 2000 + " }}", "2001"),
        ("{{ 1" + " - 1" * 2000 + " }}", "-1999"),
        ("{{ 3" + " * 1" * 2000 + " }}", "3"),
        ("{{ 1" + " and 1" * 2000 + " }}", "True"),
        ("{{ 0" + " or 0" * 2000 + " }}", "False"),
        ("{{ 1" + " < 2" * 2000 + " }}", "False"),
        ("{{ 2" + " ^ 1" * 2000 + " }}", "2.000000"),
        ("{{ 'a'" + "|upper|lower" * 2000 + " }}", "a"),
        ("{{ f" + "(1)" * 1 + " }}" * 1, "1"),
        ("{{ a" + ".a" * 2000 + " }}", ""),
        ("{% if 0 %}" + "{% elif 0 %}" * 2000 + "{% else %}x{% endif %}", "x"),
        ("{% if 0 %}" + "{% elif 0 %}" * 2000 + "{% elif 1 %}y{% else %}x{% endif %}", "y"),
        ("{% firstof " + "0 " * 2000 + "'x' %}", "x"),
        ("{{ a }}" * 2000 + "x", "x"),
        ("{% if 1 %}" + "{{ a }}" * 2000 + "x{% endif %}", "x"),
        ("{% if 1 %}{{ 'x' }}{% endif %}" * 2000, "x" * 2000),
        ("{{ g(" + "1, " * 300 + ") }}", "300"),
    ],
)
def test_chains_may_be_long(source: str, output: str) -> None:
    assert output == bare(source, f=lambda value: value, g=lambda *values: len(values))


def test_long_chains_evaluate_as_short_ones_do() -> None:
    """Beyond a length a chain is computed from a table: the order of evaluation and of errors stays."""
    for count in (2, 20):
        ones = " + 1" * count
        assert bare("{% macro m() %}{{ path.x" + ones + " }}{% endmacro %}{{ m()|length }}", path="p") > "100"
        assert bare("{{ 0" + " and 1" * count + " and missing() }}") == "False"
        assert bare("{{ 1" + " or 1" * count + " or 1/0 }}") == "True"
        assert bare("{{ 0" + " or 0" * count + " and 1/0 or 1 }}") == "False"
        assert bare("{{ -1" + " * 1" * count + " }}") == "-1"
        assert bare("{{ 'a'" + "|upper" * count + "|add:b|default:'x' }}", b="c") == "Ac"


def _cost(source: str) -> float:
    best = 1e9
    for number in range(3):
        start = time.process_time()
        Template.parse(f"{source}{{# {number} #}}")
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize(
    "piece",
    [
        "some text of a line\n",
        "text {{ a.b }} text {% if a %}b{% endif %}\n",
        "{% for a in b %}{{ a }}{% endfor %}",
        "{% macro m(a) %}{{ a|upper }}{% endmacro %}",
    ],
)
def test_the_cost_of_compiling_is_linear(piece: str) -> None:
    small, large = _cost(piece * 80), _cost(piece * 640)
    assert large < 16 * small + 0.05


def test_a_megabyte_of_text_compiles_at_once() -> None:
    source = ("plain text without any tag\n" * 40 + "{{ instance.name }}\n") * 950
    start = time.process_time()
    template = Template.parse(source, wrapped=True)
    assert time.process_time() - start < 3
    assert len(template.render({"instance": {"name": "c1"}})) > 1_000_000
