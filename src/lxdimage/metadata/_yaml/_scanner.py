"""
Text to tokens: indentation, indicators, anchors, tags and directives.

The scanner is the part of YAML where implementations differ most.  This one follows the Go library's in what it
accepts, in both generations, so that a verdict here is the verdict of the daemons (image format, section 5.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

from lxdimage.metadata._yaml._cursor import BLANK_OR_END, BREAKS, END, Cursor
from lxdimage.metadata._yaml._generation import Generation
from lxdimage.metadata._yaml._keys import ExpiringKeys, Key, LastingKeys, SimpleKeys
from lxdimage.metadata._yaml._scalars import PlainRuns, scan_block, scan_plain, scan_quoted
from lxdimage.metadata._yaml._tags import TagScanner
from lxdimage.metadata._yaml._text import Text, YAMLError
from lxdimage.metadata._yaml._tokens import Kind, Token

__all__ = ["Scanner"]

_MAX_DEPTH = 10_000
_SPACES = re.compile(" *+")
_SKIPPED = BREAKS | frozenset(" \t#")
_BEFORE_FLOW_ITEM = (Kind.FLOW_ENTRY, Kind.FLOW_SEQUENCE_START)


class Scanner:
    """The tokens of a text, one after the other, found only as far as they are asked for."""

    def __init__(self, text: Text, generation: Generation) -> None:
        self._cursor = Cursor(text)
        self._mistaken = text.mistaken
        self._loose = generation.loose_indicators
        self._lookahead = generation.lookahead
        self._keys: SimpleKeys = (ExpiringKeys if generation.keys_expire else LastingKeys)(self._cursor)
        self._key_allowed = True
        self._runs = PlainRuns(generation)
        self._tags = TagScanner(self._cursor, generation)
        self._anchor = re.compile(f"[{generation.anchors}]*+")
        self._flow_level = 0
        self._indent = -1
        self._indents: list[int] = []
        self._queue: list[Token] = []
        self._head = 0
        self._taken = 0
        self._last: Kind | None = None
        self._ready: Token | None = None

    def peek(self) -> Token:
        """Return the next token and leave it there."""
        if self._ready is None:
            while self._wants_more():
                self._fetch()
            self._ready = self._queue[self._head]
        return self._ready

    def take(self) -> Token:
        """Return the next token and move on."""
        token = self.peek()
        self._ready = None
        self._taken += 1
        self._head += 1
        if self._head > 64 and self._head * 2 > len(self._queue):
            del self._queue[: self._head]
            self._head = 0
        return token

    def _wants_more(self) -> bool:
        """Whether the token at the head of the queue cannot be handed out yet."""
        return len(self._queue) - self._head <= self._lookahead or self._keys.awaited(self._taken)

    def _fetch(self) -> None:
        """Find the next token, or the few that begin and end with it."""
        cursor = self._cursor
        self._skip_to_token()
        self._unroll(cursor.column)
        cursor.need(4)
        char = cursor.chars[cursor.pos]
        fetch = self._FETCHERS.get(char)
        if fetch is None:
            self._fetch_plain()
        else:
            fetch(self, char)
        if cursor.chars[cursor.pos] == END:
            cursor.need(1)

    def _skip_to_token(self) -> None:
        cursor = self._cursor
        chars = cursor.chars
        while True:
            if cursor.pos < self._mistaken and not cursor.column:
                cursor.pos += 1
            if chars[cursor.pos] not in _SKIPPED:
                return
            if self._flow_level or not self._key_allowed:
                cursor.skip_blanks()
            else:
                spaces = _SPACES.match(chars, cursor.pos)
                assert spaces
                cursor.pos = spaces.end()
            if chars[cursor.pos] == "#":
                cursor.skip_to_line_end()
            if chars[cursor.pos] not in BREAKS:
                return
            cursor.take_break()
            if not self._flow_level:
                self._key_allowed = True

    # ── the queue and the indentation ────────────────────────────────────────────────────────────────────────────

    def _append(self, kind: Kind, start: int, text: str = "", detail: str = "") -> None:
        self._queue.append(Token(kind, start, self._cursor.pos, text, detail))
        self._last = kind

    def _insert(self, number: int, kind: Kind, pos: int) -> None:
        """Put a token of no length before token *number*, or at the end if that one has been handed out."""
        place = number - self._taken
        token = Token(kind, pos, pos)
        if place < 0:
            self._queue.append(token)
            self._last = kind
        else:
            self._queue.insert(self._head + place, token)

    @property
    def _next_number(self) -> int:
        return self._taken + len(self._queue) - self._head

    def _roll(self, column: int, number: int, kind: Kind, pos: int) -> None:
        """Begin a block collection at *column* unless one is open there."""
        if self._flow_level or self._indent >= column:
            return
        self._indents.append(self._indent)
        self._indent = column
        self._check_depth(len(self._indents))
        self._insert(number, kind, pos)

    def _unroll(self, column: int) -> None:
        """End the block collections that are indented by more than *column*."""
        if self._flow_level:
            return
        while self._indent > column:
            self._append(Kind.BLOCK_END, self._cursor.pos)
            self._indent = self._indents.pop()

    def _check_depth(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            problem = f"collections are nested more than {_MAX_DEPTH} levels deep"
            raise YAMLError(problem, self._cursor.pos, code="yaml-too-deep")

    def _save_key(self) -> None:
        """Remember that the token which begins here may be a key."""
        if self._key_allowed:
            cursor = self._cursor
            required = not self._flow_level and self._indent == cursor.column
            key = Key(self._next_number, cursor.pos, cursor.line_start, required, self._flow_level)
            self._keys.save(key)

    # ── one method for each kind of token ────────────────────────────────────────────────────────────────────────

    def _fetch_end(self, _char: str) -> None:
        cursor = self._cursor
        if cursor.column:
            cursor.line_start = cursor.pos
        self._unroll(-1)
        self._keys.end()
        self._key_allowed = False
        self._append(Kind.STREAM_END, cursor.pos)

    def _fetch_percent(self, char: str) -> None:
        if self._cursor.column:
            self._fetch_nothing(char)
        self._unroll(-1)
        self._keys.remove()
        self._key_allowed = False
        start = self._cursor.pos
        kind, text, detail = self._tags.scan_directive()
        self._append(kind, start, text, detail)

    def _fetch_marker(self, kind: Kind) -> None:
        self._unroll(-1)
        self._keys.remove()
        self._key_allowed = False
        start = self._cursor.pos
        self._cursor.pos += 3
        self._append(kind, start)

    def _fetch_dot(self, _char: str) -> None:
        if self._cursor.at_marker():
            self._fetch_marker(Kind.DOCUMENT_END)
        else:
            self._fetch_plain()

    def _fetch_dash(self, _char: str) -> None:
        cursor = self._cursor
        if cursor.at_marker():
            self._fetch_marker(Kind.DOCUMENT_START)
        elif cursor.chars[cursor.pos + 1] in BLANK_OR_END:
            self._fetch_block_entry()
        else:
            self._fetch_plain()

    def _fetch_block_entry(self) -> None:
        cursor = self._cursor
        if not self._flow_level:
            if not self._key_allowed:
                raise cursor.error("a list entry cannot begin here")
            self._roll(cursor.column, self._next_number, Kind.BLOCK_SEQUENCE_START, cursor.pos)
        self._keys.remove()
        self._key_allowed = True
        self._fetch_indicator(Kind.BLOCK_ENTRY)

    def _fetch_indicator(self, kind: Kind) -> None:
        start = self._cursor.pos
        self._cursor.pos += 1
        self._append(kind, start)

    def _fetch_flow_start(self, char: str) -> None:
        self._save_key()
        self._keys.open(self._next_number)
        self._flow_level += 1
        self._check_depth(self._flow_level)
        self._key_allowed = True
        self._fetch_indicator(Kind.FLOW_SEQUENCE_START if char == "[" else Kind.FLOW_MAPPING_START)

    def _fetch_flow_end(self, char: str) -> None:
        self._keys.remove()
        self._keys.close()
        self._flow_level = max(0, self._flow_level - 1)
        self._key_allowed = False
        self._fetch_indicator(Kind.FLOW_SEQUENCE_END if char == "]" else Kind.FLOW_MAPPING_END)

    def _fetch_comma(self, _char: str) -> None:
        self._keys.remove()
        self._key_allowed = True
        self._fetch_indicator(Kind.FLOW_ENTRY)

    def _fetch_question_mark(self, _char: str) -> None:
        cursor = self._cursor
        blank = cursor.chars[cursor.pos + 1] in BLANK_OR_END
        if not (blank or (self._flow_level and self._loose)):
            self._fetch_plain()
            return
        if not self._flow_level:
            if not self._key_allowed:
                raise cursor.error("a key cannot begin here")
            self._roll(cursor.column, self._next_number, Kind.BLOCK_MAPPING_START, cursor.pos)
        self._keys.remove()
        self._key_allowed = not self._flow_level
        self._fetch_indicator(Kind.KEY)

    def _fetch_colon(self, _char: str) -> None:
        cursor = self._cursor
        in_flow = self._flow_level and (self._loose or self._last not in _BEFORE_FLOW_ITEM)
        if not (in_flow or cursor.chars[cursor.pos + 1] in BLANK_OR_END):
            self._fetch_plain()
            return
        if key := self._keys.take():
            self._insert(key.number, Kind.KEY, key.pos)
            self._roll(key.pos - key.line_start, key.number, Kind.BLOCK_MAPPING_START, key.pos)
            self._key_allowed = False
        else:
            if not self._flow_level:
                if not self._key_allowed:
                    raise cursor.error("a value cannot begin here: this line has no key of its own, or two")
                self._roll(cursor.column, self._next_number, Kind.BLOCK_MAPPING_START, cursor.pos)
            self._key_allowed = not self._flow_level
        self._fetch_indicator(Kind.VALUE)

    def _fetch_anchor(self, char: str) -> None:
        self._save_key()
        self._key_allowed = False
        cursor = self._cursor
        start = cursor.pos
        name = self._anchor.match(cursor.chars, start + 1)
        assert name
        cursor.pos = name.end()
        end = cursor.chars[cursor.pos]
        if not name[0] or not (end in BLANK_OR_END or end in "?:,]}%@`"):
            raise cursor.error(f"{char!r} is not followed by the name of an anchor", since=start)
        self._append(Kind.ALIAS if char == "*" else Kind.ANCHOR, start, name[0])

    def _fetch_tag(self, _char: str) -> None:
        self._save_key()
        self._key_allowed = False
        start = self._cursor.pos
        handle, suffix = self._tags.scan_tag()
        self._append(Kind.TAG, start, handle, suffix)

    def _fetch_block_scalar(self, char: str) -> None:
        if self._flow_level:
            self._fetch_nothing(char)
        self._keys.remove()
        self._key_allowed = True
        start = self._cursor.pos
        scalar = scan_block(self._cursor, self._indent)
        self._queue.append(Token(Kind.SCALAR, start, scalar.end, scalar.value, char))
        self._last = Kind.SCALAR

    def _fetch_quoted(self, char: str) -> None:
        self._save_key()
        self._key_allowed = False
        start = self._cursor.pos
        self._append(Kind.SCALAR, start, scan_quoted(self._cursor).value, char)

    def _fetch_plain(self) -> None:
        self._save_key()
        self._key_allowed = False
        start = self._cursor.pos
        flow = self._flow_level > 0
        runs = self._runs.flow if flow else self._runs.block
        scalar = scan_plain(self._cursor, runs, self._indent + 1, flow=flow)
        if scalar.broken:
            self._key_allowed = True
        self._queue.append(Token(Kind.SCALAR, start, scalar.end, scalar.value))
        self._last = Kind.SCALAR

    def _fetch_nothing(self, char: str) -> None:
        problem = f"{char!r} cannot begin a value"
        if char == "\t":
            problem = "a tab stands where indentation or a value is expected"
        raise self._cursor.error(problem)

    _FETCHERS: ClassVar[Mapping[str, Callable[[Scanner, str], None]]] = {
        END: _fetch_end,
        "%": _fetch_percent,
        "-": _fetch_dash,
        ".": _fetch_dot,
        "[": _fetch_flow_start,
        "{": _fetch_flow_start,
        "]": _fetch_flow_end,
        "}": _fetch_flow_end,
        ",": _fetch_comma,
        "?": _fetch_question_mark,
        ":": _fetch_colon,
        "*": _fetch_anchor,
        "&": _fetch_anchor,
        "!": _fetch_tag,
        "|": _fetch_block_scalar,
        ">": _fetch_block_scalar,
        "'": _fetch_quoted,
        '"': _fetch_quoted,
        "@": _fetch_nothing,
        "`": _fetch_nothing,
        "\t": _fetch_nothing,
    }
