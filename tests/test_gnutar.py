"""What GNU tar reads in headers; every case was put to GNU tar 1.34, which reads the same number or refuses the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimage import _gnutar
from lxdimage._tar import HeaderError

NUMBERS = {
    b"0000644\0": 0o644,
    b"00000644": 0o644,
    b"   644 \0": 0o644,
    b"\0  644\0\0": 0o644,
    b"\t\n644\0\0\0": 0o644,
    b"644 x\0\0\0": 0o644,
    b"644\0x\0\0\0": 0o644,
    b"\0\x00644\0\0\0": 0,
    bytes(8): 0,
    b"+BA\0\0\0\0\0": 64,
    b"+AAAAAAB": 1,
    b"+\0\0\0\0\0\0\0": 0,
    b"\x80\0\0\0\0\1\0\0": 1 << 16,
    b" \x80\0\0\0\0\0\5": 5,
}
REFUSED = {
    "blanks": b" " * 8,
    "blanks behind a NUL": b"\0" + b" " * 7,
    "a digit that is not octal": b"0000648\0",
    "text behind the digits": b"644x\0\0\0\0",
    "a sign within": b"0000-44\0",
    "a first byte with a high bit that is neither 0x80 nor 0xff": b"\x81" + bytes(7),
    "a negative number in base 256": b"\xff" * 8,
    "a negative number in base 64": b"-AAAAAAB",
    "base 64 with something else behind it": b"+B=\0\0\0\0\0",
    "more than fits": b"\x80\0\0\1\0\0\0\0",
    "base 256 in the last byte": b" " * 7 + b"\x80",
}


@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_is_what_tar_reads(field: bytes) -> None:
    assert NUMBERS[field] == _gnutar.parse_number(field, "uid", 0, (1 << 32) - 1)


@pytest.mark.parametrize("what", REFUSED)
def test_what_tar_takes_for_no_number_is_refused(what: str) -> None:
    with pytest.raises(HeaderError, match="uid"):
        _gnutar.parse_number(REFUSED[what], "uid", 0, (1 << 32) - 1)


def test_negative_numbers_are_read_where_they_are_possible() -> None:
    assert -1 == _gnutar.parse_number(b"\xff" * 12, "mtime", -(1 << 63))
    assert -1 == _gnutar.parse_number(b"-AAAAAAAAAAB", "mtime", -(1 << 63))


@pytest.mark.parametrize("field", [b"\x80\0\0\0\0\0\0\5", b"+AAAAAAF"])
def test_a_checksum_is_octal(field: bytes) -> None:
    with pytest.raises(HeaderError):
        _gnutar.parse_number(field, "checksum", octal_only=True)


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"4 =\n", [(b"", b"")]),
        (b"7\ta=bc\n", [(b"a", b"bc")]),
        (b" 8 a=bc\n", [(b"a", b"bc")]),
        (b"8  a=bc\n", [(b"a", b"bc")]),
        (b"9 a=bc\0d\n", [(b"a", b"bc\0d")]),
        (b"6 a=b\n\0junk", [(b"a", b"b")]),
        (b"6 a=b\n  \0junk", [(b"a", b"b")]),
        (b"8 a\0b=c\n", None),
        (b"+7 a=b\n", None),
        (b"6 a=bc", None),
        (b"3 =\n", None),
        (b"5 aaaa=b\n", None),
        (b"9" * 5000 + b" a=b\n", None),
    ],
)
def test_records_are_what_tar_reads(data: bytes, records: list[tuple[bytes, bytes]] | None) -> None:
    if records is not None:
        assert records == _gnutar.parse_records(data)
        return
    with pytest.raises(HeaderError):
        _gnutar.parse_records(data)


@given(st.lists(st.tuples(st.binary(max_size=3).map(b"GNU.sparse.map".__add__), st.binary(max_size=30))))
def test_arbitrary_records_are_a_sparse_file_or_a_header_error(records: list[tuple[bytes, bytes]]) -> None:
    try:
        _gnutar.parse_sparse_records(records)
    except HeaderError:
        return
