"""Tags and directives: ``!!int``, ``%TAG !e! tag:example.com,2000:``, ``%YAML 1.1``."""

from __future__ import annotations

import re

from lxdimage.metadata._yaml._cursor import AT_ONCE, BLANK_OR_END, BREAKS, END, Cursor
from lxdimage.metadata._yaml._generation import Generation
from lxdimage.metadata._yaml._tokens import Kind

__all__ = ["TagScanner"]

_NAME = re.compile("[0-9A-Za-z_-]*+")
_HANDLE = re.compile("![0-9A-Za-z_-]*+!?")
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")
_ESCAPES = re.compile("(?:%[0-9A-Fa-f]{2})+")
_URI = r"0-9A-Za-z_;/?:@&=+$.!~*'()\-"
_FLOW = r",\[\]"


class TagScanner:
    """Reads tags and directives at a cursor."""

    def __init__(self, cursor: Cursor, generation: Generation) -> None:
        self._cursor = cursor
        braces = "" if generation.flow_tags else "{}"
        self._verbatim = _uri(_URI + _FLOW + braces)
        self._shorthand = _uri(_URI + _FLOW) if generation.flow_tags else _uri(_URI)

    def scan_tag(self) -> tuple[str, str]:
        """Read a tag; return its handle and its suffix, the first empty for a tag given in full."""
        cursor = self._cursor
        start = cursor.pos
        verbatim = cursor.chars[start + 1] == "<"
        tag = self._scan_verbatim(start) if verbatim else self._scan_shorthand(start)
        if cursor.chars[cursor.pos] not in BLANK_OR_END:
            raise cursor.error("a tag must be followed by a blank", since=start)
        return tag

    def _scan_verbatim(self, start: int) -> tuple[str, str]:
        cursor = self._cursor
        cursor.pos += 2
        uri = self._scan_uri(self._verbatim, start)
        if not uri or cursor.chars[cursor.pos] != ">":
            raise cursor.error("a tag that begins with '!<' must end with '>'", since=start)
        cursor.pos += 1
        return "", uri

    def _scan_shorthand(self, start: int) -> tuple[str, str]:
        cursor = self._cursor
        handle = self._scan_handle()
        suffix = self._scan_uri(self._shorthand, start)
        if len(handle) > 1 and handle.endswith("!"):
            if not suffix:
                raise cursor.error(f"the tag {handle!r} has no name", since=start)
            return handle, suffix
        suffix = handle[1:] + suffix
        return ("!", suffix) if suffix else ("", "!")

    def _scan_handle(self) -> str:
        cursor = self._cursor
        handle = _HANDLE.match(cursor.chars, cursor.pos)
        if not handle:
            raise cursor.error("a tag handle must begin with '!'")
        cursor.pos = handle.end()
        return handle[0]

    def _scan_uri(self, pattern: re.Pattern[str], start: int) -> str:
        cursor = self._cursor
        uri = cursor.take_all(pattern)
        if cursor.chars[cursor.pos] == "%":
            raise cursor.error("'%' in a tag must be followed by two hexadecimal digits", since=start)
        try:
            return _ESCAPES.sub(_unescape, uri)
        except UnicodeDecodeError:
            raise cursor.error("the escapes in a tag are not UTF-8", since=start) from None

    def scan_directive(self) -> tuple[Kind, str, str]:
        """Read a directive line with its break; return its kind, its handle or version, and its prefix."""
        cursor = self._cursor
        start = cursor.pos
        cursor.pos += 1
        name = _NAME.match(cursor.chars, cursor.pos)
        assert name
        cursor.pos = name.end()
        if not name[0] or cursor.chars[cursor.pos] not in BLANK_OR_END:
            raise cursor.error("'%' is not followed by the name of a directive", since=start)
        cursor.skip_blanks()
        if name[0] == "YAML":
            directive = Kind.VERSION_DIRECTIVE, self._scan_version(start), ""
        elif name[0] == "TAG":
            directive = Kind.TAG_DIRECTIVE, *self._scan_tag_directive(start)
        else:
            raise cursor.error(f"unknown directive {name[0]!r}", since=start)
        self._end_line(start)
        return directive

    def _scan_version(self, start: int) -> str:
        cursor = self._cursor
        version = _VERSION.match(cursor.chars, cursor.pos)
        if not version or max(len(version[1]), len(version[2])) > 2:
            raise cursor.error("'%YAML' is not followed by a version number", since=start)
        cursor.pos = version.end()
        return f"{int(version[1])}.{int(version[2])}"

    def _scan_tag_directive(self, start: int) -> tuple[str, str]:
        cursor = self._cursor
        handle = self._scan_handle()
        if handle != "!" and not handle.endswith("!"):
            raise cursor.error(f"the handle {handle!r} must end with '!'", since=start)
        if not cursor.skip_blanks():
            raise cursor.error(f"the handle {handle!r} must be followed by a blank", since=start)
        prefix = self._scan_uri(self._verbatim, start)
        if not prefix or cursor.chars[cursor.pos] not in BLANK_OR_END:
            raise cursor.error(f"the handle {handle!r} must be followed by a prefix", since=start)
        return handle, prefix

    def _end_line(self, start: int) -> None:
        cursor = self._cursor
        cursor.skip_blanks()
        if cursor.chars[cursor.pos] == "#":
            cursor.skip_to_line_end()
        if cursor.chars[cursor.pos] in BREAKS:
            cursor.take_break()
        elif cursor.chars[cursor.pos] != END:
            raise cursor.error("text stands behind a directive", since=start)


def _uri(characters: str) -> re.Pattern[str]:
    return re.compile(f"(?:[{characters}]++|%[0-9A-Fa-f]{{2}}){{1,{AT_ONCE}}}")


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode()
