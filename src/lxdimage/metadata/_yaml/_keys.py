"""
Simple keys: scalars and collections that turn out to be keys when a colon follows.

A token that may be a key is remembered with its number; when the colon comes, a KEY token is inserted before it.
So the scanner must look ahead while the next token to hand out may still become a key.  The generations of the
library differ in how long such a candidate stays one, and both keep their books in a way that can be noticed:
what they forget becomes a syntax error.
"""

from __future__ import annotations

from typing import Final, Protocol

import attrs

from lxdimage.metadata._yaml._cursor import Cursor
from lxdimage.metadata._yaml._text import YAMLError

__all__ = ["ExpiringKeys", "Key", "LastingKeys", "SimpleKeys"]

_MAX_LENGTH = 1024


@attrs.define(eq=False)
class Key:
    """
    A candidate.

    Attributes:
        number: Of the token, counted from the beginning of the text.
        pos: Where the token begins.
        line_start: Where its line begins.
        required: Only a key may stand there.
        level: Of flow collections around it.
        possible: Whether it may still become a key.
    """

    number: int
    pos: int
    line_start: int
    required: bool
    level: int
    possible: bool = True


class SimpleKeys(Protocol):
    """The candidates, one for each flow collection that is open."""

    def save(self, key: Key) -> None:
        """Remember *key* in place of the candidate of its level."""

    def remove(self) -> None:
        """Forget the candidate of the current level; raise if a key was required there."""

    def open(self, number: int) -> None:
        """Note that token *number* opens a flow collection."""

    def close(self) -> None:
        """Note that a flow collection ends."""

    def end(self) -> None:
        """Forget all candidates; raise if a key was required."""

    def take(self) -> Key | None:
        """Return the candidate that the colon at the cursor makes a key, and forget it."""

    def awaited(self, number: int) -> bool:
        """Whether token *number* may still become a key."""


def _missing_colon(key: Key) -> YAMLError:
    return YAMLError("this line is neither a key with its colon nor a continuation", key.pos)


class ExpiringKeys:
    """Candidates that expire at the end of their line and 1024 characters later (generation 2)."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._levels = [Key(-1, 0, 0, required=False, level=0, possible=False)]
        self._by_number: dict[int, Key] = {}

    def _valid(self, key: Key) -> bool:
        if not key.possible:
            return False
        cursor = self._cursor
        if key.line_start == cursor.line_start and key.pos + _MAX_LENGTH >= cursor.pos:
            return True
        if key.required:
            raise _missing_colon(key)
        key.possible = False
        return False

    def save(self, key: Key) -> None:
        self.remove()
        self._levels[-1] = key
        self._by_number[key.number] = key

    def remove(self) -> None:
        key = self._levels[-1]
        if key.possible:
            if key.required:
                raise _missing_colon(key)
            key.possible = False
            self._by_number.pop(key.number, None)

    def open(self, number: int) -> None:
        self._levels.append(Key(number, 0, 0, required=False, level=0, possible=False))

    def close(self) -> None:
        # The empty candidate of a collection without keys has the number of its bracket, so the bracket itself
        # stops being awaited here: `[]: x` is not read as a key.
        if len(self._levels) > 1:
            self._by_number.pop(self._levels.pop().number, None)

    def end(self) -> None:
        self.remove()

    def take(self) -> Key | None:
        key = self._levels[-1]
        if not self._valid(key):
            return None
        key.possible = False
        self._by_number.pop(key.number, None)
        return key

    def awaited(self, number: int) -> bool:
        key = self._by_number.get(number)
        return key is not None and self._valid(key)


class LastingKeys:
    """Candidates that last until something else takes their place (generation 4)."""

    _none: Final = Key(-1, 0, -1, required=False, level=0, possible=False)

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._key = self._none
        self._possible = False
        self._outer: list[Key] = []
        self._level = 0

    def save(self, key: Key) -> None:
        self.remove()
        self._key = key
        self._possible = True

    def remove(self) -> None:
        if self._key.required:
            raise _missing_colon(self._key)
        self._possible = False

    def open(self, number: int) -> None:  # noqa: ARG002 - the other generation needs the number
        if self._possible:
            self._outer.append(self._key)
        self._key = self._none
        self._level += 1

    def close(self) -> None:
        if self._level:
            self._level -= 1
            if self._outer and self._outer[-1].level == self._level:
                self._key = self._outer.pop()
                self._possible = True

    def end(self) -> None:
        self.remove()
        self._key = self._none
        self._outer.clear()

    def take(self) -> Key | None:
        key = self._key
        if not (self._possible and key.line_start == self._cursor.line_start):
            return None
        self._possible = False
        key.required = False
        return key

    def awaited(self, number: int) -> bool:
        if self._outer:
            return self._outer[0].number == number
        return self._possible and self._key.number == number
