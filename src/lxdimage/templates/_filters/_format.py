"""Filters that hand their parameter to Go's formatters: ``fmt`` and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from lxdimage.templates._filters._bounds import made, walk
from lxdimage.templates._go import Kind, Operand, UnstableOutputError, format_time, sprintf
from lxdimage.templates._meter import FilterCall, FilterError, Halt
from lxdimage.templates._values import (
    CycleValue,
    Function,
    GoList,
    GoMap,
    NamedString,
    SafeString,
    Struct,
    Uint8,
    Value,
    deref,
    text,
    to_int,
    type_name,
)

__all__ = ["date", "rjust", "stringformat"]


def date(value: Value, param: Value, call: FilterCall) -> str:
    """Return a time in the layout *param*."""
    if type(value) is not datetime:
        raise FilterError("filter input argument must be of type 'time.Time'")
    layout = text(param)
    walk(layout, call)
    return made(format_time(value, layout), call)


def rjust(value: Value, param: Value, call: FilterCall) -> str:
    """Return the text filled up on the left to so many code points; on the right for a negative number."""
    return made(sprintf(f"%{to_int(param)}s", [text(value)], reserve=call.meter.value), call)


def stringformat(value: Value, param: Value, call: FilterCall) -> str:
    """Return *value* printed by the Go format string *param*."""
    template = text(param)
    walk(template, call)
    try:
        return made(sprintf(template, [value], _describe, call.meter.value), call)
    except UnstableOutputError:
        raise Halt("stringformat would print a memory address, which differs at every run") from None


# -- what values are to fmt


def _simple(kind: Kind) -> Callable[[Value], Operand]:
    return lambda value: Operand(kind=kind, type=type_name(value), value=value)


def _map(value: GoMap) -> Operand:
    """Describe a map, whose keys print in ascending order: strings by their bytes."""
    keys = sorted(
        value, key=lambda key: key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
    )
    return Operand(kind=Kind.MAP, type=value.type_name, value={key: value[key] for key in keys})


def _struct(value: Struct) -> Operand:
    name = value.type_name.removeprefix("*")
    nil = Operand(kind=Kind.NIL_POINTER, type=value.type_name)
    fields = {key: nil if field is None else field for key, field in value.fields.items()}
    return Operand(kind=Kind.STRUCT, type=name, value=fields, is_pointer=value.is_pointer)


def _cycle(value: CycleValue) -> Operand:
    """Describe a ``cycle`` variable: it has a method that gives its text, and holds pointers."""
    return Operand(kind=Kind.ADDRESS, type=value.type_name, text=text(value))


_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)


def _time(value: datetime) -> Operand:
    """Describe a time: under verbs that its methods do not serve, Go shows its three hidden fields."""
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    location = Kind.NIL_POINTER if moment.tzinfo is UTC else Kind.ADDRESS
    fields = {
        "wall": Operand(kind=Kind.UNSIGNED, type="uint64", value=moment.microsecond * 1000),
        "ext": Operand(kind=Kind.INTEGER, type="int64", value=(moment - _YEAR_ONE) // timedelta(seconds=1)),
        "loc": Operand(kind=location, type="*time.Location"),
    }
    return Operand(
        kind=Kind.STRUCT, type="time.Time", value=fields, text=text(value), source=_time_source(value)
    )


def _time_source(value: datetime) -> str:
    """Return a time as the Go expression that makes it."""
    zone = "time.UTC" if value.tzinfo in (None, UTC) else 'time.Location("")'
    return (
        f"time.Date({value.year}, time.{value:%B}, {value.day}, {value.hour}, {value.minute}, {value.second}, "
        f"{value.microsecond * 1000}, {zone})"
    )


_DESCRIPTIONS: dict[type, Callable[[Value], Operand]] = {
    Operand: lambda value: value,
    type(None): _simple(Kind.NIL),
    bool: _simple(Kind.BOOL),
    int: _simple(Kind.INTEGER),
    Uint8: _simple(Kind.UNSIGNED),
    float: _simple(Kind.FLOAT),
    str: _simple(Kind.STRING),
    SafeString: _simple(Kind.STRING),
    NamedString: _simple(Kind.STRING),
    GoList: _simple(Kind.LIST),
    GoMap: _map,
    Struct: _struct,
    CycleValue: _cycle,
    datetime: _time,
    Function: _simple(Kind.ADDRESS),
}


def _describe(value: Value) -> Operand:
    value = deref(value)
    return _DESCRIPTIONS[type(value)](value)
