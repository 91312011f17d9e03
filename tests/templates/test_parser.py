"""Tokens to the syntax tree."""

from __future__ import annotations

import pytest

from lxdimage.templates import _syntax as syntax
from lxdimage.templates._filters import filters_of
from lxdimage.templates._lexer import SyntaxFault
from lxdimage.templates._meter import Dialect
from lxdimage.templates._parser import Language, parse
from lxdimage.templates._source import Source


def tree(
    text: str, dialect: Dialect = Dialect.V4, *, wrapped: bool = False, nesting: int = 50
) -> syntax.Document:
    language = Language(dialect=dialect, filters=filters_of(dialect), banned=frozenset(), nesting=nesting)
    return parse(Source.of(text, wrapped=wrapped), language)


def shape(expression: syntax.Expression) -> str:
    """Return an expression with every group in brackets."""
    match expression:
        case syntax.Literal(value=value):
            return repr(value)
        case syntax.Lookup(parts=parts, subscript=subscript):
            text = ".".join(
                str(part.name)
                + ("" if part.arguments is None else f"({', '.join(map(shape, part.arguments))})")
                for part in parts
            )
            return text if subscript is None else f"{text}[{shape(subscript)}]"
        case syntax.Filtered(operand=operand, filters=filters):
            uses = [use.name + (f":{shape(use.argument)}" if use.argument else "") for use in filters]
            return "|".join([shape(operand), *uses])
        case syntax.Signed(minus=minus, negated=negated, operand=operand):
            return f"({'-' if minus else ''}{'not ' if negated else ''}{shape(operand)})"
        case syntax.Terms(operands=operands, operators=operators):
            text = shape(operands[0])
            for operator, operand in zip(operators, operands[1:], strict=True):
                text = f"({text} {operator.value} {shape(operand)})"
            return text
        case _:
            text = shape(expression.operands[-1])
            pairs = zip(expression.operands[-2::-1], expression.operators[::-1], strict=True)
            for operand, operator in pairs:
                text = f"({shape(operand)} {operator.value} {text})"
            return text


def parsed(expression: str, dialect: Dialect = Dialect.V4) -> str:
    statement = tree("{{ " + expression + " }}", dialect).body[0]
    assert isinstance(statement, syntax.Show)
    return shape(statement.expression)


@pytest.mark.parametrize(
    ("text", "grouped"),
    [
        ("a and b or c", "(a and (b or c))"),
        ("a or b && c", "(a or (b && c))"),
        ("not a == b", "((not a) == b)"),
        ("not 'x' in m", "((not 'x') in m)"),
        ("1 < 2 < 3", "(1 < (2 < 3))"),
        ("1 == 2 in x", "(1 == (2 in x))"),
        ("-2 ^ 2", "(-(2 ^ 2))"),
        ("-7 % 3", "(-(7 % 3))"),
        ("-!a + b", "((-not a) + b)"),
        ("+a", "a"),
        ("2 ^ 3 ^ 2", "(2 ^ (3 ^ 2))"),
        ("1 - 2 - 3", "((1 - 2) - 3)"),
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("1 + 2|add:3", "(1 + 2|add:3)"),
        ("(1 + 2) * 3", "((1 + 2) * 3)"),
        ("a | default : b . c", "a|default:b.c"),
        ("a|cut:'x'|add:f(1)", "a|cut:'x'|add:f(1)"),
        ("f('a')('b')", "f('a', 'b')"),
        ("f(a,).b.0()", "f(a).b.0()"),
        ("1 . 5", "1.5"),
        ("true", "True"),
        ("9223372036854775807", "9223372036854775807"),
        ("007", "7"),
    ],
)
def test_expressions_group_as_in_the_engine(text: str, grouped: str) -> None:
    assert grouped == parsed(text)


def test_a_subscript_ends_a_variable_in_version_6() -> None:
    assert parsed("a.b['c']|upper", Dialect.V6) == "a.b['c']|upper"
    for text in ("a['b']['c']", "a['b'].c"):
        with pytest.raises(SyntaxFault):
            parsed(text, Dialect.V6)


@pytest.mark.parametrize(
    "text",
    [
        "not not a",
        "1 + not a",
        "a not in b",
        "2 * -3",
        "2 ^ -1",
        "x|add:-1",
        "--1",
        "(a)|upper",
        "1.",
        ".5",
        "1.5.2",
        "'a'.b",
        "config.in",
        "a in b == c",
        "9223372036854775808",
        "a|f",
        "a|default:",
        "a b",
        "[1]",
        "a[0]",
        "f(a b)",
        "",
    ],
)
def test_what_the_engine_does_not_parse_is_a_fault(text: str) -> None:
    with pytest.raises(SyntaxFault):
        parsed(text)


def test_a_number_out_of_range_is_a_fault_however_long() -> None:
    for digits in ("9" * 1_000_000, "0" * 100 + "9" * 20):
        with pytest.raises(SyntaxFault, match="greater than"):
            parsed(digits)
    with pytest.raises(SyntaxFault, match="out of range"):
        parsed("9" * 400 + ".0")


# -- text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a \n{{- x -}}\r\t b", ["a", "b"]),
        ("a {#c#} {{- x }}", ["a ", ""]),
        ("\u00a0{{- x -}}\v", ["\u00a0", "\v"]),
        ("a {{ x }} b", ["a ", " b"]),
        ("{% verbatim %} v {% endverbatim %}{{- x }}", [" v"]),
    ],
)
def test_dashes_trim_the_one_text_beside_them(text: str, kept: list[str]) -> None:
    statements = tree(text).body
    assert kept == [statement.value for statement in statements if isinstance(statement, syntax.Text)]


# -- tags


def test_the_nth_condition_belongs_to_the_nth_body() -> None:
    (statement,) = tree("{% if a %}A{% else %}B{% elif c %}C{% endif %}").body
    assert isinstance(statement, syntax.If)
    assert [shape(condition) for condition in statement.conditions] == ["a", "c"]
    assert [body[0].value for body in statement.bodies if isinstance(body[0], syntax.Text)] == ["A", "B", "C"]


def test_with_takes_two_forms() -> None:
    for text in ("{% with a=1 b=x|upper %}{% endwith %}", "{% with 1 as a x|upper as b %}{% endwith %}"):
        (statement,) = tree(text).body
        assert isinstance(statement, syntax.With)
        assert [(name, shape(value)) for name, value in statement.bindings] == [("a", "1"), ("b", "x|upper")]


def test_end_tags_that_take_arguments_ignore_them() -> None:
    text = "{% autoescape on %}{% endautoescape x 1 %}{% filter %}{% endfilter y %}{% spaceless %}{% endspaceless z %}"
    assert len(tree(text).body) == 3


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("{% nosuch %}", "unknown-tag", "unknown tag 'nosuch'"),
        ("{% endif %}", "unknown-tag", "tag 'endif' belongs to 'if', but no tag is open here"),
        ("{% for a in b %}{% else %}", "unknown-tag", "tag 'else' belongs to 'if', but 'for' is open here"),
        ("{% if a %}b", "template-syntax", "tag 'if' is never closed, expected 'elif' or 'else' or 'endif'"),
        ("{% if a", "template-syntax", "tag 'if' does not end"),
        (
            "{% if a %}{% endif x %}",
            "template-syntax",
            "unexpected identifier 'x', expected the end of tag 'endif'",
        ),
        (
            "{% include 'x' %}",
            "banned-tag",
            "usage of tag 'include' is not allowed (sandbox restriction active)",
        ),
        ("{{ a|nosuch }}", "unknown-filter", "unknown filter 'nosuch'"),
        ("{% block a %}{% endblock b %}", "template-syntax", None),
        (
            "{% block a %}{% endblock %}{% block a %}{% endblock %}",
            "template-syntax",
            "block 'a' is there twice",
        ),
        ("{% macro a() export %}{% endmacro %}" * 2, "template-syntax", "macro 'a' is exported twice"),
        ("{% with a %}{% endwith %}", "template-syntax", None),
        ("{% with %}{% endwith %}", "template-syntax", None),
        (
            "{% autoescape yes %}{% endautoescape %}",
            "template-syntax",
            "unexpected mode 'yes', expected 'on' or 'off'",
        ),
        ("{% comment x %}{% endcomment %}", "template-syntax", None),
        ("{% comment %}{% endcomment x %}", "template-syntax", None),
        ("{% comment %}{% endcomment", "template-syntax", None),
        ("{% comment %}", "template-syntax", "tag 'comment' is never closed, expected 'endcomment'"),
        ("{% lorem 1 x %}", "template-syntax", "unexpected method 'x', expected 'w', 'p' or 'b'"),
        ("{% set a b %}", "template-syntax", "unexpected identifier 'b', expected '='"),
        ("{{ a }} {{ b", "template-syntax", None),
        ("{%", "template-syntax", None),
        ("{{ a $ }}", "template-syntax", None),
    ],
)
def test_faults_of_tags_say_what_is_wrong(text: str, code: str, message: str | None) -> None:
    with pytest.raises(SyntaxFault) as caught:
        tree(text)
    assert caught.value.code == code
    assert message in {None, caught.value.message}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("{% fro a in b %}", "did you mean 'for'?"),
        ("{{ a|uper }}", "did you mean 'upper'?"),
        ("{% raw %}", "the tag is called 'verbatim'"),
        ("{% elseif %}", "it is written 'elif'"),
        ("{{ a|default(1) }}", "a filter's argument follows a colon: |default:5"),
        ("{{ a not in b }}", "write not (a in b)"),
        ("{{ a = b }}", "equality is written '=='"),
        ("{{ 2 * -1 }}", "a sign may stand only at the start of an expression or bracket: write (-1)"),
    ],
)
def test_faults_come_with_hints(text: str, hint: str) -> None:
    with pytest.raises(SyntaxFault) as caught:
        tree(text)
    assert hint == caught.value.hint


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("{% if x %}\n", "tag 'if' is never closed, expected 'endif'", 3),
        ("{% if x", "the template ends inside a tag", 6),
        ("{{ x", "the template ends inside a tag", 3),
        ("x{", "the template ends in '{', which joins the tag that the daemons put behind it", 1),
        ("{% endfor %}", "tag 'endfor' belongs to 'for', but no tag is open here", 3),
    ],
)
def test_faults_never_speak_of_the_tags_that_the_daemons_add(text: str, message: str, offset: int) -> None:
    with pytest.raises(SyntaxFault) as caught:
        tree(text, wrapped=True)
    start = Source.of("", wrapped=True).start
    assert (caught.value.message, caught.value.offset - start) == (message, offset)


def test_a_template_may_close_the_daemons_tag_and_open_another() -> None:
    assert len(tree("a{% endautoescape %}{% autoescape on %}b", wrapped=True).body) == 2


# -- nesting


def test_tags_brackets_and_arguments_nest_to_the_limit() -> None:
    tree("{% if a %}" * 3 + "{{ ((1)) }}" + "{% endif %}" * 3, nesting=5)
    for text in (
        "{% if a %}" * 4 + "{{ ((1)) }}" + "{% endif %}" * 4,
        "{{ f(f(f(f(f(f(1)))))) }}",
        "{{ ((((((1)))))) }}",
    ):
        with pytest.raises(SyntaxFault) as caught:
            tree(text, nesting=5)
        assert caught.value.code == "template-limit"


def test_nesting_is_counted_per_branch() -> None:
    tree("{{ (1) }}" * 100 + "{% if a %}{% endif %}" * 100, nesting=3)
