"""
A template's text with the places in it.

The daemons render a template between two tags of their own.  The engine's error texts count columns in that
wrapped text, findings count them in the file: this module is the only one that knows both.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

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
    def _line_starts(self) -> list[int]:
        starts = [0]
        at = self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

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
        line = bisect_right(self._line_starts, offset)
        start = self._line_starts[line - 1]
        return Place(line, len(raw(self.text[start:offset])) + 1, token, offset, length)

    def span(self, offset: int, length: int = 1) -> Span:
        """Return *length* characters from *offset* of the parsed text as a span of the template."""
        first = min(max(offset - self.start, 0), len(self.inner))
        last = min(max(offset - self.start + length, first), len(self.inner))
        return Span(self._position(first), self._position(last))

    def _position(self, offset: int) -> Position:
        line = self.inner.count("\n", 0, offset) + 1
        start = self.inner.rfind("\n", 0, offset) + 1
        return Position(line, len(raw(self.inner[start:offset])) + 1)

    def line(self, number: int) -> str:
        """Return line *number*, counted from 1, of the template."""
        return self.inner.split("\n")[number - 1].rstrip("\r")


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
