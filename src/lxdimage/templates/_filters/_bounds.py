"""The one way in which filters hand out text that they made: within the limits, and with its bytes in order."""

from __future__ import annotations

from lxdimage.templates._meter import FilterCall
from lxdimage.templates._values import normal, raw

__all__ = ["made", "replaced", "walk"]

# What a loop in Python takes for a character, in characters of a string method.
_LOOP = 8


def walk(text: str, call: FilterCall) -> None:
    """Take the steps of a loop over *text* that looks at every character."""
    call.meter.work(_LOOP * len(text))


def made(text: str, call: FilterCall) -> str:
    """
    Return *text* as a value, checked against the limits.

    For results that are at most some times as long as their input; what grows with a parameter is checked before.
    """
    call.meter.value(len(text))
    return normal(text)


def replaced(text: str, old: str, new: str) -> str:
    """
    Return *text* with each *old* replaced, comparing bytes.

    A character's first bytes can be searched for, and then they are found within the character.
    """
    if old.isascii() or old in text:
        return text.replace(old, new)
    try:
        old.encode()
    except UnicodeEncodeError:
        return raw(text).replace(raw(old), raw(new)).decode("utf-8", "surrogateescape")
    return text
