"""
The syntax of Go's regular expressions (RE2): a pattern as a tree.

Grammar, with what is not here refused by name (flags, named groups, Unicode classes, quoting, POSIX classes)::

    either     = sequence { "|" sequence }
    sequence   = { atom [ repetition ] }
    repetition = ( "*" | "+" | "?" | "{" N [ "," [ M ] ] "}" ) [ "?" ]
    atom       = "(" [ "?:" ] either ")" | "[" class "]" | "." | "^" | "$" | escape | character
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

__all__ = [
    "Assertion",
    "Either",
    "Node",
    "PatternError",
    "Repeat",
    "Sequence",
    "Set",
    "UnsupportedPatternError",
    "is_nullable",
    "parse_pattern",
]


class PatternError(ValueError):
    """Go does not compile the pattern either."""


class UnsupportedPatternError(ValueError):
    """The pattern uses what is not implemented here; the message names it."""


_MOST_LENGTH = 2000
_MOST_DEPTH = 40
_MOST_REPEATS = 1000  # RE2's own limit


# -- the tree

Ranges: TypeAlias = tuple[tuple[int, int], ...]


@attrs.frozen
class Set:
    """One character out of some ranges."""

    ranges: Ranges
    is_negated: bool = False

    def holds(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges) != self.is_negated


@attrs.frozen
class Assertion:
    """A place between two characters."""

    holds: Callable[[str, int], bool]


@attrs.frozen
class Sequence:
    items: tuple[Node, ...]


@attrs.frozen
class Either:
    items: tuple[Node, ...]


@attrs.frozen
class Repeat:
    item: Node
    least: int
    most: int | None
    is_greedy: bool


Node: TypeAlias = Set | Assertion | Sequence | Either | Repeat


def is_nullable(node: Node) -> bool:
    """Tell whether *node* matches the empty text."""
    match node:
        case Set():
            return False
        case Assertion():
            return True
        case Sequence(items):
            return all(map(is_nullable, items))
        case Either(items):
            return any(map(is_nullable, items))
        case Repeat(item, least):
            return least == 0 or is_nullable(item)


# -- reading

_DIGITS: Ranges = ((0x30, 0x39),)
_WORDS: Ranges = (*_DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACES: Ranges = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
_CLASSES = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_CONTROLS = {"a": 0x07, "f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_LAST = 0x10FFFF


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and Set(_WORDS).holds(ord(text[at]))


def _at_start(_text: str, at: int) -> bool:
    return at == 0


def _at_end(text: str, at: int) -> bool:
    return at == len(text)


def _at_boundary(text: str, at: int) -> bool:
    return _is_word(text, at - 1) != _is_word(text, at)


_ASSERTIONS = {
    "A": _at_start,
    "z": _at_end,
    "b": _at_boundary,
    "B": lambda text, at: not _at_boundary(text, at),
}


def _complement(ranges: Ranges) -> Ranges:
    """Return what is not in *ranges*, which are in order."""
    bounds = [-1, *(bound for low, high in ranges for bound in (low, high)), _LAST + 1]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((low + 1, high - 1) for low, high in pairs if low + 1 <= high - 1)


class _Reader:
    """A recursive-descent parser; a method for each rule of the grammar."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        """Read the whole pattern."""
        node = self._either()
        if self._at < len(self._pattern):
            raise PatternError("unexpected ): `" + self._pattern + "`")
        return node

    def _peek(self, text: str) -> bool:
        return self._pattern.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        found = self._peek(text)
        self._at += len(text) * found
        return found

    def _next(self) -> str:
        if self._at == len(self._pattern):
            raise PatternError("trailing backslash at end of expression: ``")
        self._at += 1
        return self._pattern[self._at - 1]

    def _either(self) -> Node:
        items = [self._sequence()]
        while self._take("|"):
            items.append(self._sequence())
        return items[0] if len(items) == 1 else Either(tuple(items))

    def _sequence(self) -> Node:
        items: list[Node] = []
        after_repetition = False
        while self._at < len(self._pattern) and not self._peek("|") and not self._peek(")"):
            start = self._at
            bounds = self._repetition()
            if bounds is None:
                items.append(self._atom())
                after_repetition = False
                continue
            shown = self._pattern[start : self._at]
            if after_repetition:
                raise PatternError(f"invalid nested repetition operator: `{shown}`")
            if not items:
                raise PatternError(f"missing argument to repetition operator: `{shown}`")
            items.append(Repeat(items.pop(), *bounds, is_greedy=not self._take("?")))
            after_repetition = True
        return Sequence(tuple(items))

    def _repetition(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        return self._counts() if self._peek("{") else None

    def _counts(self) -> tuple[int, int | None] | None:
        """Read ``{2,3}``; braces around anything else are plain characters."""
        close = self._pattern.find("}", self._at, self._at + 16)
        left, comma, right = self._pattern[self._at + 1 : max(close, self._at + 1)].partition(",")
        if not _is_count(left) or not (right == "" or _is_count(right)):
            return None
        shown = self._pattern[self._at : close + 1]
        self._at = close + 1
        least = int(left)
        most = int(right) if right else None if comma else least
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            raise PatternError(f"invalid repeat count: `{shown}`")
        return least, most

    def _atom(self) -> Node:
        match self._next():
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return Set(((0x0A, 0x0A),), is_negated=True)
            case "^":
                return Assertion(_at_start)
            case "$":
                return Assertion(_at_end)
            case "\\":
                return self._escape()
            case char:
                return Set(((ord(char), ord(char)),))

    def _group(self) -> Node:
        if self._peek("?") and not self._take("?:"):
            raise UnsupportedPatternError("flags or a named group")
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UnsupportedPatternError("deeply nested groups")
        node = self._either()
        if not self._take(")"):
            raise PatternError(f"missing closing ): `{self._pattern}`")
        self._depth -= 1
        return node

    def _escape(self) -> Node:
        char = self._next()
        if char in _ASSERTIONS:
            return Assertion(_ASSERTIONS[char])
        return Set(self._escaped(char))

    def _escaped(self, char: str) -> Ranges:
        """Return what an escape stands for, outside and inside of brackets."""
        if char.lower() in _CLASSES:
            ranges = _CLASSES[char.lower()]
            return ranges if char.islower() else _complement(ranges)
        code = _CONTROLS.get(char)
        if code is None:
            code = self._literal(char)
        return ((code, code),)

    def _literal(self, char: str) -> int:
        if char in "pPQExC01234567":
            raise UnsupportedPatternError(f"\\{char}")
        if char.isalnum() or not char.isascii():
            raise PatternError(f"invalid escape sequence: `\\{char}`")
        return ord(char)

    def _class(self) -> Node:
        start = self._at - 1
        is_negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._peek("]") or not ranges:
            if self._at == len(self._pattern):
                raise PatternError(f"missing closing ]: `{self._pattern[start:]}`")
            ranges += self._class_item()
        self._at += 1
        return Set(tuple(ranges), is_negated)

    def _class_item(self) -> Ranges:
        if self._peek("[:"):
            raise UnsupportedPatternError("a POSIX class")
        start = self._at
        low = self._class_end()
        # A dash before the closing bracket, or after a class, is a plain character.
        if len(low) > 1 or low[0][0] != low[0][1] or not self._peek("-") or self._peek("-]"):
            return low
        self._at += 1
        high = self._class_end()
        if len(high) > 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
            raise PatternError(f"invalid character class range: `{self._pattern[start : self._at]}`")
        return ((low[0][0], high[0][0]),)

    def _class_end(self) -> Ranges:
        if self._at == len(self._pattern):
            raise PatternError(f"missing closing ]: `{self._pattern}`")
        char = self._next()
        return self._escaped(self._next()) if char == "\\" else ((ord(char), ord(char)),)


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))


def parse_pattern(pattern: str) -> Node:
    """
    Return *pattern* as a tree.

    Raises:
        PatternError: It is none in Go.
        UnsupportedPatternError: It is one in Go, but not here.
    """
    if any("\udc80" <= char <= "\udcff" for char in pattern):
        raise PatternError("invalid UTF-8")
    if len(pattern) > _MOST_LENGTH:
        raise UnsupportedPatternError("many characters")
    return _Reader(pattern).whole()
