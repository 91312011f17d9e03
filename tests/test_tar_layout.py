"""Rules of tar's byte layout: what one function writes, the other reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage import _gnutar, _tar
from lxdimage._tar import HeaderError

NUMBERS = [
    (b"0000644\0", 0o644),
    (b"000644 \0", 0o644),
    (b"   644 \0", 0o644),
    (b"77777777", 0o77777777),
    (b"\0" * 8, 0),
    (b" " * 8, 0),
    (b"\x80" + b"\0" * 6 + b"\x05", 5),
    (b"\xff" * 8, -1),
    (b"5\0junk\0\0", 5),
]


@pytest.mark.parametrize(("field", "value"), NUMBERS)
def test_numbers_are_read_as_go_reads_them(field: bytes, value: int) -> None:
    assert value == _tar.parse_number(field)


@pytest.mark.parametrize(
    "field", [b"0o5\0", b"8\0", b"-5\0", b"+5\0", b"0_5\0", b"5 junk\0", b"abc\0", b"\xc0" + b"\0" * 11]
)
def test_what_is_no_octal_number_is_refused(field: bytes) -> None:
    with pytest.raises(HeaderError):
        _tar.parse_number(field)


@given(st.integers(-(1 << 55), (1 << 62)), st.sampled_from([8, 12]))
def test_a_number_reads_back_as_written(value: int, width: int) -> None:
    if width == 8 and not -(1 << 54) <= value < (1 << 54):
        value >>= 16
    field = _tar.dump_number(value, width)
    assert width == len(field)
    assert value == _tar.parse_number(field)


keys = st.binary(min_size=1, max_size=20).filter(lambda key: b"=" not in key and b"\0" not in key)
values = st.binary(max_size=300).filter(lambda value: b"\0" not in value)


@given(st.lists(st.tuples(keys, values), max_size=8))
def test_pax_records_read_back_as_written(records: list[tuple[bytes, bytes]]) -> None:
    assert records == _tar.parse_pax(_tar.dump_pax(records))


@pytest.mark.parametrize("size", [*range(1, 30), *range(85, 100), 985, 990, 995, 999, 1000])
def test_a_record_counts_the_digits_of_its_own_length(size: int) -> None:
    data = _tar.dump_pax({b"k": b"v" * size})
    assert len(data) == int(data.split(b" ")[0])


@pytest.mark.parametrize(
    "data",
    [
        b"5 a=b",
        b"6 a=b\nrest",
        b"9 a=b\n",
        b"x a=b\n",
        b"6  a\n\n",
        b"6 a=bX",
        b"-6 a=b\n",
        b"13 path=a\0b\n\n",
        b"8 =abcd\n",
    ],
)
def test_a_malformed_record_is_refused(data: bytes) -> None:
    with pytest.raises(HeaderError):
        _tar.parse_pax(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_records_or_a_header_error(data: bytes) -> None:
    for parse in (_tar.parse_pax, _gnutar.parse_records):
        try:
            parse(data)
        except HeaderError:
            continue


@given(st.binary(min_size=512, max_size=512))
def test_a_sealed_header_has_the_checksum_it_claims(header: bytes) -> None:
    sealed = _tar.sealed(header)
    assert _tar.checksum(header) == _tar.parse_number(sealed[148:156])
