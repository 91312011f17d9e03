"""
How one number, string or bool prints under one verb and its flags: the inner half of Go's ``fmt``.

Every function returns the padded text, or None when the verb does not suit the kind.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from lxdimage.templates._go._strconv import format_float, quote

__all__ = ["Flags", "format_bool", "format_float_verb", "format_integer", "format_string", "pad"]

_MAX_RUNE = 0x10FFFF
_UINT64 = 1 << 64


@attrs.define(kw_only=True)
class Flags:
    """
    What stands between ``%`` and the verb.

    Attributes:
        field_names: ``+`` in ``%+v``: names in structs, and no sign on numbers.
        go_syntax: ``#`` in ``%#v``: values as Go source.
        width: 0 when there is none.
        precision: None when there is none.
    """

    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    field_names: bool = False
    go_syntax: bool = False
    width: int = 0
    precision: int | None = None

    def prefer_minus(self) -> None:
        """Pad on the right, and so never with zeros."""
        self.minus, self.zero = True, False

    def for_v(self) -> None:
        """Give ``#`` and ``+`` the meaning that they have before ``v``."""
        self.go_syntax, self.sharp = self.sharp, False
        self.field_names, self.plus = self.plus, False


def padding(flags: Flags, count: int) -> str:
    """Return *count* of what fills up a field: Go fills strings with zeros too."""
    return ("0" if flags.zero else " ") * count


def pad(flags: Flags, text: str, *, spaces: bool = False) -> str:
    """Return *text* filled up to the width, with zeros if asked for and not *spaces*."""
    missing = flags.width - len(text)
    if missing <= 0:
        return text
    fill = " " * missing if spaces else padding(flags, missing)
    return text + fill if flags.minus else fill + text


def format_bool(flags: Flags, value: bool, verb: str) -> str | None:  # noqa: FBT001 - it is the value
    """Print a bool."""
    return pad(flags, "true" if value else "false") if verb in "tv" else None


# -- strings


def format_string(flags: Flags, value: str, verb: str) -> str | None:
    """Print a string."""
    match verb:
        case "v" | "s":
            return pad(flags, value[: flags.precision]) if not flags.go_syntax else _quoted(flags, value)
        case "q":
            return _quoted(flags, value)
        case "x" | "X":
            return _hexadecimal(flags, value, verb)
        case _:
            return None


def _quoted(flags: Flags, value: str) -> str:
    value = value[: flags.precision]
    if flags.sharp and _fits_backquotes(value):
        return pad(flags, f"`{value}`")
    return pad(flags, quote(value, only_ascii=flags.plus))


def _fits_backquotes(value: str) -> bool:
    return not any(
        char in "`\x7f\ufeff" or (char < " " and char != "\t") or "\udc80" <= char <= "\udcff"
        for char in value
    )


def _hexadecimal(flags: Flags, value: str, verb: str) -> str:
    """Print bytes as hexadecimal digits; the precision counts bytes."""
    data = value.encode("utf-8", "surrogateescape")[: flags.precision]
    prefix = f"0{verb}" if flags.sharp and data else ""
    separator = f" {prefix}" if flags.space else ""
    digits = data.hex("\n").replace("\n", separator) if separator else data.hex()
    return pad(flags, prefix + (digits if verb == "x" else digits.upper()))


# -- integers


def _plain(flags: Flags, value: int, verb: str) -> str:
    return _number(flags, value, _DIGITS[verb](abs(value)), verb)


_DIGITS: dict[str, Callable[[int], str]] = {
    "v": str,
    "d": str,
    "b": "{:b}".format,
    "o": "{:o}".format,
    "O": "{:o}".format,
    "x": "{:x}".format,
    "X": "{:X}".format,
}


def _number(flags: Flags, value: int, digits: str, verb: str) -> str:
    """Add to *digits* leading zeros, prefix and sign, in this order, and pad."""
    if flags.precision == 0 and value == 0:
        return " " * flags.width
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    digits = digits.rjust(_digits_wanted(flags, sign), "0")
    return pad(flags, sign + _prefix(flags, digits, verb) + digits, spaces=True)


def _digits_wanted(flags: Flags, sign: str) -> int:
    """Return how many digits to write: zeros that fill the field are dropped when there is a precision."""
    if flags.precision is not None:
        return flags.precision
    return flags.width - len(sign) if flags.zero else 0


def _prefix(flags: Flags, digits: str, verb: str) -> str:
    if verb == "O":
        return "0o0" if flags.sharp and digits[0] != "0" else "0o"
    if not flags.sharp:
        return ""
    if verb == "o":
        return "" if digits[0] == "0" else "0"
    return {"b": "0b", "x": "0x", "X": "0X"}.get(verb, "")


def _rune(value: int) -> str:
    """Return the character of a number; U+FFFD for what is none."""
    return chr(value) if 0 <= value <= _MAX_RUNE and not 0xD800 <= value < 0xE000 else "\ufffd"


def _character(flags: Flags, value: int, _verb: str) -> str:
    return pad(flags, _rune(value))


def _quoted_character(flags: Flags, value: int, _verb: str) -> str:
    return pad(flags, quote(_rune(value), mark="'", only_ascii=flags.plus))


def _code_point(flags: Flags, value: int, _verb: str) -> str:
    shown = f"U+{value % _UINT64:0{max(flags.precision or 0, 4)}X}"
    if flags.sharp and 0 <= value <= _MAX_RUNE and chr(value).isprintable():
        shown += f" '{chr(value)}'"
    return pad(flags, shown, spaces=True)


_INTEGER: dict[str, Callable[[Flags, int, str], str]] = dict.fromkeys("vdboOxX", _plain) | {
    "c": _character,
    "q": _quoted_character,
    "U": _code_point,
}


def format_integer(flags: Flags, value: int, verb: str, *, unsigned: bool = False) -> str | None:
    """Print an integer; as Go source an unsigned one is hexadecimal."""
    if verb == "v" and flags.go_syntax and unsigned:
        return _plain(attrs.evolve(flags, sharp=True), value, "x")
    rule = _INTEGER.get(verb)
    return rule(flags, value, verb) if rule else None


# -- floats

_FLOAT_NOTATION = {
    "v": ("g", -1),
    "b": ("b", -1),
    "g": ("g", -1),
    "G": ("G", -1),
    "x": ("x", -1),
    "X": ("X", -1),
    "f": ("f", 6),
    "F": ("f", 6),
    "e": ("e", 6),
    "E": ("E", 6),
}


def format_float_verb(flags: Flags, value: float, verb: str) -> str | None:
    """Print a float."""
    if verb not in _FLOAT_NOTATION:
        return None
    notation, precision = _FLOAT_NOTATION[verb]
    if flags.precision is not None:
        precision = flags.precision
    shown = format_float(value, notation, precision)
    sign = shown[0] if shown[0] in "+-" else "+"
    digits = shown.lstrip("+-")
    if not digits[0].isdigit():
        return _not_finite(flags, sign, digits)
    if flags.sharp and notation != "b":
        digits = _keep_zeros(digits, notation, precision)
    return _signed(flags, sign, digits)


def _shown_sign(flags: Flags, sign: str) -> str:
    """Return the sign to write: that of a positive number only when asked for."""
    if sign == "-" or flags.plus:
        return sign
    return " " if flags.space else ""


def _not_finite(flags: Flags, sign: str, name: str) -> str:
    """Print an infinity, which keeps its sign, or NaN, which has none; never filled with zeros."""
    shown = _shown_sign(flags, sign)
    if name != "NaN":
        shown = shown or sign
    return pad(flags, shown + name, spaces=True)


def _signed(flags: Flags, sign: str, digits: str) -> str:
    sign = _shown_sign(flags, sign)
    if sign and flags.zero:
        return sign + digits.rjust(flags.width - 1, "0")
    return pad(flags, sign + digits)


def _keep_zeros(digits: str, notation: str, precision: int) -> str:
    """
    Return *digits* with a point, and with the trailing zeros that ``g`` and ``x`` drop otherwise.

    Significant digits count from the first that is not zero; the ``x`` of a hexadecimal number counts as one.
    """
    mantissa, tail = _split_exponent(digits, notation)
    wanted = (6 if precision < 0 else precision) if notation in "gGx" else 0
    significant = mantissa.replace(".", "").lstrip("0")
    wanted -= len(significant)
    if "." not in mantissa:
        wanted -= mantissa == "0"
        mantissa += "."
    return mantissa + "0" * max(wanted, 0) + tail


def _split_exponent(digits: str, notation: str) -> tuple[str, str]:
    mark = "p" if notation in "xX" else "e"
    at = digits.lower().find(mark)
    return (digits, "") if at < 0 else (digits[:at], digits[at:])
