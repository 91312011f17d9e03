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
    assert len(list(pattern.spans("a" * 500, announced.append))) == 500
    assert sum(announced) > 500 * 500 / 2


def test_work_can_be_refused() -> None:
    def refuse(_: int) -> None:
        raise OverflowError

    with pytest.raises(OverflowError):
        list(compile_pattern("a*").spans("a", refuse))
