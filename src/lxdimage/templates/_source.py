"""
A template's text with the places in it.

The daemons render a template between two tags of their own.  The engine's error texts count columns in that
wrapped text, findings count them in the file: this module is the only one that knows both.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

import attrs

from lxdimage.diagnostics import Position, Span
from lxdimage.templates._meter import Place
from lxdimage.templates._values import from_raw, raw

__all__ = ["PREFIX", "SUFFIX", "Source", "string"]

PREFIX = "{% autoescape off %}"
SUFFIX = "{% endautoescape %}"


@attrs.frozen(kw_only=True, slots=False)
class Source:
    """
    A template's text.

    Attributes:
        inner: The text as given, bytes that are not UTF-8 escaped.
        wrapped: Whether it is rendered between the tags of the daemons.
    """

    inner: str
    wrapped: bool

    @classmethod
    def of(cls, source: str | bytes, *, wrapped: bool) -> Source:
        """Return *source* as a template's text."""
        return cls(inner=string(source), wrapped=wrapped)

    @cached_property
    def text(self) -> str:
        """The text that is parsed."""
        return PREFIX + self.inner + SUFFIX if self.wrapped else self.inner

    @cached_property
    def _index(self) -> _Index:
        return _Index(self.text)

    @property
    def end(self) -> int:
        """Where the template itself ends in the parsed text."""
        return len(self.text) - (len(SUFFIX) if self.wrapped else 0)

    @property
    def start(self) -> int:
        """Where the template itself starts in the parsed text."""
        return len(PREFIX) if self.wrapped else 0

    def place(self, offset: int, token: str, length: int) -> Place:
        """Return the place of *token* as the engine's error texts count it."""
        at = self._index.position(offset)
        return Place(at.line, at.column, token, offset, length)

    def span(self, offset: int, length: int = 1) -> Span:
        """Return *length* characters from *offset* of the parsed text as a span of the template."""
        first = min(max(offset, self.start), self.end)
        last = min(max(offset + length, first), self.end)
        return Span(self._position(first), self._position(last))

    def _position(self, offset: int) -> Position:
        at = self._index.position(offset)
        before = self.start if at.line == 1 else 0
        return Position(at.line, at.column - before, at.character - before)

    def line(self, number: int) -> str:
        """Return line *number*, counted from 1, of the template."""
        return self._lines[number - 1].rstrip("\r")

    @cached_property
    def _lines(self) -> list[str]:
        # Findings of one line share it: it may be as long as the template.
        return self.inner.split("\n")


_STRETCH = 1024


class _Index:
    """Finds lines and columns of a text, however many are asked for and however long its lines are."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._line_starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
        self._is_ascii = text.isascii()
        stretches = (text[at : at + _STRETCH] for at in range(0, len(text), _STRETCH))
        self._bytes_before = [] if self._is_ascii else [*accumulate(map(_size, stretches), initial=0)]

    def position(self, offset: int) -> Position:
        """Return the place of a character, the column in bytes."""
        line = bisect_right(self._line_starts, offset)
        start = self._line_starts[line - 1]
        return Position(line, self._bytes(offset) - self._bytes(start) + 1, offset - start + 1)

    def _bytes(self, offset: int) -> int:
        """Return how many bytes stand before a character."""
        if self._is_ascii:
            return offset
        stretch = offset // _STRETCH
        return self._bytes_before[stretch] + _size(self._text[stretch * _STRETCH : offset])


def _size(text: str) -> int:
    return len(raw(text))


def string(source: str | bytes) -> str:
    """Return text or bytes from outside as a string of the language."""
    if type(source) is str and source.isascii():
        return source
    if isinstance(source, bytes):
        return from_raw(source)
    try:
        source.encode()
    except UnicodeEncodeError:
        return from_raw(b"".join(map(_encoded, source)))
    return source


def _encoded(character: str) -> bytes:
    """Return the bytes of *character*; a surrogate that stands for no byte is encoded as if it were a character."""
    escaped = "\udc80" <= character <= "\udcff"
    return character.encode("utf-8", "surrogateescape" if escaped else "surrogatepass")
