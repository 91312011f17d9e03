"""
Regular expressions of Go's ``regexp`` (RE2), as far as template filters hand them through.

Python's own ``re`` goes back and can be made to hang; this matches in time proportional to text and pattern, as
RE2 does: all ways through the pattern advance together, in order of preference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import attrs

from lxdimage.templates._go._regexp_syntax import (
    Assertion,
    Either,
    Node,
    Repeat,
    Sequence,
    Set,
    UnsupportedPatternError,
    is_nullable,
    parse_pattern,
)

__all__ = ["Pattern", "compile_pattern"]

_MOST_INSTRUCTIONS = 10_000


# -- the program


@attrs.frozen
class _Split:
    """Go on at two places; the first is preferred."""

    first: int
    second: int


class _Match:
    """The end of the pattern."""


_Instruction: TypeAlias = Set | Assertion | _Split | _Match


class _Writer:
    """Turn a tree into instructions, each followed by the next unless it is a `_Split`."""

    def __init__(self) -> None:
        self.program: list[_Instruction] = []

    def write(self, node: Node) -> None:
        """Append the instructions of *node*."""
        match node:
            case Set() | Assertion():
                self._append(node)
            case Sequence(items):
                for item in items:
                    self.write(item)
            case Either(items):
                self._either(items)
            case Repeat(item, least, most, is_greedy):
                self._repeat(item, least, most, is_greedy=is_greedy)

    def _append(self, instruction: _Instruction) -> int:
        if len(self.program) >= _MOST_INSTRUCTIONS:
            raise UnsupportedPatternError("many repetitions")
        self.program.append(instruction)
        return len(self.program) - 1

    def _either(self, items: tuple[Node, ...]) -> None:
        jumps = []
        for item in items[:-1]:
            fork = self._append(_Match())
            self.write(item)
            jumps.append(self._append(_Match()))
            self.program[fork] = _Split(fork + 1, len(self.program))
        self.write(items[-1])
        for jump in jumps:
            self.program[jump] = _Split(len(self.program), len(self.program))

    def _repeat(self, item: Node, least: int, most: int | None, *, is_greedy: bool) -> None:
        if most is None:
            for _ in range(least - 1):
                self.write(item)
            self._endless(item, is_needed=least > 0, is_greedy=is_greedy)
            return
        for _ in range(least):
            self.write(item)
        forks = []
        for _ in range(most - least):
            forks.append(self._append(_Match()))
            self.write(item)
        for fork in forks:
            self.program[fork] = _ordered(fork + 1, len(self.program), is_greedy=is_greedy)

    def _endless(self, item: Node, *, is_needed: bool, is_greedy: bool) -> None:
        """Write ``x+``, or ``x*``: as ``(x+)?`` where x matches the empty text, which decides the order."""
        loops_first = not is_needed and not is_nullable(item)
        fork = None if is_needed else self._append(_Match())
        start = len(self.program)
        self.write(item)
        if loops_first and fork is not None:
            self._append(_Split(fork, fork))
        else:
            end = len(self.program)
            self._append(_ordered(start, end + 1, is_greedy=is_greedy))
        if fork is not None:
            self.program[fork] = _ordered(start, len(self.program), is_greedy=is_greedy)


def _ordered(inside: int, behind: int, *, is_greedy: bool) -> _Split:
    return _Split(inside, behind) if is_greedy else _Split(behind, inside)


# -- matching

_STRIDE = 64  # characters of which the work is announced at once
_COST = 8  # of an instruction, in characters that a string method walks over
_RANGES = 8  # of a set that cost as much as an instruction


@attrs.frozen
class Pattern:
    """A compiled pattern."""

    _program: tuple[_Instruction, ...]
    _size: int = attrs.field(init=False)

    @_size.default
    def _sized(self) -> int:
        sets = sum(each.size for each in self._program if isinstance(each, Set))
        return len(self._program) + sets // _RANGES

    def spans(self, text: str, work: Callable[[int], None]) -> Iterator[tuple[int, int]]:
        """
        Yield where *text* matches, from left to right, without overlap.

        Args:
            text: Bytes that are not UTF-8 count as U+FFFD.
            work: Called with the number of steps that come next; may raise to stop.  A search can go far beyond the
                match that it finds in the end, so that there can be more steps than the text is long.
        """
        text = text.translate(_REPLACE)
        at = 0
        while at <= len(text) and (span := self._search(text, at, work)):
            yield span
            at = span[1] + (span[0] == span[1])

    def _search(self, text: str, start: int, work: Callable[[int], None]) -> tuple[int, int] | None:
        """Return the leftmost match, and of those that begin there the preferred one."""
        cost = _COST * self._size
        found: tuple[int, int] | None = None
        threads: dict[int, int] = {}
        at = start
        work(cost)
        while threads or found is None:
            if found is None:
                at = at if threads else self._skip(text, at)
                threads.setdefault(0, at)
            if at > len(text):
                break
            if at % _STRIDE == 0:
                work(_STRIDE * cost)
            threads, ended = self._step(threads, text, at)
            found = found if ended is None else (ended, at)
            at += 1
        return found

    def _skip(self, text: str, at: int) -> int:
        """Return the next place where a match can begin; behind the end when there is none."""
        match self._program[0]:
            case Set(((low, high),), False, ()) if low == high:
                found = text.find(chr(low), at)
                return found if found >= 0 else len(text) + 1
        return at

    def _step(self, threads: dict[int, int], text: str, at: int) -> tuple[dict[int, int], int | None]:
        """Take all *threads* over one character; also return where a match began that ends before it."""
        after: dict[int, int] = {}
        code = ord(text[at]) if at < len(text) else -1
        for place, begun in self._follow(threads, text, at):
            instruction = self._program[place]
            if isinstance(instruction, _Match):
                return after, begun  # what would come now is less preferred
            if code >= 0 and isinstance(instruction, Set) and instruction.holds(code):
                after.setdefault(place + 1, begun)
        return after, None

    def _follow(self, threads: dict[int, int], text: str, at: int) -> Iterator[tuple[int, int]]:
        """Yield the places where a character or the end is asked for, in order of preference."""
        seen: set[int] = set()
        for place, begun in threads.items():
            stack = [place]
            while stack:
                current = stack.pop()
                if current in seen:
                    continue
                seen.add(current)
                match self._program[current]:
                    case _Split(first, second):
                        stack += (second, first)
                    case Assertion(holds):
                        if holds(text, at):
                            stack.append(current + 1)
                    case _:
                        yield current, begun


_REPLACE = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def compile_pattern(pattern: str) -> Pattern:
    """
    Compile *pattern*.

    Raises:
        PatternError: It is none in Go.
        UnsupportedPatternError: It is one in Go, but not here.
    """
    writer = _Writer()
    writer.write(parse_pattern(pattern))
    writer.program.append(_Match())
    return Pattern(tuple(writer.program))
