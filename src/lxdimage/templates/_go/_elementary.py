"""
Go's ``math.Exp`` and ``math.Log`` on amd64, to the last bit.

They round less well than a C library, and `power` shows it: its results are printed with all their digits.  The
logarithm is FreeBSD's, with the series in s = f / (2 + f); the exponential sums a Taylor series of a sixteenth of its
argument, and squares four times.
"""

from __future__ import annotations

import math

__all__ = ["exp", "log"]

# ln 2 in two parts, of which the first has trailing zeros, so that its product with an exponent is exact.
_LOG_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_EXP_LN2 = (
    0.69314718055966295651160180568695068359375,
    0.28235290563031577122588448175013436025525412068e-12,
)
_ODD_TERMS = (
    1.479819860511658591e-01,
    1.818357216161805012e-01,
    2.857142874366239149e-01,
    6.666666666666735130e-01,
)
_EVEN_TERMS = (1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01)
_TAYLOR = tuple(1 / math.factorial(number) for number in range(8, 0, -1))
_LOG2_E = 1.4426950408889634
_SMALLEST_NORMAL = 2.0**-1022


def log(value: float) -> float:
    """Return the natural logarithm of a positive finite number; one that is not normal is taken for a larger one."""
    if value < _SMALLEST_NORMAL:
        mantissa, exponent = 0.5 + math.ldexp(value, 1021), -1022
    else:
        mantissa, exponent = math.frexp(value)
    if mantissa <= math.sqrt(0.5):
        mantissa, exponent = mantissa * 2, exponent - 1
    f = mantissa - 1
    s = f / (2 + f)
    square = s * s
    rest = square * _polynomial(_ODD_TERMS, square * square) + square * square * _polynomial(
        _EVEN_TERMS, square * square
    )
    half = 0.5 * f * f
    upper, lower = _LOG_LN2
    return exponent * upper - ((half - (s * (half + rest) + exponent * lower)) - f)


def _polynomial(terms: tuple[float, ...], x: float) -> float:
    total = terms[0]
    for term in terms[1:]:
        total = total * x + term
    return total


def exp(value: float) -> float:
    """Return e to the power of *value*, which must be far from the ends of the range."""
    exponent = round(value * _LOG2_E)
    upper, lower = _EXP_LN2
    x = _fused(-lower, exponent, _fused(-upper, exponent, value)) * 0.0625
    total = _TAYLOR[0]
    for term in _TAYLOR[1:]:
        total = _fused(total, x, term)
    x *= total
    for _ in range(3):
        x *= x + 2
    return math.ldexp(_fused(x, x + 2, 1.0), exponent)


_SPLIT = float((1 << 27) + 1)


def _fused(left: float, right: float, addend: float) -> float:
    """Return ``left * right + addend`` rounded once, as the processor does."""
    product = left * right
    left_high, left_low = _halves(left)
    right_high, right_low = _halves(right)
    lost = left_low * right_low - (
        ((product - left_high * right_high) - left_low * right_high) - left_high * right_low
    )
    total = product + addend
    back = total - product
    return total + ((product - (total - back)) + (addend - back) + lost)


def _halves(value: float) -> tuple[float, float]:
    """Return two numbers of half the digits with the sum *value*, so that products of such are exact."""
    scaled = _SPLIT * value
    high = scaled - (scaled - value)
    return high, value - high
