"""What a caller of the bare language passes, as template values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from lxdimage.templates._source import string
from lxdimage.templates._values import (
    EngineError,
    Function,
    GoList,
    GoMap,
    NamedString,
    NilPointer,
    SafeString,
    Struct,
    Uint8,
    Value,
    deref,
)

__all__ = ["UnfitValueError", "adopt"]

_LARGEST = (1 << 63) - 1
_DEEPEST = 50


class UnfitValueError(Exception):
    """A value from outside has no counterpart in the language."""


_READY = frozenset(
    {
        type(None),
        bool,
        float,
        datetime,
        GoList,
        GoMap,
        NamedString,
        SafeString,
        Uint8,
        Function,
        Struct,
        NilPointer,
    }
)


def adopt(value: Any, depth: int = 0) -> Value:
    """
    Return *value* as a template value.

    Raises:
        UnfitValueError: For what the language has no type for, integers beyond 64 bits, and nesting without end.
    """
    kind = type(value)
    if kind is str:
        return string(value)
    if kind in _READY:
        return value
    if depth > _DEEPEST:
        raise UnfitValueError(f"a value is nested more than {_DEEPEST} levels deep")
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value, depth)
    if callable(value):
        return _function(value)
    raise UnfitValueError(f"{kind.__name__!r} has no counterpart in templates")


def _text(value: str, _depth: int) -> str:
    plain = string(str.__str__(value))
    return SafeString(plain) if hasattr(value, "__html__") else plain


def _list(value: Iterable[Any], depth: int) -> GoList:
    items = [adopt(item, depth + 1) for item in value]
    return GoList(items, f"[]{_element_type(items)}")


_ELEMENT_TYPES: Mapping[type, str] = {bool: "bool", float: "float64", int: "int", str: "string"}


def _element_type(items: Iterable[Value]) -> str:
    """
    Return the type of the elements as a Go program would declare it.

    It shows: the engine sorts a list of strings, and not one of anything.
    """
    kinds = {type(item) for item in items}
    return _ELEMENT_TYPES.get(kinds.pop(), "interface {}") if len(kinds) == 1 else "interface {}"


def _integer(value: int, _depth: int = 0) -> int:
    if -_LARGEST - 1 <= value <= _LARGEST:
        return int(value)
    raise UnfitValueError("an integer does not fit in 64 bits")


def _moment(value: datetime, _depth: int) -> datetime:
    return datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    )


def _map(value: Mapping[Any, Any], depth: int) -> GoMap:
    """Convert a map: by integers when all keys are, by strings when all keys are."""
    items = {_key(key): adopt(item, depth + 1) for key, item in value.items()}
    kinds = {type(key) for key in items}
    if len(kinds) > 1:
        raise UnfitValueError("a map has keys of more than one type")
    key = "int" if kinds == {int} else "string"
    return GoMap(items, f"map[{key}]{_element_type(items.values())}")


def _key(key: Any) -> int | str:
    if isinstance(key, int) and not isinstance(key, bool):
        return _integer(key)
    if isinstance(key, str | bytes):
        return string(key)
    raise UnfitValueError(f"a map has a key of type {type(key).__name__!r}")


_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any, int], Value]], ...] = (
    (bool, lambda value, _: bool(value)),
    (int, _integer),
    (float, lambda value, _: float(value)),
    (str, _text),
    ((bytes, bytearray), lambda value, _: string(bytes(value))),
    (datetime, _moment),
    ((list, tuple), _list),
    (Mapping, _map),
)


# -- functions


def _function(value: Callable[..., Any]) -> Function:
    """Wrap a Python callable: it gets plain values, and what it raises is an error of the template."""
    least, most = _arity(value)

    def call(arguments: list[Value]) -> Value:
        try:
            return adopt(value(*map(_outward, arguments)))
        except (EngineError, UnfitValueError):
            raise
        except Exception as error:
            kind = type(error).__name__
            raise EngineError(str(error) or kind, plain=f"a function raises {kind}: {error}") from error

    return Function(call, least, most)


def _outward(value: Value) -> Value:
    value = deref(value)
    return None if type(value) is NilPointer else value


def _arity(value: Callable[..., Any]) -> tuple[int, int | None]:
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return 0, None
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    least = sum(p.default is p.empty for p in positional)
    endless = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    return least, None if endless else len(positional)
