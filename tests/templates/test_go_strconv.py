"""Reading and writing floats, at the edges that are recorded nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage.templates._go import format_float, parse_float, quote

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e99999999999", None),
        ("0e99999999999", 0.0),
        ("1e-99999999999", 0.0),
        ("0x1p99999999999", None),
        ("1_0e0_1", 100.0),
        ("٣", None),
        ("1\n", None),
        ("0." + "0" * 5000 + "1e5001", 1.0),
        ("9007199254740993" + "0" * 1000 + "1e-1001", 9007199254740994.0),
        ("-" + "1" * 2000, None),
    ],
)
def test_long_numbers_are_read_exactly(text: str, expected: float | None) -> None:
    assert parse_float(text) == expected


def test_zero_keeps_its_sign() -> None:
    assert str(parse_float("-0")) == "-0.0"


@given(FINITE, st.sampled_from("fegx"))
def test_the_shortest_form_reads_back(number: float, verb: str) -> None:
    assert parse_float(format_float(number, verb, -1)) == number


@given(FINITE, st.integers(min_value=0, max_value=30))
def test_plain_and_scientific_digits_are_those_of_python(number: float, digits: int) -> None:
    assert format_float(number, "f", digits) == f"{number:.{digits}f}"
    assert format_float(number, "E", digits) == f"{number:.{digits}E}"


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    value = parse_float(text)
    assert value is None or isinstance(value, float)


@given(st.binary())
def test_quoted_text_prints(data: bytes) -> None:
    quoted = quote(data.decode("utf-8", "surrogateescape"))
    assert quoted.isprintable()
    assert quoted[0] == quoted[-1] == '"'
