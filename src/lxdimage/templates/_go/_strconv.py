"""
Numbers and quoted strings as Go's ``strconv`` reads and writes them.

Python prints the same correctly rounded digits; what differs is the grammar of what is read, the choice between plain
and scientific notation, and the notations that Python does not have.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable

__all__ = ["float_to_int", "format_float", "parse_float", "quote", "wrap"]

_HALF = 1 << 63
_FULL = 1 << 64
_INT_MIN = -_HALF

# With single underscores between them; that there are no double ones is looked at before.
_DIGITS = r"[0-9][0-9_]*+(?<!_)"
_HEX_DIGITS = r"[0-9a-fA-F][0-9a-fA-F_]*+(?<!_)"
_DECIMAL = re.compile(
    rf"(?P<mantissa>[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS}))"
    rf"(?:[eE](?P<sign>[+-]?)(?P<exponent>{_DIGITS}))?"
)
_HEXADECIMAL = re.compile(
    rf"(?P<mantissa>[+-]?0[xX](?:_?{_HEX_DIGITS}(?:\.(?:{_HEX_DIGITS})?)?|\.{_HEX_DIGITS}))"
    rf"[pP](?P<sign>[+-]?)(?P<exponent>{_DIGITS})"
)
_SPECIAL = {sign + name: float(sign + name) for sign in ("", "+", "-") for name in ("inf", "infinity")} | {
    "nan": math.nan
}
_LONGEST_SPECIAL = len("+infinity")

# Go stops reading an exponent at the digit that takes it beyond this, and drops decimal digits beyond the 800th.
_EXPONENT_ENOUGH = 10_000
_MOST_DIGITS = 800


# -- reading


def parse_float(text: str) -> float | None:
    """
    Return the float that *text* spells in Go's grammar, or None when it spells none or one out of range.

    Decimal numbers may hold single underscores between digits, hexadecimal ones need a ``p`` exponent, and
    infinities and ``nan`` are taken in any case.
    """
    if "__" in text:
        return None
    if match := _DECIMAL.fullmatch(text):
        return _finite(_read_decimal(match))
    if match := _HEXADECIMAL.fullmatch(text):
        return _read_hexadecimal(match)
    if len(text) <= _LONGEST_SPECIAL and text.isascii():
        return _SPECIAL.get(text.lower())
    return None


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _read_decimal(match: re.Match[str]) -> float:
    mantissa = match["mantissa"].replace("_", "")
    exponent = _read_exponent(match)
    if len(mantissa) > _MOST_DIGITS:
        mantissa, exponent = _shorten(mantissa, exponent)
    return float(f"{mantissa}e{exponent}")


def _read_hexadecimal(match: re.Match[str]) -> float | None:
    try:
        return float.fromhex(f"{match['mantissa'].replace('_', '')}p{_read_exponent(match)}")
    except OverflowError:
        return None


def _read_exponent(match: re.Match[str]) -> int:
    exponent = 0
    for digit in (match["exponent"] or "").replace("_", "").lstrip("0"):
        exponent = exponent * 10 + int(digit)
        if exponent >= _EXPONENT_ENOUGH:
            break
    return -exponent if match["sign"] == "-" else exponent


def _shorten(mantissa: str, exponent: int) -> tuple[str, int]:
    """Keep as many digits as decide the value: what follows matters only by not being zero."""
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent -= len(fraction)
    kept, dropped = digits[:_MOST_DIGITS], digits[_MOST_DIGITS:]
    sticky = "1" if dropped.strip("0") else "0"
    return f"{sign}{kept or '0'}{sticky}", exponent + len(dropped) - 1


# -- integers


def wrap(value: int) -> int:
    """Return *value* as 64 bits with a sign hold it."""
    return value if _INT_MIN <= value < _HALF else (value + _HALF) % _FULL - _HALF


def float_to_int(value: float) -> int:
    """Cut *value* toward zero; what has no place in 64 bits gives the smallest integer, as on amd64."""
    return int(value) if _INT_MIN <= value < _HALF else _INT_MIN


# -- writing floats


def format_float(value: float, verb: str, precision: int) -> str:
    """
    Return *value* in one of Go's notations.

    Args:
        value: Any float.
        verb: ``f``, ``e``, ``g``, ``b`` or ``x``; ``E``, ``G`` and ``X`` give capitals.
        precision: Digits after the point (``f``, ``e``, ``x``) or in all (``g``); -1 for the fewest digits that
            read back as the same number.
    """
    if value != value:  # noqa: PLR0124 - the test for NaN
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    shown = sign + _NOTATIONS[verb.lower()](abs(value), precision)
    return shown.upper() if verb.isupper() else shown


def _plain(value: float, precision: int) -> str:
    if precision >= 0:
        return f"{value:.{precision}f}"
    digits, point = _shortest(value)
    if point <= 0:
        return "0." + "0" * -point + digits if digits != "0" else "0"
    whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    return f"{whole}.{fraction}" if fraction else whole


def _scientific(value: float, precision: int) -> str:
    if precision >= 0:
        return f"{value:.{precision}e}"
    digits, point = _shortest(value)
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    exponent = point - 1 if value else 0
    return f"{digits[0]}{fraction}e{exponent:+03d}"


_PLAIN_DIGITS = 6  # from a million on, the shortest form is scientific


def _general(value: float, precision: int) -> str:
    if precision >= 0:
        return f"{value:.{precision}g}"
    _, point = _shortest(value)
    if value and not -4 <= point - 1 < _PLAIN_DIGITS:
        return _scientific(value, -1)
    return _plain(value, -1)


def _shortest(value: float) -> tuple[str, int]:
    """Return the fewest digits that identify *value*, and where the point stands in them."""
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or "0") - (len(whole) + len(fraction) - len(digits))
    return digits.rstrip("0") or "0", point if digits else 1


_MANTISSA_BITS = 52
_HEX_FRACTION = 13  # hexadecimal digits that hold those bits


def _binary(value: float, _precision: int) -> str:
    bits = int(struct.unpack("<Q", struct.pack("<d", value))[0])
    exponent, mantissa = bits >> _MANTISSA_BITS, bits % (1 << _MANTISSA_BITS)
    if exponent:
        mantissa += 1 << _MANTISSA_BITS
    return f"{mantissa}p{max(exponent, 1) - 1023 - _MANTISSA_BITS:+d}"


def _hexadecimal(value: float, precision: int) -> str:
    fraction, exponent = math.frexp(value)
    mantissa = int(math.ldexp(fraction, _MANTISSA_BITS + 1))
    exponent = exponent - 1 if value else 0
    if 0 <= precision < _HEX_FRACTION:
        mantissa = _round_bits(mantissa, 4 * (_HEX_FRACTION - precision))
        if mantissa >> (_MANTISSA_BITS + 1):
            mantissa, exponent = mantissa >> 1, exponent + 1
    lead, rest = mantissa >> _MANTISSA_BITS, mantissa % (1 << _MANTISSA_BITS)
    digits = f"{rest:0{_HEX_FRACTION}x}"
    digits = digits.rstrip("0") if precision < 0 else digits[:precision].ljust(precision, "0")
    point = "." if digits else ""
    return f"0x{lead}{point}{digits}p{exponent:+03d}"


def _round_bits(value: int, bits: int) -> int:
    """Clear the lowest *bits*, rounding half to even."""
    half, rest = 1 << (bits - 1), value % (1 << bits)
    value >>= bits
    return (value + (rest > half or (rest == half and value & 1))) << bits


_NOTATIONS: dict[str, Callable[[float, int], str]] = {
    "f": _plain,
    "e": _scientific,
    "g": _general,
    "b": _binary,
    "x": _hexadecimal,
}


# -- quoting

_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
}


def quote(text: str, *, mark: str = '"', only_ascii: bool = False) -> str:
    r"""
    Return *text* as a Go literal in quotes.

    Bytes that are not UTF-8 are written ``\xff``, other characters that do not print ``\u200b``.

    Args:
        text: Bytes that are not UTF-8 are surrogates, as everywhere.
        mark: The quotes; single ones make a rune literal.
        only_ascii: Escape every character beyond ASCII.
    """
    if text.isascii() and text.isprintable() and mark not in text and "\\" not in text:
        return f"{mark}{text}{mark}"
    return mark + "".join(_quoted(char, mark, only_ascii=only_ascii) for char in text) + mark


def _quoted(char: str, mark: str, *, only_ascii: bool) -> str:
    code = ord(char)
    if char == mark:
        return "\\" + char
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable() and (code < 0x80 or not only_ascii):
        return char
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
