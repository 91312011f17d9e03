"""
What one rendering may use, and the exceptions that end it.

Templates come from whoever made the image, so every loop round, lookup, call and filter costs a step, and no
value or output grows beyond its bound: the bound is checked before memory is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from random import Random

import attrs

from lxdimage.limits import Limits

__all__ = [
    "CHARACTERS_PER_STEP",
    "Chance",
    "Dialect",
    "EngineError",
    "FilterCall",
    "FilterError",
    "Halt",
    "Meter",
    "Panic",
    "Place",
    "Trouble",
]

# Work on long strings costs steps too, so that a million steps cannot mean hours.
CHARACTERS_PER_STEP = 32

# An element of a list takes many times the memory of a character.
_CHARACTERS_PER_ITEM = 16


class Dialect(Enum):
    """
    The pongo2 release whose rules apply.

    LXD and Incus 6.0 render with version 4, today's Incus with version 6.
    """

    V4 = "v4"
    V6 = "v6"


class Chance(Enum):
    """What an output can depend on beside the template and its variables."""

    MAP_ORDER = "map-order"
    CLOCK = "clock"
    RANDOM = "random"


@attrs.frozen
class Place:
    """
    Where in the template something stands, and the token there: what the engine's error texts name.

    Attributes:
        line: Counted from 1, in the wrapped text.
        column: Counted from 1, in bytes, in the wrapped text.
        token: The token's text.
        offset: Where it starts, in characters of the parsed text.
        length: Characters that a marker should cover.
    """

    line: int
    column: int
    token: str
    offset: int
    length: int


class Trouble(Exception):  # noqa: N818 - the public errors are made from it
    """
    What ends a rendering.

    Attributes:
        message: The sentence about it.
        place: Where in the template; None until it passes through an operation that knows.
    """

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


class Panic(Trouble):
    """What makes the Go engine panic: no macro swallows it."""


class Halt(Trouble):
    """A limit is reached: nothing inside the template can catch it."""


class FilterError(Exception):
    """What a filter returns as its error; the engine adds the filter's name and place."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class EngineError(Trouble):
    """
    An error that the engine returns.

    In version 4 a macro call turns it into its text, so the text is output and must be exact.

    Attributes:
        sender: ``execution``, ``filter:NAME`` and the like.
        named: Whether the prefix says ``in <string>``.
        plain: The message for people, when the engine's own holds another error's prefix.
    """

    def __init__(
        self,
        message: str,
        place: Place | None = None,
        *,
        sender: str = "execution",
        named: bool = True,
        plain: str | None = None,
    ) -> None:
        super().__init__(message, place)
        self.sender = sender
        self.named = named
        self.plain = message if plain is None else plain

    def text(self) -> str:
        """Return the error as the engine prints it."""
        where = " in <string>" if self.named else ""
        if self.place:
            where += f" | Line {self.place.line} Col {self.place.column} near '{self.place.token}'"
        return f"[Error (where: {self.sender}){where}] {self.message}"


class Meter:
    """Count what a rendering uses and stop it at the limits."""

    __slots__ = ("_limits", "depth", "output_left", "steps_left")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.steps_left = limits.steps
        self.output_left = limits.output
        self.depth = 0

    def step(self, count: int = 1) -> None:
        """Take *count* steps."""
        self.steps_left -= count
        if self.steps_left < 0:
            raise Halt(f"rendering takes more than {self._limits.steps} steps")

    def work(self, characters: int) -> None:
        """Take the steps of an operation that walks over so many characters."""
        self.step(1 + characters // CHARACTERS_PER_STEP)

    def value(self, size: int) -> None:
        """Check, before it is made, that a string of *size* characters may be made, and take its steps."""
        if size > self._limits.value:
            raise Halt(f"a value of {size} characters is longer than the limit of {self._limits.value}")
        self.work(size)

    def fits(self, size: int) -> None:
        """Check that a string that grows to *size* characters may go on growing."""
        if size > self._limits.value:
            self.value(size)

    def items(self, count: int) -> None:
        """Check, before it is made, that a list of *count* elements may be made, and take its steps."""
        most = self._limits.value // _CHARACTERS_PER_ITEM
        if count > most:
            raise Halt(f"a list of {count} elements is longer than the limit of {most}")
        self.work(count * _CHARACTERS_PER_ITEM)

    def output(self, size: int) -> None:
        """Count *size* characters of output, captured output included."""
        self.output_left -= size
        if self.output_left < 0:
            raise Halt(f"the output is longer than the limit of {self._limits.output} bytes")

    def bytes(self, size: int) -> None:
        """Check the size of the whole output."""
        if size > self._limits.output:
            self.output(self.output_left + 1)

    def enter(self) -> None:
        """Go one macro call deeper."""
        self.depth += 1
        if self.depth > self._limits.nesting:
            raise Halt(f"macro calls are nested more than {self._limits.nesting} levels deep")

    def leave(self) -> None:
        """Come back from a macro call."""
        self.depth -= 1


@attrs.define(slots=True)
class FilterCall:
    """
    What a filter may use beside its input and its parameter.

    Attributes:
        meter: Bounds: a filter that makes something longer than its input asks `Meter.value` or
            `Meter.items` before it does.
        dialect: The release whose rules apply.
    """

    meter: Meter
    dialect: Dialect
    _random: Random | None
    _clock: Callable[[], datetime]
    chances: set[Chance] = attrs.Factory(set)

    @property
    def random(self) -> Random:
        """
        The source of chance, one with a fixed seed unless given.

        Asking for it marks the output as depending on it.
        """
        self.chances.add(Chance.RANDOM)
        if self._random is None:
            self._random = Random(0)  # noqa: S311 - dice for filler text
        return self._random

    def now(self) -> datetime:
        """Return the local time; asking for it marks the output as depending on it."""
        self.chances.add(Chance.CLOCK)
        return self._clock()
