"""The regular expressions of RE2: what is refused, and that no pattern takes more than linear time in one search."""

from __future__ import annotations

import pytest

from lxdimage.templates._go import PatternError, UnsupportedPatternError, compile_pattern


@pytest.mark.parametrize(
    "pattern", [r"\p{Greek}", r"[\p{^Latin}]", "(?<x>a)", "(" * 100, "a" * 3000, "(a{1000}){1}" * 11]
)
def test_what_is_not_implemented_is_refused_by_name(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "[",
        "[a",
        "*",
        "a**",
        "a{2}{3}",
        "(*)",
        "\\",
        r"\y",
        r"\é",
        "[b-a]",
        "a{2,1}",
        "a{1001}",
        "a{99999999999999999999}",
        "((a{100}){100}){100}",
        "(?x)a",
        "(?i",
        "(?P<>a)",
        r"\p{greek}",
        r"\p",
        r"\1",
        r"\x{110000}",
        r"[\b]",
        "[[:alfa:]]",
        "\udcff",
    ],
)
def test_what_go_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_work_is_announced_as_it_is_done() -> None:
    announced: list[int] = []
    pattern = compile_pattern("a.*z|a")
    assert len(list(pattern.spans("a" * 200, announced.append))) == 200
    assert sum(announced) > 200 * 200 / 2


def test_what_is_to_be_looked_through_in_a_set_is_work() -> None:
    """Whether a character is in a set takes longer the more ranges it has."""

    def work(pattern: str) -> int:
        announced: list[int] = []
        list(compile_pattern(pattern).spans("-" * 100, announced.append))
        return sum(announced)

    many = "".join(map(chr, range(0x100, 0x500, 2)))
    assert work(f"[{many}]") > 10 * work("[a-z]")
    assert work(r"[\pL\pN\pS]") > 2 * work("[a-z]")


def test_work_can_be_refused() -> None:
    def refuse(_: int) -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        list(compile_pattern("a*").spans("a", refuse))


def _spans(pattern: str, text: str) -> list[str]:
    return [text[start:end] for start, end in compile_pattern(pattern).spans(text, lambda _: None)]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"\D+", "a1b", ["a", "b"]),
        (r"[^\W]{2,}", "ab c def", ["ab", "def"]),
        (r"[\d-]+", "1-2a", ["1-2"]),
        (r"[]a]+", "]a[", ["]a"]),
        (r"a{,2}", "a{,2}", ["a{,2}"]),
        (r"\t\.", "\t.", ["\t."]),
        (r"\Ab|c\z", "bbcc", ["b", "c"]),
        (r"a??b", "aab", ["ab"]),
        (r"(a|ab)(c|bcd)", "abcd", ["abcd"]),
        (r"x*", "axx", ["", "xx", ""]),
        ("(?i)straße|K", "STRAßE \u212a k", ["STRAßE", "\u212a", "k"]),
        ("a(?i)b|c(?-i:d)", "aB CD Cd", ["aB", "Cd"]),
        ("((?i)a)b", "Ab AB", ["Ab"]),
        ("(?s).+", "a\nb", ["a\nb"]),
        ("(?m)^.$", "a\nb", ["a", "b"]),
        ("(?U)a+b??", "aab", ["a", "ab"]),
        ("(?P<x>a)|(?P<x>b)", "ab", ["a", "b"]),
        (r"\pL+", "aé1Σ", ["aé", "Σ"]),
        (r"\p{^Lu}|[\P{L}]", "aB1", ["a", "1"]),
        (r"(?i)\p{Lu}", "aB1", ["a", "B"]),
        (r"(?i)\W", "\u017f-é", ["-", "é"]),
        (r"\Q.*\E+", ".*** a", [".***"]),
        (r"\x41\x{e9}\101\07", "AéA\a", ["AéA\a"]),
        ("[[:digit:][:^alnum:]x]+", "a1-x_", ["1-x_"]),
    ],
)
def test_the_preferred_match_is_the_one_of_perl(pattern: str, text: str, expected: list[str]) -> None:
    assert _spans(pattern, text) == expected


def test_a_character_class_does_not_end_at_the_pattern() -> None:
    with pytest.raises(PatternError, match="missing closing"):
        compile_pattern("[a-")
