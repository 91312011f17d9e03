"""
What a scalar is: text, a whole number, a number with a fraction, a truth value, a date, or nothing.

The rules are those of the Go library, not of any YAML specification (image format, section 5.3): octal numbers in
the old and the new spelling, underscores anywhere, no sexagesimal numbers.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import date
from typing import NamedTuple

from lxdimage.metadata._yaml._generation import Generation
from lxdimage.metadata._yaml._nodes import Scalar
from lxdimage.metadata._yaml._text import YAMLError

__all__ = ["Resolved", "resolve"]


class Resolved(NamedTuple):
    """
    What a scalar is.

    Attributes:
        tag: ``!!str``, ``!!int``, ``!!float``, ``!!bool``, ``!!null``, ``!!timestamp``, ``!!merge`` or another.
        value: The value; the text of a timestamp and of a scalar whose tag means nothing.
    """

    tag: str
    value: str | int | float | bool | None


_RESOLVABLE = frozenset(("", "!!str", "!!bool", "!!int", "!!float", "!!null", "!!timestamp"))


def resolve(scalar: Scalar, generation: Generation) -> Resolved:
    """
    Return what *scalar* is.

    Raises:
        YAMLError: Its tag claims what it is not.
    """
    tag, text = scalar.tag, scalar.value
    if (not tag or tag == "!") and scalar.style:
        return Resolved("!!str", text)
    if tag == "!!binary":
        return Resolved(tag, _binary(scalar))
    if tag == "!!str" or tag not in _RESOLVABLE:
        return Resolved(tag, text)
    found = _plain(text, tag, generation)
    if not tag or found.tag == tag:
        return found
    if tag == "!!float" and isinstance(found.value, int) and found.tag == "!!int" and found.value < _SIGNED:
        return Resolved(tag, float(found.value))
    raise YAMLError(f"{text!r} is tagged {tag} but is {found.tag}", scalar.start, code="wrong-type")


def _binary(scalar: Scalar) -> str:
    """Return the bytes of *scalar* as text, those that are not UTF-8 as `os.fsdecode` does."""
    try:
        data = base64.b64decode(re.sub("[\r\n]", "", scalar.value), validate=True)
    except (binascii.Error, ValueError):
        raise YAMLError(
            "the value is tagged !!binary but is not base64", scalar.start, code="wrong-type"
        ) from None
    return data.decode("utf-8", "surrogateescape")


def _plain(text: str, tag: str, generation: Generation) -> Resolved:
    """Return what the unquoted *text* is."""
    if (word := generation.words.get(text)) is not None:
        return Resolved(*word)
    if text[:1] == ".":
        number = _float(text) if _AFTER_POINT.fullmatch(text) else None
        return Resolved("!!str", text) if number is None else Resolved("!!float", number)
    if text[:1] in "+-0123456789":
        if tag in ("", "!!timestamp") and _is_timestamp(text):
            return Resolved("!!timestamp", text)
        return _number(text, generation)
    return Resolved("!!str", text)


_AFTER_POINT = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGERS = (
    (re.compile("([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile("([-+]?)0[bB]([01]+)"), 2),
    (re.compile("([-+]?)0[oO]([0-7]+)"), 8),
    (re.compile("([-+]?)0([0-7]+)"), 8),
    (re.compile("([-+]?)(0|[1-9][0-9]{0,19})"), 10),
)
_SIGNED_BINARY = re.compile("0b([-+][01]+)")
_SIGNED = 1 << 63
_UNSIGNED = 1 << 64


def _number(text: str, generation: Generation) -> Resolved:
    digits = text.replace("_", "")
    whole = _integer(digits)
    if whole is None and generation.signed_binary and (signed := _SIGNED_BINARY.fullmatch(digits)):
        whole = _in_range(int(signed[1], 2), _SIGNED)
    if whole is not None:
        return Resolved("!!int", whole)
    if _FLOAT.fullmatch(digits) and (number := _float(digits)) is not None:
        return Resolved("!!float", number)
    return Resolved("!!str", text)


def _integer(digits: str) -> int | None:
    """Return the number if it is one of 64 bits; only one without a sign may use all of them."""
    for pattern, base in _INTEGERS:
        if match := pattern.fullmatch(digits):
            value = int(match[1] + match[2], base)
            return _in_range(value, _SIGNED if match[1] else _UNSIGNED)
    return None


def _in_range(value: int, limit: int) -> int | None:
    return value if -_SIGNED <= value < limit else None


def _float(digits: str) -> float | None:
    """Return the number, or None if it is larger than a float can be."""
    value = float(digits)
    return None if value in (float("inf"), float("-inf")) else value


_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt](?P<zoned>TIME)(?:Z|[-+]([0-9]{2}):([0-9]{2})))|(?: (?P<local>TIME)))?".replace(
        "TIME", r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:[.,][0-9]+)?"
    )
)


def _is_timestamp(text: str) -> bool:
    """Whether the library takes the unquoted *text* for a date, with or without a time."""
    match = _TIMESTAMP.fullmatch(text)
    if not match:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    try:
        date(year or 4, month, day)  # the library knows a year 0, a leap year
    except ValueError:
        return False
    if int(match[5] or 0) > 24 or int(match[6] or 0) > 60:
        return False
    hour, minute, second = re.split("[:.,]", match["zoned"] or match["local"] or "0:0:0")[:3]
    return int(hour) < 24 and int(minute) < 60 and int(second) < 60
