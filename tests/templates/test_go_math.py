"""Powers by Go's algorithm, where a C library gives another last bit."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lxdimage.templates._go import float_to_int, power, wrap


def test_the_last_bit_is_gos() -> None:
    assert power(10.0, 23.0).hex() == "0x1.52d02c7e14af6p+76"
    assert power(3.0, 34.0).hex() == "0x1.d9fe779881944p+53"


def test_fractional_powers_are_near_those_of_c() -> None:
    assert math.isclose(power(2.0, 1.75), 2.0**1.75)
    assert math.isnan(power(-2.0, 1.75))


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
