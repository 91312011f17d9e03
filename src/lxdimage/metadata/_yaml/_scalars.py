"""
Scalars: plain, quoted, literal and folded.

Every function starts with the cursor at the scalar's first character, leaves it where the scanner goes on, and
returns the value and where the scalar ends.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lxdimage.metadata._yaml._cursor import AT_ONCE, BLANK_OR_END, BREAKS, END, Cursor
from lxdimage.metadata._yaml._generation import Generation

__all__ = ["PlainRuns", "Scanned", "scan_block", "scan_plain", "scan_quoted"]


class Scanned(NamedTuple):
    """
    A scalar.

    Attributes:
        value: What it says.
        end: Where it ends, which may be before the cursor.
        broken: Whether a line break follows that the scanner has passed.
    """

    value: str
    end: int
    broken: bool = False


_BLANKZ = r" \t\r\n\x85\u2028\u2029\0"


class PlainRuns:
    """The stretches of plain scalars on one line, in block and in flow style; a long one comes in several matches."""

    def __init__(self, generation: Generation) -> None:
        self.block = _runs(f"[^{_BLANKZ}:]++|:(?![{_BLANKZ}])")
        if generation.loose_indicators:
            flow = rf"[^{_BLANKZ}:,?\[\]{{}}]++|:(?![{_BLANKZ}])"
        else:
            flow = rf"[^{_BLANKZ}:,?\[\]{{}}]++|:(?![{_BLANKZ},\]}}])|\?(?![{_BLANKZ}])"
        self.flow = _runs(flow)


def _runs(run: str) -> re.Pattern[str]:
    """Return the pattern of runs of *run* with blanks, but no comment, between them."""
    return re.compile(rf"(?:(?:[ \t]++(?!\#))?(?:{run})){{1,{AT_ONCE}}}")


def scan_plain(cursor: Cursor, runs: re.Pattern[str], indent: int, *, flow: bool) -> Scanned:
    """Read a plain scalar whose further lines are indented by at least *indent*."""
    start = end = cursor.pos
    parts: list[str] = []
    folded: str | None = None
    while not _ends_plain(cursor) and (run := cursor.take_all(runs)):
        parts += (folded or "", run)
        folded = None
        end = cursor.pos
        cursor.need(2)
        cursor.skip_blanks()
        if cursor.chars[cursor.pos] not in BREAKS:
            break
        folded = _fold_plain(cursor, indent, start)
        if not flow and cursor.column < indent:
            break
    return Scanned("".join(parts), end, broken=folded is not None)


def _ends_plain(cursor: Cursor) -> bool:
    return cursor.chars[cursor.pos] == "#" or cursor.at_marker()


def _fold_plain(cursor: Cursor, indent: int, start: int) -> str:
    """Move over line breaks and the blanks around them and return what they mean."""
    breaks: list[str] = []
    while cursor.chars[cursor.pos] in BREAKS:
        breaks.append(cursor.take_break())
        while cursor.chars[cursor.pos] == " ":
            cursor.pos += 1
        if cursor.chars[cursor.pos] == "\t" and cursor.column < indent:
            raise cursor.error(
                "a tab stands where the indentation of a plain scalar is expected", since=start
            )
        cursor.skip_blanks()
    return _folded(breaks)


def _folded(breaks: list[str]) -> str:
    """Return what line breaks between two words mean: one is a space, each further one a line feed."""
    first, rest = breaks[0], "".join(breaks[1:])
    return (rest or " ") if first == "\n" else first + rest


_SIMPLE = {
    "'": re.compile("'([^'\r\n\x85\u2028\u2029\0]*+)'(?!')"),
    '"': re.compile('"([^"\\\\\r\n\x85\u2028\u2029\0]*+)"'),
}
_WORD = {
    "'": re.compile(f"[^'{_BLANKZ}]++|''"),
    '"': re.compile(rf"[^\"\\{_BLANKZ}]++"),
}


def scan_quoted(cursor: Cursor) -> Scanned:
    """Read a scalar in single or double quotes."""
    quote = cursor.chars[cursor.pos]
    if simple := _SIMPLE[quote].match(cursor.chars, cursor.pos):
        cursor.pos = simple.end()
        return Scanned(simple[1], cursor.pos)
    return _scan_quoted_lines(cursor, quote)


def _scan_quoted_lines(cursor: Cursor, quote: str) -> Scanned:
    """Read a quoted scalar that has escapes or several lines."""
    start = cursor.pos
    parts: list[str] = []
    cursor.pos += 1
    while True:
        if cursor.at_marker():
            raise cursor.error("a document marker stands within a quoted scalar", since=start)
        if cursor.chars[cursor.pos] == END:
            cursor.need(1)
            raise cursor.error("the quote is never closed", since=start)
        joined = _scan_words(cursor, quote, parts, start)
        if cursor.chars[cursor.pos] == quote:
            cursor.pos += 1
            return Scanned("".join(parts), cursor.pos)
        parts.append(_fold_quoted(cursor, joined=joined))


def _scan_words(cursor: Cursor, quote: str, parts: list[str], start: int) -> bool:
    """Read up to a blank, a line break or the closing quote; return whether an escaped line break ends it."""
    word = _WORD[quote]
    while (char := cursor.chars[cursor.pos]) not in BLANK_OR_END:
        if run := word.match(cursor.chars, cursor.pos):
            parts.append(run[0].replace("''", "'") if quote == "'" else run[0])
            cursor.pos = run.end()
        elif char == quote:
            return False
        elif cursor.chars[cursor.pos + 1] in BREAKS:
            cursor.pos += 1
            cursor.take_break()
            return True
        else:
            parts.append(_scan_escape(cursor, start))
    return False


def _fold_quoted(cursor: Cursor, *, joined: bool) -> str:
    """Move over blanks and line breaks and return what they mean; *joined* after an escaped line break."""
    blanks = cursor.skip_blanks()
    breaks: list[str] = []
    while cursor.chars[cursor.pos] in BREAKS:
        breaks.append(cursor.take_break())
        cursor.skip_blanks()
    if joined:
        return "".join(breaks)
    return _folded(breaks) if breaks else blanks


_ESCAPES = {
    **dict(zip("0abtnvfre", "\0\a\b\t\n\v\f\r\x1b", strict=True)),
    **{char: char for char in "\t \"'\\"},
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
_CODE_LENGTHS = {"x": 2, "u": 4, "U": 8}
_HEX = re.compile("[0-9A-Fa-f]+")


def _scan_escape(cursor: Cursor, start: int) -> str:
    cursor.need(2)
    char = cursor.chars[cursor.pos + 1]
    if (plain := _ESCAPES.get(char)) is not None:
        cursor.pos += 2
        return plain
    length = _CODE_LENGTHS.get(char)
    if length is None:
        raise cursor.error(f"the escape \\{char} in a quoted scalar is unknown", since=start)
    digits = cursor.chars[cursor.pos + 2 : cursor.pos + 2 + length]
    if len(digits) < length or not _HEX.fullmatch(digits):
        raise cursor.error(f"the escape \\{char} needs {length} hexadecimal digits", since=start)
    code = int(digits, 16)
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        raise cursor.error(f"the escape \\{char}{digits} is not a Unicode character", since=start)
    cursor.pos += 2 + length
    return chr(code)


_HEADER = re.compile(r"[|>](?:([+-])([0-9])?|([0-9])([+-])?)?")


def scan_block(cursor: Cursor, parent_indent: int) -> Scanned:
    """Read a literal or folded scalar inside a collection that is indented by *parent_indent*."""
    start = cursor.pos
    literal = cursor.chars[start] == "|"
    chomp, increment = _scan_header(cursor, start)
    indent = max(parent_indent, 0) + increment if increment else 0
    lines = _BlockLines(cursor, parent_indent, indent, start)
    lines.skip_empty()
    while cursor.column == lines.indent and cursor.chars[cursor.pos] != END:
        lines.take(literal=literal)
    return Scanned(lines.text(chomp), lines.end)


def _scan_header(cursor: Cursor, start: int) -> tuple[str, int]:
    """Read the first line of a block scalar; return how its end is chomped and how far it is indented."""
    header = _HEADER.match(cursor.chars, start)
    assert header
    chomp = header[1] or header[4] or ""
    digit = header[2] or header[3]
    if digit == "0":
        raise cursor.error("a block scalar cannot be indented by 0", since=start)
    cursor.pos = header.end()
    cursor.skip_blanks()
    if cursor.chars[cursor.pos] == "#":
        cursor.skip_to_line_end()
    if cursor.chars[cursor.pos] in BREAKS:
        cursor.take_break()
    elif cursor.chars[cursor.pos] != END:
        raise cursor.error("text stands behind the indicator of a block scalar", since=start)
    return chomp, int(digit or 0)


class _BlockLines:
    """
    The lines of a block scalar.

    Attributes:
        indent: How far they are indented; 0 until the first line that is not empty tells.
        end: Where the scalar ends.
    """

    def __init__(self, cursor: Cursor, parent_indent: int, indent: int, start: int) -> None:
        self._cursor = cursor
        self._parent_indent = parent_indent
        self._start = start
        self._parts: list[str] = []
        self._break = ""
        self._empty: list[str] = []
        self._blank_before = False
        self.indent = indent
        self.end = cursor.pos

    def skip_empty(self) -> None:
        """Move over the indentation and over empty lines; the first time, find out the indentation."""
        cursor = self._cursor
        self.end = cursor.pos
        widest = 0
        while True:
            self._skip_indent()
            widest = max(widest, cursor.column)
            if cursor.chars[cursor.pos] not in BREAKS:
                break
            self._empty.append(cursor.take_break())
            self.end = cursor.pos
        if not self.indent:
            self.indent = max(widest, self._parent_indent + 1, 1)

    def _skip_indent(self) -> None:
        cursor, indent = self._cursor, self.indent
        while cursor.chars[cursor.pos] == " " and (not indent or cursor.column < indent):
            cursor.pos += 1
        if cursor.chars[cursor.pos] == "\t" and (not indent or cursor.column < indent):
            raise cursor.error(
                "a tab stands where the indentation of a block scalar is expected", since=self._start
            )

    def take(self, *, literal: bool) -> None:
        """Read one line, its break and the empty lines behind it."""
        cursor = self._cursor
        blank = cursor.chars[cursor.pos] in " \t"
        if not literal and self._break == "\n" and not self._blank_before and not blank:
            self._parts.append("" if self._empty else " ")
        else:
            self._parts.append(self._break)
        self._parts += self._empty
        self._empty.clear()
        self._blank_before = blank
        start = cursor.pos
        cursor.skip_to_line_end()
        self._parts.append(cursor.chars[start : cursor.pos])
        self._break = cursor.take_break() if cursor.chars[cursor.pos] in BREAKS else ""
        self.skip_empty()

    def text(self, chomp: str) -> str:
        """Return the value; *chomp* is ``-``, ``+`` or nothing."""
        tail = "" if chomp == "-" else self._break
        return "".join((*self._parts, tail, *(self._empty if chomp == "+" else ())))
