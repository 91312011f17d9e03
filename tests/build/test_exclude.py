"""Rules of patterns that keep paths out of an image."""

from __future__ import annotations

import pytest

from lxdimage.build._exclude import excluder

CASES = [
    ("proc", ["proc/", "proc/1/", "a/proc", "a/proc/x"], ["proces/", "a/process"]),
    ("/proc", ["proc/", "proc/1/"], ["a/proc", "a/proc/"]),
    ("./proc", ["a/proc", "proc/"], ["process"]),
    ("proc/*", ["proc/1/", "proc/1/x", "proc/.x"], ["proc/", "a/proc/1/"]),
    ("proc/", ["proc/", "a/proc/", "proc/x"], ["proc", "a/proc"]),
    ("*.pyc", ["x.pyc", "a/b/x.pyc", ".pyc", "d.pyc/x"], ["x.pyco", "x.py"]),
    ("var/cache/*.bin", ["var/cache/x.bin"], ["var/cache/d/x.bin", "x.bin", "a/var/cache/x.bin"]),
    ("var/**/x", ["var/x", "var/a/x", "var/a/b/x/", "var/a/b/x/y"], ["var/xx", "x"]),
    ("**/x", ["x", "a/x", "a/b/x"], ["xx"]),
    ("var/**", ["var/x", "var/a/b/", "var/a/b/x"], ["var/", "var"]),
    ("a?c", ["abc", "d/a.c"], ["ac", "a/c", "abbc"]),
    ("[ab]x", ["ax", "bx"], ["cx", "x"]),
    ("[!ab]x", ["cx"], ["ax", "/x"]),
    ("[a-c]x", ["bx"], ["dx", "-x"]),
    ("[c-a-]x", ["cx", "ax", "-x"], ["bx"]),
    ("[]]x", ["]x"], ["x"]),
    ("[", ["["], ["x"]),
    ("a.b+(c)|d", ["a.b+(c)|d"], ["aXb+(c)|d", "d"]),
    ("new\nline", ["new\nline", "new\nline/x"], ["new"]),
    ("\udcff*", ["\udcffx"], ["x"]),
]


@pytest.mark.parametrize(("pattern", "excluded", "kept"), CASES, ids=[ascii(case[0]) for case in CASES])
def test_patterns_match_as_documented(pattern: str, excluded: list[str], kept: list[str]) -> None:
    match = excluder([pattern])
    assert match is not None
    assert excluded == [path for path in (*excluded, *kept) if match(path)]


def test_several_patterns_exclude_what_any_of_them_does() -> None:
    match = excluder(["a", "b"])
    assert match is not None
    assert [match(path) for path in ("a", "b", "c")] == [True, True, False]


@pytest.mark.parametrize("patterns", [[], [""], ["/"], ["//"]])
def test_nothing_is_excluded_without_a_pattern(patterns: list[str]) -> None:
    assert excluder(patterns) is None
