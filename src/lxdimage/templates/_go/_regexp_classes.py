"""
Sets of characters that a regular expression can name: Perl's, POSIX's and Unicode's classes, and cases folded.

Perl's and POSIX's are ASCII, as in Go.  Two characters are one regardless of case when Unicode folds both to the same
single character; most have one partner, some several (``k``, ``K`` and the Kelvin sign).
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from lxdimage.templates._go._unicode import lower

__all__ = ["CATEGORIES", "LAST", "PERL", "POSIX", "Ranges", "complement", "folded", "in_category"]

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""First and last code points."""

LAST = 0x10FFFF

_DIGITS: Ranges = ((0x30, 0x39),)
_UPPER: Ranges = ((0x41, 0x5A),)
_LOWER: Ranges = ((0x61, 0x7A),)
_LETTERS: Ranges = (*_UPPER, *_LOWER)
_WORDS: Ranges = (*_DIGITS, *_UPPER, (0x5F, 0x5F), *_LOWER)

PERL: dict[str, Ranges] = {"d": _DIGITS, "w": _WORDS, "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))}
POSIX: dict[str, Ranges] = {
    "alnum": (*_DIGITS, *_LETTERS),
    "alpha": _LETTERS,
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGITS,
    "graph": ((0x21, 0x7E),),
    "lower": _LOWER,
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": _UPPER,
    "word": _WORDS,
    "xdigit": (*_DIGITS, (0x41, 0x46), (0x61, 0x66)),
}

# Go's "C" leaves out what is not assigned, of which it has no name.
_KINDS = {"C": "cfos", "L": "lmotu", "M": "cen", "N": "dlo", "P": "cdefios", "S": "ckmo", "Z": "lps"}
CATEGORIES: dict[str, frozenset[str]] = {
    name: frozenset(name + kind for kind in kinds) for name, kinds in _KINDS.items()
} | {name + kind: frozenset((name + kind,)) for name, kinds in _KINDS.items() for kind in kinds}


def complement(ranges: Ranges) -> Ranges:
    """Return what is not in *ranges*."""
    bounds = [-1, *(bound for pair in _merged(ranges) for bound in pair), LAST + 1]
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return tuple((low + 1, high - 1) for low, high in pairs if low + 1 < high)


def folded(ranges: Ranges) -> Ranges:
    """Return *ranges* with what differs from them in case only."""
    orbits = _orbits()
    more: list[tuple[int, int]] = []
    for low, high in ranges:
        codes = (low,) if low == high else (code for code in orbits if low <= code <= high)
        more += ((other, other) for code in codes for other in orbits.get(code, ()))
    return _merged((*ranges, *more))


def _merged(ranges: Ranges) -> Ranges:
    """Return *ranges* in order and apart from each other."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def in_category(categories: frozenset[str], *, is_folded: bool) -> Callable[[int], bool]:
    """Return whether a code point, or with *is_folded* one that differs in case only, is in *categories*."""
    if not is_folded:
        return lambda code: unicodedata.category(chr(code)) in categories
    orbits = _orbits()
    return lambda code: any(
        unicodedata.category(chr(other)) in categories for other in orbits.get(code, (code,))
    )


_FIRST_FOLDED, _LAST_FOLDED = 0x41, 0x1E943


@functools.cache
def _orbits() -> dict[int, tuple[int, ...]]:
    """Return for each code point that has others in another case all of them."""
    groups: dict[str, list[int]] = {}
    for code in range(_FIRST_FOLDED, _LAST_FOLDED + 1):
        groups.setdefault(_fold(chr(code)), []).append(code)
    return {code: tuple(group) for group in groups.values() if len(group) > 1 for code in group}


def _fold(char: str) -> str:
    """Return what Unicode's simple folding makes of *char*."""
    fold = char.casefold()
    if len(fold) == 1 or char == "\u0130":  # a capital I with a dot, which folds to two characters only
        return fold
    return lower(char)
