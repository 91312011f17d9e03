"""
What template values are and what they convert to, by Go's rules.

A value is a plain Python object: None is nil, then bool, int (64 bits, signed), float, `str`, `GoList`, `GoMap`,
`datetime` (a time.Time), `Function`, and the wrappers below for what Python has no word for.  No other type occurs:
`lxdimage.templates._context` converts what comes from outside.  So every operation is a table from exact type
to function, with the common types asked first; a bool is never mistaken for an int.

A `str` is a Go string, that is bytes: bytes that are not UTF-8 are carried as `surrogateescape` does.  Pieces that
are put together pass through `normal`, since two of them may complete a character; nothing else may hold
surrogates that would decode.  `runes` gives the code points as Go's conversion to runes does.

A `Live` stands wherever a value can stand.  Every function here takes one; filters never see one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Self, TypeAlias

from lxdimage.templates._go import float_to_int, format_time, parse_float, wrap
from lxdimage.templates._meter import (
    Chance,
    Dialect,
    EngineError,
    FilterCall,
    FilterError,
    Halt,
    Meter,
    Panic,
)

__all__ = [
    "Chance",
    "CycleValue",
    "Dialect",
    "EngineError",
    "Filter",
    "FilterCall",
    "FilterError",
    "Function",
    "GoList",
    "GoMap",
    "Halt",
    "Live",
    "Meter",
    "NamedString",
    "NilPointer",
    "Panic",
    "SafeString",
    "Struct",
    "Uint8",
    "Value",
    "deref",
    "elements",
    "from_raw",
    "is_float",
    "is_integer",
    "is_number",
    "is_sliceable",
    "is_string",
    "kind_name",
    "length",
    "normal",
    "raw",
    "runes",
    "text",
    "to_float",
    "to_int",
    "truth",
    "type_name",
    "wrap",
]

Value: TypeAlias = Any
Filter: TypeAlias = Callable[[Value, Value, FilterCall], Value]


class Uint8(int):
    """A byte: what an index into a string and `get_digit` give.  It equals any integer of its value."""

    __slots__ = ()


class NamedString(str):
    """A string of a defined Go type: it never equals a plain string, and is no map key."""

    __slots__ = ("type_name",)
    type_name: str

    def __new__(cls, value: str, type_name: str) -> Self:
        self = super().__new__(cls, value)
        self.type_name = type_name
        return self


class SafeString(str):
    """A string that automatic escaping leaves alone; in all else a plain one."""

    __slots__ = ()


class GoList(list[Value]):
    """A list with its Go type; `[]string` unless told.  Treat it as immutable."""

    __slots__ = ("type_name",)

    def __init__(self, items: Iterable[Value] = (), type_name: str = "[]string") -> None:
        super().__init__(items)
        self.type_name = type_name


class GoMap(dict[Any, Value]):
    """A map with its Go type, with keys of one kind.  Treat it as immutable."""

    __slots__ = ("type_name",)

    def __init__(self, items: Any = (), type_name: str = "map[string]string") -> None:
        super().__init__(items)
        self.type_name = type_name


class Struct:
    """
    A Go struct, or a pointer to one.

    Attributes:
        type_name: As Go prints the type, with the star of a pointer.
        fields: Exported fields in order; they may change while it is in use.
        hidden: Names of the unexported fields, which only `in` sees.
    """

    __slots__ = ("fields", "hidden", "type_name")

    def __init__(
        self, type_name: str, fields: dict[str, Value], hidden: frozenset[str] = frozenset()
    ) -> None:
        self.type_name = type_name
        self.fields = fields
        self.hidden = hidden

    @property
    def is_pointer(self) -> bool:
        """Whether values compare by identity."""
        return self.type_name.startswith("*")


class CycleValue(Struct):
    """
    What ``cycle ... as NAME`` stores: it prints as its value, and another ``cycle`` can move it on.

    Attributes:
        owner: The number of the tag that made it.
        value: Its present value.
    """

    __slots__ = ("owner", "value")

    def __init__(self, owner: int, value: Value) -> None:
        super().__init__("*pongo2.tagCycleValue", {}, frozenset({"node", "value"}))
        self.owner = owner
        self.value = value


class Function:
    """
    A Go function that a template may call.

    Attributes:
        call: Takes the arguments as a list, `Live` ones included, and returns a value.
        least: The fewest arguments.
        most: The most arguments, or None.
        types: The Go types of the parameters, which arguments must have exactly; None when it takes any value.
        results: Whether it has one or two results; another number makes every call an error.
    """

    __slots__ = ("call", "least", "most", "results", "types")

    def __init__(
        self,
        call: Callable[[list[Value]], Value],
        least: int,
        most: int | None,
        *,
        types: tuple[str, ...] | None = None,
        results: bool = True,
    ) -> None:
        self.call = call
        self.least = least
        self.most = most
        self.types = types
        self.results = results


class NilPointer:
    """A pointer of a Go type that points nowhere: nil in all but its type, which keeps it from equalling nil."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str) -> None:
        self.type_name = type_name


class Live:
    """A field of a struct that was stored without being computed: it follows the struct's changes."""

    __slots__ = ("fields", "name")

    def __init__(self, fields: dict[str, Value], name: str) -> None:
        self.fields = fields
        self.name = name

    @property
    def value(self) -> Value:
        """The field as it is now."""
        return self.fields[self.name]


def deref(value: Value) -> Value:
    """Return the present value of a `Live`, anything else as it is."""
    return value.value if type(value) is Live else value


# -- bytes and code points


def raw(value: str) -> bytes:
    """Return the bytes of a string."""
    return value.encode("utf-8", "surrogateescape")


def from_raw(data: bytes) -> str:
    """Return the string of some bytes."""
    return data.decode("utf-8", "surrogateescape")


def normal(value: str) -> str:
    """Return *value* with pieces decoded that together are UTF-8; for whatever was put together or cut."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return from_raw(raw(value))
    return value


_REPLACE = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def runes(value: str) -> str:
    """Return a plain string with one character a code point: each byte that is not UTF-8 is U+FFFD."""
    if value.isascii():
        return str(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.translate(_REPLACE)
    return str(value)


# -- kinds

_STRINGS = frozenset({str, SafeString, NamedString})


def is_string(value: Value) -> bool:
    """Tell whether *value* is a string of any type."""
    return type(deref(value)) in _STRINGS


def is_float(value: Value) -> bool:
    """Tell whether *value* is a float."""
    return type(deref(value)) is float


def is_integer(value: Value) -> bool:
    """Tell whether *value* is an integer of any width; a bool is none."""
    kind = type(deref(value))
    return kind is int or kind is Uint8


def is_number(value: Value) -> bool:
    """Tell whether *value* is an integer or a float."""
    return is_integer(value) or is_float(value)


def is_sliceable(value: Value) -> bool:
    """Tell whether *value* is a string or a list."""
    kind = type(deref(value))
    return kind in _STRINGS or kind is GoList


_KIND_NAMES: dict[type, str] = {
    type(None): "invalid",
    bool: "bool",
    int: "int",
    Uint8: "uint8",
    float: "float64",
    str: "string",
    SafeString: "string",
    NamedString: "string",
    GoList: "slice",
    GoMap: "map",
    datetime: "struct",
    Function: "func",
    NilPointer: "ptr",
}


def kind_name(value: Value) -> str:
    """Return Go's name of the kind of *value*, as errors show it."""
    value = deref(value)
    if isinstance(value, Struct):
        return "ptr" if value.is_pointer else "struct"
    return _KIND_NAMES[type(value)]


_TYPE_NAMES: dict[type, str] = _KIND_NAMES | {
    type(None): "<nil>",
    datetime: "time.Time",
    Function: "func(...*pongo2.Value) *pongo2.Value",
}


def type_name(value: Value) -> str:
    """Return Go's name of the type of *value*, as ``%T`` shows it."""
    value = deref(value)
    if type(value) in {NamedString, NilPointer, GoList, GoMap} or isinstance(value, Struct):
        return str(value.type_name)
    return _TYPE_NAMES[type(value)]


# -- the string form


def _float_text(value: float) -> str:
    if value != value:  # noqa: PLR0124 - the test for NaN
        return "NaN"
    if value in (math.inf, -math.inf):
        return "+Inf" if value > 0 else "-Inf"
    return f"{value:.6f}"


def _shown_type(value: Value) -> str:
    return f"<{str(value.type_name).lstrip('*')} Value>"


def _time_text(value: datetime) -> str:
    return format_time(value, "2006-01-02 15:04:05.999999999 -0700 MST")


_TEXT: dict[type, Callable[[Value], str]] = {
    type(None): lambda _: "",
    bool: lambda value: "True" if value else "False",
    int: str,
    Uint8: lambda value: str(int(value)),
    float: _float_text,
    str: lambda value: value,
    SafeString: str,
    NamedString: str,
    GoList: _shown_type,
    GoMap: _shown_type,
    Struct: _shown_type,
    CycleValue: lambda value: text(value.value),
    datetime: _time_text,
    Function: lambda value: f"<{type_name(value)} Value>",
    NilPointer: lambda _: "",
    Live: lambda value: text(value.value),
}


def text(value: Value) -> str:
    """Return the string form of *value* as a plain string: what printing shows and what filters work on."""
    kind = type(value)
    return value if kind is str else _TEXT[kind](value)


# -- truth and length


def _always(answer: bool) -> Callable[[Value], bool]:  # noqa: FBT001 - it is the value, not a switch
    return lambda _: answer


_TRUTH: dict[type, Callable[[Value], bool]] = {
    type(None): _always(False),
    Function: _always(False),
    NilPointer: _always(False),
    Struct: _always(True),
    CycleValue: _always(True),
    datetime: _always(True),
    Live: lambda value: truth(value.value),
}


def truth(value: Value) -> bool:
    """Tell whether *value* counts as true: not nil, zero, empty or a function."""
    rule = _TRUTH.get(type(value))
    return rule(value) if rule else bool(value)


_MEASURED = _STRINGS | {GoList, GoMap}


def length(value: Value) -> int:
    """Return the number of code points, elements or entries; 0 for all that has no length, numbers too."""
    value = deref(value)
    return len(value) if type(value) in _MEASURED else 0


def elements(value: Value) -> str | list[Value]:
    """Return the code points of a string, or the list: what `is_sliceable` allows."""
    value = deref(value)
    return value if type(value) is GoList else runes(value)


# -- numbers


def _read_int(value: str) -> int:
    return float_to_int(parse_float(value) or 0.0)


def _read_float(value: str) -> float:
    number = parse_float(value)
    return 0.0 if number is None else number


_TO_INT: dict[type, Callable[[Value], int]] = {
    int: lambda value: value,
    Uint8: int,
    float: float_to_int,
    str: _read_int,
    SafeString: _read_int,
    NamedString: _read_int,
    Live: lambda value: to_int(value.value),
}


def _zero(_: Value) -> int:
    return 0


def to_int(value: Value) -> int:
    """Return *value* as an integer: strings pass through a float; 0 for what is no number."""
    return _TO_INT.get(type(value), _zero)(value)


_TO_FLOAT: dict[type, Callable[[Value], float]] = {
    int: float,
    Uint8: float,
    float: lambda value: value,
    str: _read_float,
    SafeString: _read_float,
    NamedString: _read_float,
    Live: lambda value: to_float(value.value),
}


def to_float(value: Value) -> float:
    """Return *value* as a float; 0.0 for what is no number."""
    return float(_TO_FLOAT.get(type(value), _zero)(value))
