"""A place in a text, with what every scanner function needs to know about it."""

from __future__ import annotations

import re

from lxdimage.metadata._yaml._text import Text, YAMLError

__all__ = ["AT_ONCE", "BLANK_OR_END", "BREAKS", "END", "Cursor"]

END = "\0"
"""What stands behind the last character; no text can contain it."""

BREAKS = frozenset("\r\n\x85\u2028\u2029")
BLANK_OR_END = BREAKS | frozenset(" \t" + END)
_BLANKS = re.compile(r"[ \t]*+")

AT_ONCE = 1000
"""
How often a pattern for `Cursor.take_all` repeats a group: every repetition takes memory until the match ends.

A possessive group would take none, but Python before 3.11.5 loses its place in one.
"""

_TO_LINE_END = re.compile("[^\r\n\x85\u2028\u2029\0]*+")
_MARKERS = frozenset(("---", "..."))


class Cursor:
    """
    A place in a text that moves forward.

    Attributes:
        chars: The characters, followed by `END` often enough to look ahead without a check.
        pos: The index of the next character.
        line_start: The index at which the current line begins.
    """

    def __init__(self, text: Text) -> None:
        self.chars = text.chars[: text.readable] + END * 4
        self.pos = 0
        self.line_start = 0
        self._limit = text.readable
        self._failure = text.failure

    @property
    def column(self) -> int:
        """Characters between the beginning of the line and the cursor."""
        return self.pos - self.line_start

    def need(self, count: int) -> None:
        """Raise what ended the reading of the text, if fewer than *count* characters came before it."""
        if self._failure and self.pos + count > self._limit:
            raise self._failure

    def at_marker(self) -> bool:
        """Whether a line begins here with ``---`` or ``...`` and a blank."""
        pos = self.pos
        return (
            pos == self.line_start
            and self.chars[pos : pos + 3] in _MARKERS
            and self.chars[pos + 3] in BLANK_OR_END
        )

    def skip_blanks(self) -> str:
        """Move behind spaces and tabs and return them."""
        if self.chars[self.pos] not in " \t":
            return ""
        blanks = _BLANKS.match(self.chars, self.pos)
        assert blanks
        self.pos = blanks.end()
        return blanks[0]

    def take_all(self, pattern: re.Pattern[str]) -> str:
        """Move behind all that *pattern* matches, one match after the other, and return it."""
        start = self.pos
        while found := pattern.match(self.chars, self.pos):
            self.pos = found.end()
        return self.chars[start : self.pos]

    def skip_to_line_end(self) -> None:
        """Move to the next line break."""
        rest = _TO_LINE_END.match(self.chars, self.pos)
        assert rest
        self.pos = rest.end()

    def take_break(self) -> str:
        """Move behind the line break that is here and return what it means in a scalar."""
        char = self.chars[self.pos]
        self.pos += 2 if char == "\r" and self.chars[self.pos + 1] == "\n" else 1
        self.line_start = self.pos
        return char if char in "\u2028\u2029" else "\n"

    def error(self, problem: str, *, since: int | None = None) -> YAMLError:
        """Return the error that *problem* is here; the caller raises it."""
        return YAMLError(problem, self.pos, since=since)
