r"""
The syntax of Go's regular expressions (RE2): a pattern as a tree.

Grammar; the names of scripts (``\p{Greek}``) are refused, as is what only newer versions of Go know::

    either     = sequence { "|" sequence }
    sequence   = { flags | quotation | atom [ repetition ] }
    repetition = ( "*" | "+" | "?" | "{" N [ "," [ M ] ] "}" ) [ "?" ]
    flags      = "(?" LETTERS [ "-" LETTERS ] ")"
    quotation  = "\Q" TEXT ( "\E" | end of the pattern )
    atom       = "(" [ "?" LETTERS [ "-" LETTERS ] ":" | "?P<" NAME ">" ] either ")"
               | "[" class "]" | "." | "^" | "$" | escape | character
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import attrs

from lxdimage.templates._go._regexp_classes import (
    CATEGORIES,
    LAST,
    PERL,
    POSIX,
    Ranges,
    complement,
    folded,
    in_category,
)

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
_CLASS_SIZE = 8  # of a class of Unicode, in ranges


# -- the tree


@attrs.frozen
class Set:
    """One character out of some ranges and classes."""

    ranges: Ranges
    is_negated: bool = False
    classes: tuple[Callable[[int], bool], ...] = ()

    def holds(self, code: int) -> bool:
        found = any(low <= code <= high for low, high in self.ranges)
        return (found or any(has(code) for has in self.classes)) != self.is_negated

    @property
    def size(self) -> int:
        """How much there is to look at."""
        return len(self.ranges) + _CLASS_SIZE * len(self.classes)


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


def _is_valid(node: Node, copies: int = _MOST_REPEATS) -> bool:
    """Tell whether repetitions within repetitions make at most so many copies of what is innermost."""
    match node:
        case Repeat(item, least, most):
            times = least if most is None else most
            return most == 0 or (times <= copies and _is_valid(item, copies // max(times, 1)))
        case Sequence(items) | Either(items):
            return all(_is_valid(item, copies) for item in items)
        case _:
            return True


# -- reading

_CONTROLS = {"a": 0x07, "f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_COUNTS = re.compile(r"\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_FLAGS = re.compile(r"\?([imsU]*)(?:-([imsU]+))?([:)])")
_BAD_FLAGS = re.compile(r"\?[imsU]*(?:-[imsU]*)?.?", re.DOTALL)
_NAMED = re.compile(r"\?P<(?:(?P<name>[0-9A-Za-z_]+)>|[^>]*>|.*)", re.DOTALL)
_NUMBER = re.compile(r"(0[0-7]{0,2}|[1-7][0-7]{1,2})|x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_SCRIPT = re.compile("[A-Z][A-Za-z_]+")


def _is_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and Set(PERL["w"]).holds(ord(text[at]))


def _at_start(_text: str, at: int) -> bool:
    return at == 0


def _at_end(text: str, at: int) -> bool:
    return at == len(text)


def _at_line_start(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


def _at_line_end(text: str, at: int) -> bool:
    return at == len(text) or text[at] == "\n"


def _at_boundary(text: str, at: int) -> bool:
    return _is_word(text, at - 1) != _is_word(text, at)


_ASSERTIONS = {
    "A": _at_start,
    "z": _at_end,
    "b": _at_boundary,
    "B": lambda text, at: not _at_boundary(text, at),
}


class _Reader:
    """A recursive-descent parser; a method for each rule of the grammar."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._flags: frozenset[str] = frozenset()

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

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Move behind what *pattern* matches here."""
        match = pattern.match(self._pattern, self._at)
        self._at = match.end() if match else self._at
        return match

    def _next(self) -> str:
        if self._at == len(self._pattern):
            raise PatternError("trailing backslash at end of expression: ``")
        self._at += 1
        return self._pattern[self._at - 1]

    def _since(self, start: int) -> str:
        """Return, as Go shows it, what was read from *start* on."""
        return f"`{self._pattern[start : self._at]}`"

    def _either(self) -> Node:
        items = [self._sequence()]
        while self._take("|"):
            items.append(self._sequence())
        return items[0] if len(items) == 1 else Either(tuple(items))

    def _sequence(self) -> Node:
        items: list[Node] = []
        repeated: int | None = None
        while self._at < len(self._pattern) and not self._peek("|") and not self._peek(")"):
            start = self._at
            bounds = self._repetition()
            if bounds is None:
                items += self._atoms()
                repeated = None
                continue
            is_greedy = self._take("?") == ("U" in self._flags)
            if repeated is not None:
                raise PatternError(f"invalid nested repetition operator: {self._since(repeated)}")
            if not items:
                raise PatternError(f"missing argument to repetition operator: {self._since(start)}")
            items.append(Repeat(items.pop(), *bounds, is_greedy=is_greedy))
            if not _is_valid(items[-1]):
                raise PatternError(f"invalid repeat count: {self._since(start)}")
            repeated = start
        return Sequence(tuple(items))

    def _repetition(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        return self._counts()

    def _counts(self) -> tuple[int, int | None] | None:
        """Read ``{2,3}``; braces around anything else are plain characters."""
        start = self._at
        match = self._match(_COUNTS)
        if not match:
            return None
        least = int(match[1])
        most = int(match[3]) if match[3] else None if match[2] else least
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            raise PatternError(f"invalid repeat count: {self._since(start)}")
        return least, most

    def _atoms(self) -> list[Node]:
        """Read what a repetition can follow: mostly one node, none of flags and many of a quotation."""
        match self._next():
            case "(":
                return self._group()
            case "[":
                return [self._class()]
            case ".":
                return [Set((), True) if "s" in self._flags else Set(((0x0A, 0x0A),), True)]
            case "^":
                return [Assertion(_at_line_start if "m" in self._flags else _at_start)]
            case "$":
                return [Assertion(_at_line_end if "m" in self._flags else _at_end)]
            case "\\":
                return self._escape()
            case char:
                return [self._one(ord(char))]

    def _folded(self, ranges: Ranges) -> Ranges:
        return folded(ranges) if "i" in self._flags else ranges

    def _one(self, code: int) -> Node:
        return Set(self._folded(((code, code),)))

    def _group(self) -> list[Node]:
        outer = self._flags
        if self._peek("?") and not self._opening():
            return []
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise UnsupportedPatternError("deeply nested groups")
        node = self._either()
        if not self._take(")"):
            raise PatternError(f"missing closing ): `{self._pattern}`")
        self._depth -= 1
        self._flags = outer
        return [node]

    def _opening(self) -> bool:
        """Read what follows the bracket; return whether a group begins, or flags hold for the rest of this one."""
        start = self._at - 1
        if named := self._match(_NAMED):
            if not named["name"]:
                raise PatternError(f"invalid named capture: {self._since(start)}")
            return True
        if self._peek("?<"):
            raise UnsupportedPatternError("(?<")
        match = self._match(_FLAGS)
        if not match:
            self._match(_BAD_FLAGS)
            raise PatternError(f"invalid or unsupported Perl syntax: {self._since(start)}")
        self._flags = (self._flags | {*match[1]}) - {*(match[2] or "")}
        return match[3] == ":"

    # -- escapes

    def _escape(self) -> list[Node]:
        start = self._at - 1
        if self._take("Q"):
            text, end, _ = self._pattern[self._at :].partition("\\E")
            self._at += len(text) + len(end)
            return [self._one(ord(char)) for char in text]
        if (named := self._named(start)) is not None:
            return [named]
        if holds := _ASSERTIONS.get(self._pattern[self._at : self._at + 1]):
            self._at += 1
            return [Assertion(holds)]
        return [self._one(self._code(start))]

    def _named(self, start: int) -> Set | None:
        """Read the class that an escape names, if it does, outside or inside of brackets."""
        char = self._pattern[self._at : self._at + 1]
        if char in ("p", "P"):
            self._at += 1
            return Set((), classes=(self._category(start, is_negated=char == "P"),))
        ranges = PERL.get(char.lower())
        if ranges is None:
            return None
        self._at += 1
        ranges = self._folded(ranges)
        return Set(ranges if char.islower() else complement(ranges))

    def _category(self, start: int, *, is_negated: bool) -> Callable[[int], bool]:
        """Read the name of a Unicode category: one letter, or more in braces."""
        if self._take("{"):
            name, end, _ = self._pattern[self._at :].partition("}")
            self._at += len(name) + len(end)
        else:
            name = end = self._pattern[self._at : self._at + 1]
            self._at += len(name)
        is_negated ^= name.startswith("^")
        name = name.removeprefix("^")
        if end and name == "Any":
            return lambda _code: not is_negated
        categories = CATEGORIES.get(name) if end else None
        if categories is None:
            if end and _SCRIPT.fullmatch(name):
                raise UnsupportedPatternError(f"\\p{{{name}}}")
            raise PatternError(f"invalid character class range: {self._since(start)}")
        has = in_category(categories, is_folded="i" in self._flags)
        return (lambda code: not has(code)) if is_negated else has

    def _code(self, start: int) -> int:
        """Read the character that an escape stands for."""
        if number := self._match(_NUMBER):
            code = int(number[1], 8) if number[1] else int(number[2] or number[3], 16)
        else:
            char = self._next()
            code = _CONTROLS.get(char, LAST + 1 if char.isalnum() or not char.isascii() else ord(char))
        if code > LAST:
            raise PatternError(f"invalid escape sequence: {self._since(start)}")
        return code

    # -- in brackets

    def _class(self) -> Node:
        start = self._at - 1
        is_negated = self._take("^")
        first = self._at
        ranges: list[tuple[int, int]] = []
        classes: list[Callable[[int], bool]] = []
        while self._at == first or not self._peek("]"):
            item = self._class_item(start)
            ranges += item.ranges
            classes += item.classes
        self._at += 1
        return Set(tuple(ranges), is_negated, tuple(classes))

    def _class_item(self, start: int) -> Set:
        if self._peek("[:") and (end := self._pattern.find(":]", self._at + 2)) >= 0:
            return self._posix(end + 2)
        item = self._at
        if self._take("\\"):
            if named := self._named(item):
                return named
            self._at = item
        low = high = self._class_end(start)
        # A dash before the closing bracket is a plain character.
        if self._peek("-") and not self._peek("-]") and self._at + 1 < len(self._pattern):
            self._at += 1
            high = self._class_end(start)
            if high < low:
                raise PatternError(f"invalid character class range: {self._since(item)}")
        return Set(self._folded(((low, high),)))

    def _posix(self, end: int) -> Set:
        name = self._pattern[self._at + 2 : end - 2]
        shown = self._pattern[self._at : end]
        self._at = end
        ranges = POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise PatternError(f"invalid character class range: `{shown}`")
        ranges = self._folded(ranges)
        return Set(complement(ranges) if name.startswith("^") else ranges)

    def _class_end(self, start: int) -> int:
        if self._at == len(self._pattern):
            raise PatternError(f"missing closing ]: `{self._pattern[start:]}`")
        char = self._next()
        return self._code(self._at - 1) if char == "\\" else ord(char)


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
