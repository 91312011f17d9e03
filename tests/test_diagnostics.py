"""Findings as text, and the bounds whose excess is one."""

from __future__ import annotations

import pytest

from lxdimage import Diagnostic, Limits, Severity
from lxdimage.diagnostics import escape, render


def test_colour_marks_the_severity_and_nothing_that_looks_like_it() -> None:
    found = Diagnostic(
        code="no-root", message="told error: twice", severity=Severity.ERROR, source="error: a.tar"
    )
    word = "\x1b[1;31merror:\x1b[0m"
    assert render(found, colour=True) == f"error: a.tar: {word} told error: twice [no-root]"
    assert render(found) == str(found) == "error: a.tar: error: told error: twice [no-root]"


def test_limits_are_not_negative() -> None:
    assert Limits(parallel_memory=0).parallel_memory == 0
    with pytest.raises(ValueError, match="size, found -1"):
        Limits(size=-1)


def test_only_characters_that_could_forge_a_line_are_escaped() -> None:
    escaped = [chr(code) for code in range(0x110000) if escape(chr(code)) != chr(code)]
    assert not [text for text in escaped if text.isprintable()]
    assert set("\0\n\x1b\x7f\x9b\u061c\u200b\u2028\u202e\u2066\ufeff\udc80\ud800") <= set(escaped)
    assert escape("a\nb") == "a\\x0ab"
    assert escape("a\u202eb\udcff") == "a\\u202eb\\xff"
