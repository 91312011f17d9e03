"""
How one value of any kind prints under a verb: lists, maps and structs by their elements, the rest by `_verbs`.

A value is a Python object; *describe* tells what it is in Go.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import attrs

from lxdimage.templates._go._verbs import (
    Flags,
    format_bool,
    format_float_verb,
    format_integer,
    format_string,
    pad,
)

__all__ = ["Describe", "Kind", "Operand", "Output", "Printer", "UnstableOutputError", "describe_plain"]


class UnstableOutputError(Exception):
    """The output would hold a memory address, which differs at every run."""


class Kind(Enum):
    """What a value is underneath its type."""

    NIL = auto()
    BOOL = auto()
    INTEGER = auto()
    UNSIGNED = auto()
    FLOAT = auto()
    STRING = auto()
    LIST = auto()
    MAP = auto()
    STRUCT = auto()
    NIL_POINTER = auto()
    ADDRESS = auto()


@attrs.frozen(kw_only=True)
class Operand:
    """
    What ``fmt`` knows of a value.

    Attributes:
        kind: Decides which verbs suit it.
        type: Go's name of the type; without the star for a pointer to a struct.
        value: The bool, number or string; a list; a mapping in the order of its keys; or a struct's fields by name.
        is_pointer: Whether it is a pointer to the struct.
        text: What its ``String`` method gives.
        source: What its ``GoString`` method gives.
    """

    kind: Kind
    type: str
    value: Any = None
    is_pointer: bool = False
    text: str | None = None
    source: str | None = None

    @property
    def type_name(self) -> str:
        """The type as ``%T`` shows it."""
        return f"*{self.type}" if self.is_pointer else self.type


Describe = Callable[[object], Operand]

_NIL = Operand(kind=Kind.NIL, type="<nil>")


_PLAIN = {
    type(None): _NIL,
    bool: Operand(kind=Kind.BOOL, type="bool"),
    int: Operand(kind=Kind.INTEGER, type="int"),
    float: Operand(kind=Kind.FLOAT, type="float64"),
    str: Operand(kind=Kind.STRING, type="string"),
    list: Operand(kind=Kind.LIST, type="[]interface {}"),
    dict: Operand(kind=Kind.MAP, type="map[string]interface {}"),
}


def describe_plain(value: object) -> Operand:
    """Describe a value of a built-in Python type as its nearest Go type."""
    if isinstance(value, Operand):
        return value
    plain = _PLAIN.get(type(value), Operand(kind=Kind.ADDRESS, type=type(value).__name__))
    return attrs.evolve(plain, value=value)


class Output:
    """Collect the result, and announce its growth."""

    _UNANNOUNCED = 512

    def __init__(self, reserve: Callable[[int], None]) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._announced = self._UNANNOUNCED
        self._reserve = reserve

    def expect(self, size: int) -> None:
        """Announce that *size* more characters may come."""
        total = self._size + size
        if total > 2 * self._announced:
            self._announced = total
            self._reserve(total)

    def write(self, text: str) -> None:
        self.expect(len(text))
        self._size += len(text)
        self._parts.append(text)

    def text(self) -> str:
        return "".join(self._parts)


class Printer:
    """Print operands into an output."""

    def __init__(self, out: Output, describe: Describe) -> None:
        self._out = out
        self._describe = describe
        self._in_bad_verb = False

    def print(self, flags: Flags, operand: Operand, verb: str) -> None:
        """Print a whole argument under *verb*."""
        if operand.kind is Kind.NIL:
            if verb in "vT":
                self._pad(flags, "<nil>")
            else:
                self._bad_verb(flags, operand, verb)
        elif verb == "T":
            self._pad(flags, operand.type_name[: flags.precision])
        elif verb == "p":
            self._pointer(flags, operand)
        elif verb == "w" and operand.kind in _COMPOUND:
            self._bad_verb(flags, operand, verb)
        else:
            self._value(flags, operand, verb, 0)

    def print_typed(self, flags: Flags, operand: Operand) -> None:
        """Print an argument with its type, as ``int=5``."""
        if operand.kind is Kind.NIL:
            self._out.write("<nil>")
            return
        self._out.write(f"{operand.type_name}=")
        self._value(flags, operand, "v", 0)

    def _bad_verb(self, flags: Flags, operand: Operand, verb: str) -> None:
        self._out.write(f"%!{verb}(")
        self._in_bad_verb = True
        self.print_typed(flags, operand)
        self._in_bad_verb = False
        self._out.write(")")

    def _pad(self, flags: Flags, text: str) -> None:
        self._out.expect(flags.width)
        self._out.write(pad(flags, text))

    def _pointer(self, flags: Flags, operand: Operand) -> None:
        if operand.kind in {Kind.LIST, Kind.MAP, Kind.ADDRESS} or operand.is_pointer:
            raise UnstableOutputError
        self._bad_verb(flags, operand, "p")

    def _value(self, flags: Flags, operand: Operand, verb: str, depth: int) -> None:
        if not self._in_bad_verb and self._by_method(flags, operand, verb):
            return
        match operand.kind:
            case Kind.LIST:
                self._list(flags, operand, verb, depth)
            case Kind.MAP:
                self._map(flags, operand, verb, depth)
            case Kind.STRUCT:
                self._struct(flags, operand, verb, depth)
            case Kind.NIL:
                self._out.write("interface {}(nil)" if flags.go_syntax else "<nil>")
            case Kind.NIL_POINTER:
                self._nil_pointer(flags, operand, verb)
            case Kind.ADDRESS:
                raise UnstableOutputError
            case _:
                self._simple(flags, operand, verb)

    def _by_method(self, flags: Flags, operand: Operand, verb: str) -> bool:
        """Print by the value's own method where Go does, and tell whether it did."""
        if flags.go_syntax and verb == "v":
            if operand.source is not None:
                self._pad(flags, operand.source[: flags.precision])
            return operand.source is not None
        if operand.text is None or verb not in "vsxXq":
            return False
        self._out.write(format_string(flags, operand.text, verb) or "")
        return True

    def _simple(self, flags: Flags, operand: Operand, verb: str) -> None:
        size = len(operand.value) if operand.kind is Kind.STRING else flags.precision or 0
        self._out.expect(max(flags.width, size))
        text = self._simple_text(flags, operand, verb)
        if text is None:
            self._bad_verb(flags, operand, verb)
        else:
            self._out.write(text)

    def _simple_text(self, flags: Flags, operand: Operand, verb: str) -> str | None:
        match operand.kind:
            case Kind.BOOL:
                return format_bool(flags, operand.value, verb)
            case Kind.FLOAT:
                return format_float_verb(flags, operand.value, verb)
            case Kind.STRING:
                return format_string(flags, operand.value, verb)
            case _:
                return format_integer(flags, operand.value, verb, unsigned=operand.kind is Kind.UNSIGNED)

    def _list(self, flags: Flags, operand: Operand, verb: str, depth: int) -> None:
        opening, separator, closing = (operand.type + "{", ", ", "}") if flags.go_syntax else ("[", " ", "]")
        self._out.write(opening)
        for count, element in enumerate(operand.value):
            self._out.write(separator if count else "")
            self._value(flags, self._describe(element), verb, depth + 1)
        self._out.write(closing)

    def _map(self, flags: Flags, operand: Operand, verb: str, depth: int) -> None:
        opening, separator, closing = (
            (operand.type + "{", ", ", "}") if flags.go_syntax else ("map[", " ", "]")
        )
        self._out.write(opening)
        for count, (key, element) in enumerate(operand.value.items()):
            self._out.write(separator if count else "")
            self._value(flags, self._describe(key), verb, depth + 1)
            self._out.write(":")
            self._value(flags, self._describe(element), verb, depth + 1)
        self._out.write(closing)

    def _struct(self, flags: Flags, operand: Operand, verb: str, depth: int) -> None:
        if operand.is_pointer:
            if depth:
                raise UnstableOutputError
            self._out.write("&")
        self._out.write(operand.type + "{" if flags.go_syntax else "{")
        for count, (name, element) in enumerate(operand.value.items()):
            if count:
                self._out.write(", " if flags.go_syntax else " ")
            if flags.go_syntax or flags.field_names:
                self._out.write(f"{name}:")
            self._value(flags, self._describe(element), verb, depth + 1)
        self._out.write("}")

    def _nil_pointer(self, flags: Flags, operand: Operand, verb: str) -> None:
        """Print a pointer that is nil: a number to the verbs of integers."""
        if verb == "v":
            self._pad(flags, f"({operand.type_name})(nil)" if flags.go_syntax else "<nil>")
        elif verb in "bodxX":
            self._out.write(format_integer(flags, 0, verb) or "")
        else:
            self._bad_verb(flags, operand, verb)


_COMPOUND = frozenset({Kind.LIST, Kind.MAP, Kind.STRUCT, Kind.ADDRESS})
