"""Text to tokens."""

from __future__ import annotations

import pytest

from lxdimage.templates._lexer import Kind, SyntaxFault, tokenize


def shown(text: str, *, brackets: bool = False) -> list[tuple[str, str]]:
    return [(token.kind.name, token.value) for token in tokenize(text, brackets=brackets)]


def test_text_is_one_token_up_to_an_opening() -> None:
    assert shown("a {b} %} #} -}}\n") == [("TEXT", "a {b} %} #} -}}\n")]


def test_names_keywords_numbers_and_symbols_are_told_apart() -> None:
    assert shown("{{a in 12 9lives 1e5 >= <>}}") == [
        ("SYMBOL", "{{"),
        ("IDENTIFIER", "a"),
        ("KEYWORD", "in"),
        ("NUMBER", "12"),
        ("IDENTIFIER", "9lives"),
        ("IDENTIFIER", "1e5"),
        ("SYMBOL", ">="),
        ("SYMBOL", "<>"),
        ("SYMBOL", "}}"),
    ]


def test_keywords_are_written_in_lower_case() -> None:
    assert shown("{{ True NOT }}")[1:3] == [("IDENTIFIER", "True"), ("IDENTIFIER", "NOT")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        ("'a\"b'", 'a"b'),
        (r'"a\"b"', 'a"b'),
        (r"'a\"b'", 'a"b'),
        (r'"a\\b"', r"a\b"),
        (r'"\\\""', r"\""),
        ('"{{ }} %}"', "{{ }} %}"),
        ("'\u00e9\udcff'", "\u00e9\udcff"),
    ],
)
def test_strings_know_two_escapes(text: str, value: str) -> None:
    assert shown("{{" + text + "}}")[1] == ("STRING", value)


def test_any_closing_ends_a_tag() -> None:
    assert shown("{{ a %}b") == [("SYMBOL", "{{"), ("IDENTIFIER", "a"), ("SYMBOL", "%}"), ("TEXT", "b")]


def test_a_strange_character_leads_back_to_text() -> None:
    assert shown("{{ a $b }}c") == [("SYMBOL", "{{"), ("IDENTIFIER", "a"), ("TEXT", "$b }}c")]


def test_brackets_are_symbols_in_version_6_only() -> None:
    assert shown("{{a[0]}}")[2] == ("TEXT", "[0]}}")
    assert ("SYMBOL", "[") in shown("{{a[0]}}", brackets=True)


def test_dashes_mark_the_text_beside_them() -> None:
    tokens = tokenize("{{- -1 -}}{%- -%}")
    assert [(token.value, token.trims) for token in tokens] == [
        ("{{", True),
        ("-", False),
        ("1", False),
        ("}}", True),
        ("{%", True),
        ("%}", True),
    ]


def test_comments_vanish_and_split_text() -> None:
    assert shown("a{# {{ x }} \r #}b{##}c") == [("TEXT", "a"), ("TEXT", "b"), ("TEXT", "c")]


def test_verbatim_is_text_when_spelled_exactly() -> None:
    assert shown("{% verbatim %}{{ x }}{% endverbatim %}y") == [("TEXT", "{{ x }}"), ("TEXT", "y")]
    assert shown("{%verbatim%}")[1] == ("IDENTIFIER", "verbatim")


def test_verbatim_directly_behind_another_is_a_tag() -> None:
    text = "{% verbatim %}a{% endverbatim %}{% verbatim %}"
    assert ("IDENTIFIER", "verbatim") in shown(text)


def test_the_byte_1_ends_the_input() -> None:
    assert shown("a\x01b{{ c }}") == [("TEXT", "a\x01")]


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("a{# b", "the comment is never closed", 1),
        ("a{#}", "the comment is never closed", 1),
        ("{# a\n #}", "a comment must not span lines", 0),
        ("{# a\x01 #}", "the comment is never closed", 0),
        ("{{ a\n}}", "a tag must not span lines", 4),
        ('{{ "a', "the string is never closed", 3),
        ('{{ "a\n" }}', "a string must not span lines", 3),
        (r"{{ '\'' }}", 'unknown escape "\\\\\'" in a string', 4),
        ("{% verbatim %}a", "the verbatim tag is never closed", 0),
        ("{% verbatim %}{% endverbatim %}", "the verbatim tag is never closed", 0),
    ],
)
def test_faults_say_what_and_where(text: str, message: str, offset: int) -> None:
    with pytest.raises(SyntaxFault) as caught:
        tokenize(text)
    assert (caught.value.message, caught.value.offset) == (message, offset)


def test_offsets_and_widths_cover_the_text() -> None:
    text = "a{{ 'x\u00e9' }}"
    string = next(token for token in tokenize(text) if token.kind is Kind.STRING)
    assert text[string.offset : string.offset + string.width] == "'x\u00e9'"
