"""The regular expressions of RE2: what is refused, and that no pattern takes more than linear time in one search."""

from __future__ import annotations

import pytest

from lxdimage.templates._go import PatternError, UnsupportedPatternError, compile_pattern


@pytest.mark.parametrize(
    "pattern", ["(?i)a", "(?P<x>a)", r"\pL", r"\Qa\E", "[[:alpha:]]", "(" * 100, "a" * 3000]
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
        "\udcff",
    ],
)
def test_what_go_refuses_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        compile_pattern(pattern)


def test_repetitions_of_repetitions_cannot_make_the_program_large() -> None:
    with pytest.raises(UnsupportedPatternError):
        compile_pattern("((a{100}){100}){100}")


def test_work_is_announced_as_it_is_done() -> None:
    announced: list[int] = []
    pattern = compile_pattern("a.*z|a")
    assert len(list(pattern.spans("a" * 200, announced.append))) == 200
    assert sum(announced) > 200 * 200 / 2


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
    ],
)
def test_the_preferred_match_is_the_one_of_perl(pattern: str, text: str, expected: list[str]) -> None:
    assert _spans(pattern, text) == expected


def test_a_character_class_does_not_end_at_the_pattern() -> None:
    with pytest.raises(PatternError, match="missing closing"):
        compile_pattern("[a-")
