"""
What operators mean, by Go's rules: comparison, arithmetic, membership, negation.

Every function takes values as they are, `Live` ones included, and returns a value.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from lxdimage.templates._go import power, wrap
from lxdimage.templates._values import (
    Dialect,
    Function,
    GoList,
    GoMap,
    NamedString,
    Panic,
    Struct,
    Uint8,
    Value,
    deref,
    is_float,
    is_string,
    normal,
    raw,
    text,
    to_float,
    to_int,
    truth,
    type_name,
)

__all__ = ["OPERATORS", "Operator", "contains", "equal", "minus", "negate", "ordering"]

Operator = Callable[[Value, Value], Value]


# -- equality


def equal(left: Value, right: Value) -> bool:
    """
    Tell whether two values are equal: of the same Go type and value.

    Integers of any width compare by value, structs behind a pointer by identity.

    Raises:
        Panic: When both are of one type that Go cannot compare, such as two maps.
    """
    left, right = deref(left), deref(right)
    kind = type(left)
    if kind is str and type(right) is str:
        return bool(left == right)
    if kind in {int, Uint8}:
        return type(right) in {int, Uint8} and bool(left == right)
    if kind is datetime and type(right) is datetime:
        return _moment(left) == _moment(right)
    if type_name(left) != type_name(right):
        return False
    if kind in {GoList, GoMap, Function} or (isinstance(left, Struct) and not left.is_pointer):
        raise Panic(f"runtime error: comparing uncomparable type {type_name(left)}")
    return left is right if isinstance(left, Struct) else bool(left == right)


def _moment(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


# -- order


def _ordered(compare: Callable[[Any, Any], bool]) -> Operator:
    """Return the comparison of times, of floats when either side is one, and else of integers."""

    def apply(left: Value, right: Value) -> bool:
        left, right = deref(left), deref(right)
        if is_float(left) or is_float(right):
            return compare(to_float(left), to_float(right))
        if type(left) is datetime and type(right) is datetime:
            return compare(_moment(left), _moment(right))
        return compare(to_int(left), to_int(right))

    return apply


def ordering(value: Value) -> tuple[int, int | float | bytes]:
    """Return the key by which ``sorted`` orders: integers and floats by value among themselves, the rest by text."""
    value = deref(value)
    if type(value) in {int, Uint8}:
        return 0, int(value)
    if type(value) is float:
        return 1, value
    return 2, raw(text(value))


# -- membership


def contains(container: Value, value: Value) -> bool:
    """
    Tell whether *value* is in *container*: a substring, a key, an element or a field.

    Raises:
        Panic: For a key of a type that the map cannot have, and for elements that Go cannot compare.
    """
    container, value = deref(container), deref(value)
    if is_string(container):
        return _holds(container, text(value))
    if type(container) is GoList:
        return any(equal(value, element) for element in container)
    if type(container) is GoMap:
        return _has_key(container, value)
    if isinstance(container, Struct):
        name = text(value)
        return name in container.fields or name in container.hidden
    return False


def _holds(whole: str, piece: str) -> bool:
    """Look for the bytes of *piece*; one that ends inside a character cannot be found as text."""
    if piece.isascii() or piece == piece.encode("utf-8", "ignore").decode():
        return piece in whole
    return raw(piece) in raw(whole)


def _has_key(container: GoMap, key: Value) -> bool:
    if type(key) is bool or not isinstance(key, int | str) or isinstance(key, NamedString | Uint8):
        return False
    wanted = int if container.type_name.startswith("map[int]") else str
    if not isinstance(key, wanted):
        kinds = "int", "string"
        given, taken = kinds if wanted is str else kinds[::-1]
        raise Panic(f"reflect.Value.MapIndex: value of type {given} is not assignable to type {taken}")
    return key in container


# -- arithmetic


def _arithmetic(
    whole: Callable[[int, int], int], broken: Callable[[float, float], float]
) -> Callable[[Value, Value], int | float]:
    def apply(left: Value, right: Value) -> int | float:
        if is_float(left) or is_float(right):
            return broken(to_float(left), to_float(right))
        return wrap(whole(to_int(left), to_int(right)))

    return apply


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise Panic("runtime error: integer divide by zero")
    result = abs(left) // abs(right)
    return result if (left < 0) == (right < 0) else -result


def _float_quotient(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _remainder(left: Value, right: Value) -> int:
    dividend, divisor = to_int(left), to_int(right)
    return dividend - _quotient(dividend, divisor) * divisor


def _power(left: Value, right: Value) -> float:
    return power(to_float(left), to_float(right))


_plus = _arithmetic(operator.add, operator.add)


def _plus_or_join(left: Value, right: Value) -> Value:
    if is_string(left) or is_string(right):
        return normal(text(left) + text(right))
    return _plus(left, right)


def _unequal(left: Value, right: Value) -> bool:
    return not equal(left, right)


def _in(left: Value, right: Value) -> bool:
    return contains(right, left)


_SHARED: dict[str, Operator] = {
    "==": equal,
    "!=": _unequal,
    "<>": _unequal,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _in,
    "+": _plus,
    "-": _arithmetic(operator.sub, operator.sub),
    "*": _arithmetic(operator.mul, operator.mul),
    "/": _arithmetic(_quotient, _float_quotient),
    "%": _remainder,
    "^": _power,
}

OPERATORS: Mapping[Dialect, Mapping[str, Operator]] = MappingProxyType(
    {Dialect.V4: _SHARED, Dialect.V6: _SHARED | {"+": _plus_or_join}}
)


# -- one operand


def negate(value: Value) -> Value:
    """Return what ``not`` and ``!`` give: a number for a number, a bool for the rest."""
    value = deref(value)
    if type(value) in {int, Uint8}:
        return 0 if value else 1
    if type(value) is float:
        return 0.0 if value != 0.0 else 1.1
    return not truth(value)


def minus(value: Value) -> int | float | None:
    """Return the negative of a number; None when *value* is none."""
    value = deref(value)
    if type(value) is float:
        return -1 * value
    if type(value) in {int, Uint8}:
        return wrap(-int(value))
    return None
