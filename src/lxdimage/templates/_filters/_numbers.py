"""Filters that work on numbers, and on strings as numbers."""

from __future__ import annotations

from lxdimage.templates._filters._bounds import made
from lxdimage.templates._go import float_to_int, format_float, wrap
from lxdimage.templates._meter import FilterCall
from lxdimage.templates._values import Uint8, Value, is_float, is_number, raw, text, to_float, to_int

__all__ = ["add", "divisibleby", "float_", "floatformat", "get_digit", "integer"]

# The most digits that a float has before its point.
_WHOLE_DIGITS = 310


def add(value: Value, param: Value, call: FilterCall) -> Value:
    """Return the sum of two numbers, or two strings joined."""
    if is_number(value) and is_number(param):
        if is_float(value) or is_float(param):
            return to_float(value) + to_float(param)
        return wrap(to_int(value) + to_int(param))
    return made(text(value) + text(param), call)


def divisibleby(value: Value, param: Value, _call: FilterCall) -> bool:
    """Tell whether *param* divides *value*; zero divides nothing."""
    divisor = to_int(param)
    return divisor != 0 and to_int(value) % divisor == 0


def float_(value: Value, _param: Value, _call: FilterCall) -> float:
    """Return *value* as a float."""
    return to_float(value)


def integer(value: Value, _param: Value, _call: FilterCall) -> int:
    """Return *value* as an integer."""
    return to_int(value)


def floatformat(value: Value, param: Value, call: FilterCall) -> Value:
    """
    Return a number with so many decimals.

    A whole number stays without decimals, unless *param* is a number above zero.
    """
    number = to_float(value)
    decimals = -1 if param is None else to_int(param)
    is_trimmed = decimals <= 0 or not is_number(param)
    if is_trimmed and float_to_int(number) == number:
        return to_int(value)
    decimals = wrap(-decimals) if decimals <= 0 else decimals
    call.meter.value(_WHOLE_DIGITS + max(decimals, 0))
    return format_float(number, "f", max(decimals, -1))


def get_digit(value: Value, param: Value, call: FilterCall) -> Value:
    """Return a digit, counted from the right and from 1: the byte there less that of ``0``; else *value*."""
    data = raw(text(value))
    call.meter.work(len(data))
    place = to_int(param)
    return Uint8((data[-place] - ord("0")) % 256) if 1 <= place <= len(data) else value
