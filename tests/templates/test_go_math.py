"""Powers by Go's algorithm, where a C library gives another last bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage.templates._go import float_to_int, power, wrap
from lxdimage.templates._go._elementary import exp, log


@pytest.mark.parametrize(
    ("base", "exponent", "result"),
    [
        (10.0, 23.0, "0x1.52d02c7e14af6p+76"),
        (3.0, 34.0, "0x1.d9fe779881944p+53"),
        (2272036854775807.0, 3.75, "0x1.3ad30e6a45658p+191"),
        (5e-324, 1e-5, "0x1.fc61de9af8667p-1"),
        (10.0, 0.3, "0x1.fec982d5bb8b0p+0"),
        (7.0, -2.6, "0x1.a0204c8289fa5p-8"),
        (1e300, 0.9, "0x1.e494034e79ee9p+896"),
        (2.0, 1.75, "0x1.ae89f995ad3adp+1"),
        (0.1, 100.25, "0x1.f7cce7b4e2207p-334"),
    ],
)
def test_the_last_bit_is_gos(base: float, exponent: float, result: str) -> None:
    assert power(base, exponent).hex() == result


@pytest.mark.parametrize(
    ("number", "result"),
    [
        (5e-324, "-0x1.628b76e3a7b61p+9"),
        (1e-310, "-0x1.628ae3f3c2ff6p+9"),
        (2.2250738585072014e-308, "-0x1.6232bdd7abcd2p+9"),
        (0.7071067811865475, "-0x1.62e42fefa39f1p-2"),
        (0.7071067811865476, "-0x1.62e42fefa39eep-2"),
        (1.5, "0x1.9f323ecbf984cp-2"),
        (3.0, "0x1.193ea7aad030ap+0"),
        (1.7976931348623157e308, "0x1.62e42fefa39efp+9"),
    ],
)
def test_logarithms_are_gos(number: float, result: str) -> None:
    assert log(number).hex() == result


@pytest.mark.parametrize(
    ("number", "result"),
    [
        (0.1, "0x1.1aec7b35a00d4p+0"),
        (-0.1, "0x1.cf46d99d52b3ap-1"),
        (371.9, "0x1.73c6624d1dcc7p+536"),
        (-371.9, "0x1.608eb0d36e487p-537"),
        (-5e-324, "0x1.0000000000000p+0"),
        (12.75, "0x1.5079f95a52756p+18"),
    ],
)
def test_exponentials_are_gos(number: float, result: str) -> None:
    assert exp(number).hex() == result


def test_a_fractional_power_of_a_negative_number_is_none() -> None:
    assert math.isnan(power(-2.0, 1.75))


@given(st.floats(min_value=1e-300, max_value=1e300), st.floats(min_value=-0.9, max_value=0.9))
def test_fractional_powers_are_near_those_of_c(base: float, exponent: float) -> None:
    assert math.isclose(power(base, exponent), base**exponent, rel_tol=1e-12)


@given(st.floats(), st.floats())
def test_any_two_floats_have_a_power(base: float, exponent: float) -> None:
    assert isinstance(power(base, exponent), float)


@given(st.floats(min_value=0.5, max_value=2.0), st.integers(min_value=-60, max_value=60))
def test_whole_powers_are_near_those_of_c(base: float, exponent: int) -> None:
    assert math.isclose(power(base, float(exponent)), base**exponent, rel_tol=1e-13)


@given(st.integers())
def test_wrapping_keeps_64_bits(number: int) -> None:
    assert -(1 << 63) <= wrap(number) < 1 << 63
    assert (wrap(number) - number) % (1 << 64) == 0


@given(st.floats())
def test_floats_that_no_integer_holds_become_the_smallest(number: float) -> None:
    expected = int(number) if abs(number) < 2.0**63 else -(1 << 63)
    assert float_to_int(number) == expected
