"""Laws of the engine, for any text."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage.diagnostics import render
from lxdimage.errors import LXDImageError
from lxdimage.limits import Limits
from lxdimage.templates import Dialect, Template, check_template

WORDS = [
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{{-",
        "-%}",
        " ",
        "\n",
        "|",
        ":",
        ",",
        ".",
        "(",
        ")",
        "[",
        "]",
        "'",
        '"',
    ),
    *(
        "if",
        "endif",
        "for",
        "in",
        "endfor",
        "set",
        "=",
        "macro",
        "endmacro",
        "with",
        "as",
        "endwith",
        "filter",
    ),
    *(
        "endfilter",
        "else",
        "elif",
        "empty",
        "sorted",
        "reversed",
        "cycle",
        "firstof",
        "ifchanged",
        "endifchanged",
    ),
    *(
        "a",
        "b",
        "m",
        "forloop",
        "upper",
        "default",
        "add",
        "split",
        "join",
        "slice",
        "stringformat",
        "not",
        "and",
    ),
    *(
        "==",
        "<",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "1",
        "0",
        "2.5",
        "true",
        "'x'",
        "'%s'",
        "':2'",
        "\x01",
        "\udcff",
        "\u00e9",
    ),
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60),
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=40).map("".join),
)
VARIABLES: dict[str, Any] = {"a": "text", "b": ["x", 1, None, {"k": 2.5}], "m": {"k": "v", "l": [1]}}
LIMITS = Limits(steps=3000, output=10_000, value=10_000)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(Dialect), st.booleans())
def test_nothing_but_the_packages_errors_comes_out(
    source: str | bytes, dialect: Dialect, wrapped: bool
) -> None:
    try:
        Template.parse(source, dialect=dialect, wrapped=wrapped, limits=LIMITS).render(VARIABLES)
    except LXDImageError as error:
        assert all(render(finding) for finding in error.diagnostics)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(Dialect), st.booleans())
def test_checking_never_raises_and_points_into_the_text(
    source: str | bytes, dialect: Dialect, wrapped: bool
) -> None:
    lines = (source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")).split(b"\n")
    for finding in check_template(source, dialect=dialect, wrapped=wrapped):
        assert render(finding)
        assert finding.span is not None
        assert 1 <= finding.span.start.line <= len(lines)
        assert finding.span.start.column <= len(lines[finding.span.start.line - 1]) + 1


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200).filter(lambda data: b"{" not in data and b"\x01" not in data))
def test_text_without_tags_is_its_own_output(data: bytes) -> None:
    assert Template.parse(data, wrapped=True).render({}) == data
    assert Template.parse(data).render({}) == data


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_pass_through_variables_and_loops(data: bytes) -> None:
    source = "{% for c in a %}{{ c }}{% endfor %}|{% set b = a %}{% filter safe %}{{ b }}{% endfilter %}"
    assert Template.parse(source, autoescape=False).render({"a": data}) == data + b"|" + data
