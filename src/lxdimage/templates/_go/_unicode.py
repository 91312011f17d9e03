"""
Case mapping and white space by Go's ``unicode`` and ``strings``.

Go maps one code point to one, without context; Python's own methods know longer results (``ß``) and context (the
final sigma).  Bytes that are not UTF-8 become U+FFFD in a mapping, as in Go.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["fields", "is_space", "lower", "title", "trim_space", "upper"]

# White space as Go's unicode.IsSpace has it: Python also takes U+001C to U+001F.
SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_WORD = re.compile(f"[^{SPACES}]+")


def is_space(char: str) -> bool:
    """Tell whether a character is white space."""
    return char in SPACES


def trim_space(text: str) -> str:
    """Return *text* without white space at its ends."""
    return text.strip(SPACES)


def fields(text: str) -> list[str]:
    """Return the words of *text*: what white space separates."""
    return _WORD.findall(text)


# -- case


_MOST_ENTRIES = 8192  # so that no text makes a table large


class _Mapping(dict[int, str]):
    """A table for `str.translate` that fills itself."""

    def __init__(self, rule: Callable[[str], str], exceptions: dict[int, str]) -> None:
        super().__init__(exceptions)
        self._rule = rule

    def __missing__(self, code: int) -> str:
        mapped = self._rule(chr(code))
        if len(self) < _MOST_ENTRIES:
            self[code] = mapped
        return mapped


_REPLACEMENT = "\ufffd"
# Letters with a iota below: their full upper case has two characters, the simple one is the title case letter.
_IOTA_BELOW = {
    code: chr(code + 8) for first in (0x1F80, 0x1F90, 0x1FA0) for code in range(first, first + 8)
} | {code: chr(code + 9) for code in (0x1FB3, 0x1FC3, 0x1FF3)}


def _simple(method: Callable[[str], str]) -> Callable[[str], str]:
    """Make a mapping of one character to one from a method of `str`."""

    def rule(char: str) -> str:
        if "\ud800" <= char <= "\udfff":
            return _REPLACEMENT
        mapped = method(char)
        return mapped if len(mapped) == 1 else char

    return rule


_UPPER = _Mapping(_simple(str.upper), _IOTA_BELOW)
_TITLE = _Mapping(_simple(str.title), _IOTA_BELOW)
_LOWER = _Mapping(_simple(str.lower), {0x130: "i"})


def upper(text: str) -> str:
    """Return *text* with each character in upper case."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def lower(text: str) -> str:
    """Return *text* with each character in lower case."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


# What starts a word for the next character: ASCII other than letters, digits and _, and white space.
_FIRST_OF_WORD = re.compile(rf"(?:\A|(?<=[\x00-/:-@\[-^`{{-\x7f{SPACES}])).", re.DOTALL)


def title(text: str) -> str:
    """
    Return *text* with the first character of each word in title case; the others stay.

    A word starts after ASCII other than letters, digits and ``_``, and after white space: ``it's`` has two.
    """
    text = text if text.isascii() else text.translate(_REPLACED)
    return _FIRST_OF_WORD.sub(lambda match: _TITLE[ord(match[0])], text)


_REPLACED = dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT)
