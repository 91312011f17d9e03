"""Go's ``math.Pow``: exact special cases, and repeated squaring with a separate exponent for the rest."""

from __future__ import annotations

import math

from lxdimage.templates._go._elementary import exp, log

__all__ = ["power"]

_ALWAYS_EVEN = float(1 << 63)  # floats from here on are even integers
_EXPONENT_ENOUGH = 1 << 12  # a binary exponent beyond any float's


def power(base: float, exponent: float) -> float:
    """
    Return *base* to the power of *exponent*, with Go's result to the last bit.

    A C library rounds better than Go does.
    """
    special = _special(base, exponent)
    return _general(base, exponent) if special is None else special


def _special(base: float, exponent: float) -> float | None:
    """Return what is exact by definition: IEEE's cases, nothing to compute, and square roots."""
    if exponent == 0 or base == 1:
        return 1.0
    if exponent == 1:
        return base
    if math.isnan(base) or math.isnan(exponent):
        return math.nan
    if base == 0 or math.isinf(base):
        return _of_zero(base, exponent) if base == 0 else _of_infinity(base, exponent)
    if math.isinf(exponent):
        return _to_far(base, exponent)
    if abs(exponent) == 0.5:
        root = math.sqrt(base) if base >= 0 else math.nan
        return root if exponent > 0 else 1 / root
    return None


def _of_zero(base: float, exponent: float) -> float:
    result = 0.0 if exponent > 0 else math.inf
    return math.copysign(result, base) if _is_odd(exponent) else result


def _of_infinity(base: float, exponent: float) -> float:
    result = math.inf if exponent > 0 else 0.0
    return math.copysign(result, base) if _is_odd(exponent) else result


def _to_far(base: float, exponent: float) -> float:
    """Return the power of an exponent beyond all whole numbers that are odd."""
    if base == -1:
        return 1.0
    return 0.0 if (abs(base) < 1) == (exponent > 0) else math.inf


def _is_odd(value: float) -> bool:
    return abs(value) < _ALWAYS_EVEN and value == math.trunc(value) and int(value) % 2 == 1


def _general(base: float, exponent: float) -> float:
    fraction, whole = math.modf(abs(exponent))
    if fraction and base < 0:
        return math.nan
    if whole >= _ALWAYS_EVEN:
        return _to_far(base, exponent)
    mantissa, scale = 1.0, 0
    if fraction:
        if fraction > 0.5:
            fraction, whole = fraction - 1, whole + 1
        mantissa = exp(fraction * log(base))
    mantissa, scale = _times_whole_power(mantissa, base, int(whole))
    if exponent < 0:
        mantissa, scale = 1 / mantissa, -scale
    return _scaled(mantissa, scale)


def _times_whole_power(mantissa: float, base: float, exponent: int) -> tuple[float, int]:
    """Multiply *mantissa* by a power of *base*, keeping the binary exponent of the product apart."""
    scale = 0
    square, square_scale = math.frexp(base)
    while exponent:
        if abs(square_scale) > _EXPONENT_ENOUGH:
            scale += square_scale
            break
        if exponent & 1:
            mantissa *= square
            scale += square_scale
        square, square_scale = square * square, square_scale << 1
        if square < 0.5:
            square, square_scale = square + square, square_scale - 1
        exponent >>= 1
    return mantissa, scale


def _scaled(mantissa: float, scale: int) -> float:
    try:
        return math.ldexp(mantissa, scale)
    except OverflowError:
        return math.copysign(math.inf, mantissa)
