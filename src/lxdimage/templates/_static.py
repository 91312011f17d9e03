"""What is known about an expression's type before anything is rendered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum

from lxdimage.templates import _syntax as syntax

__all__ = ["Static", "static_type"]


class Static(Enum):
    """The type of an expression, when it is not nil; the value says it in words."""

    BOOL = "a truth value"
    BYTE = "a byte"
    FLOAT = "a number with a fraction"
    INTEGER = "a whole number"
    TEXT = "a text"
    TRIGGER = "the trigger"


_LITERALS: Mapping[type, Static] = {
    bool: Static.BOOL,
    float: Static.FLOAT,
    int: Static.INTEGER,
    str: Static.TEXT,
}

# Filters whose results have one type, whatever they get.
_RESULTS: Mapping[str, Static] = {
    **dict.fromkeys(["divisibleby", "length_is"], Static.BOOL),
    **dict.fromkeys(["integer", "length", "wordcount"], Static.INTEGER),
    "float": Static.FLOAT,
    **dict.fromkeys(
        [
            *("addslashes", "capfirst", "cut", "escape", "linebreaksbr", "linenumbers", "ljust", "lower"),
            *("removetags", "rjust", "stringformat", "striptags", "title", "truncatechars", "truncatewords"),
            *("upper", "urlencode", "urlize", "yesno"),
        ],
        Static.TEXT,
    ),
}

# Filters that hand their input on, or something of its type.
_TRANSPARENT = frozenset({"safe"})


def static_type(expression: syntax.Expression, bound: Collection[str]) -> Static | None:
    """
    Return the type of *expression*, or None when it is not known.

    Args:
        expression: What is asked about.
        bound: Names that the template binds itself, of which nothing is known.
    """
    match expression:
        case syntax.Literal(value=value):
            return _LITERALS[type(value)]
        case syntax.Lookup():
            return None if expression.token.value in bound else _of_lookup(expression, bound)
        case syntax.Filtered(operand=operand, filters=filters):
            telling = [use.name for use in filters if use.name not in _TRANSPARENT]
            return _RESULTS.get(telling[-1]) if telling else static_type(operand, bound)
        case syntax.Signed(negated=False, operand=operand):
            kind = static_type(operand, bound)
            return kind if kind in {Static.INTEGER, Static.FLOAT} else None
        case syntax.Compare() | syntax.Logic():
            return Static.BOOL
        case _:
            return None


def _of_lookup(lookup: syntax.Lookup, bound: Collection[str]) -> Static | None:
    """Return the type of one of the daemons' variables."""
    name, depth = lookup.token.value, len(lookup.parts)
    if lookup.subscript is not None:
        return None
    if name == "config_get":
        return _of_call(lookup, bound)
    if any(part.arguments is not None for part in lookup.parts):
        return None
    if any(isinstance(part.name, int) or part.name[:1].isupper() for part in lookup.parts[1:]):
        return None  # an element or a method
    match name, depth:
        case "trigger", 1:
            return Static.TRIGGER
        case "path", 1:
            return Static.TEXT
        case ("instance" | "container" | "config" | "properties", 2) | ("devices", 3):
            return Static.TEXT
    return None


def _of_call(lookup: syntax.Lookup, bound: Collection[str]) -> Static | None:
    """Return the type of what ``config_get`` gives: a text, unless its default is something else."""
    arguments = lookup.parts[0].arguments or ()
    if len(lookup.parts) > 1 or len(arguments) != 2:
        return None
    return Static.TEXT if static_type(arguments[1], bound) is Static.TEXT else None
