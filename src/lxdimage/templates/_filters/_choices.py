"""Filters that choose between values."""

from __future__ import annotations

from lxdimage.templates._meter import Dialect, FilterCall, FilterError
from lxdimage.templates._values import Value, is_number, length, text, to_int, truth

__all__ = ["default", "default_if_none", "pluralize", "yesno"]


def default(value: Value, param: Value, _call: FilterCall) -> Value:
    """Return *value*, or *param* when it counts as false."""
    return value if truth(value) else param


def default_if_none(value: Value, param: Value, _call: FilterCall) -> Value:
    """Return *value*, or *param* when it is nil."""
    return param if value is None else value


def pluralize(value: Value, param: Value, _call: FilterCall) -> str:
    """
    Return the ending of a noun after a number.

    *param* is the plural's ending, or both endings with a comma between them; ``s`` unless told.
    """
    if not is_number(value):
        raise FilterError("filter 'pluralize' does only work on numbers")
    endings = text(param).split(",") if length(param) else ["s"]
    if len(endings) > 2:
        raise FilterError("you cannot pass more than 2 arguments to filter 'pluralize'")
    if to_int(value) != 1:
        return endings[-1]
    return endings[0] if len(endings) == 2 else ""


_YESNO_TOO_MANY = {
    Dialect.V4: "You cannot pass more than 3 options to the 'yesno'-filter (got: '{}').",
    Dialect.V6: "you cannot pass more than 3 options to the 'yesno'-filter (got: '{}')",
}
_YESNO_TOO_FEW = {
    Dialect.V4: "You must pass either no or at least 2 arguments to the 'yesno'-filter (got: '{}').",
    Dialect.V6: "you must either pass no or at least 2 arguments to the 'yesno'-filter (got: '{}')",
}


def yesno(value: Value, param: Value, call: FilterCall) -> str:
    """Return a word for true, one for false and one for nil."""
    given = text(param)
    words = given.split(",") if given else ["yes", "no", "maybe"]
    if len(words) > 3:
        raise FilterError(_YESNO_TOO_MANY[call.dialect].replace("{}", given))
    if len(words) < 2:
        raise FilterError(_YESNO_TOO_FEW[call.dialect].replace("{}", given))
    if value is None:
        return words[2] if len(words) == 3 else "maybe"
    return words[0] if truth(value) else words[1]
