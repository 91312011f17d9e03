"""
How GNU tar 1.34 reads what `lxdimage._tar` reads as Go does: numbers, extended headers, maps of sparse files.

It unpacks the archive when an instance is created (image format, section 2.6), so its reading decides there.  It takes
much that Go refuses, and refuses some of what Go takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from lxdimage._tar import HeaderError, SparseMap, parse_string

__all__ = [
    "SIZE_MAX",
    "SparseRecords",
    "parse_decimal",
    "parse_number",
    "parse_records",
    "parse_sparse_line",
    "parse_sparse_records",
    "parse_sparse_table",
]

SIZE_MAX = (1 << 63) - 1

_BLANKS = b" \t\n\v\f\r"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE256 = b"\x80\xff"
_NUMBER = re.compile(rb"(?:([0-7]+)|([-+])([A-Za-z0-9+/]*)|)(?=[\0\s]|\Z)")


def parse_number(
    field: bytes, name: str, low: int = 0, high: int = SIZE_MAX, *, octal_only: bool = False
) -> int:
    """
    Return the number in a header field; what follows a blank or NUL behind its digits does not count.

    Args:
        field: The bytes of the field.
        name: What it is, for the error.
        low: The least possible number.
        high: The greatest possible number.
        octal_only: Whether base 64, which tar 1.13 wrote for a while, and base 256 are no numbers here.

    Raises:
        HeaderError: When it is blank, no number, or one out of range.
    """
    text = field.removeprefix(b"\0").lstrip(_BLANKS)
    if not text:
        raise HeaderError(f"{name} is blank")
    match = _NUMBER.match(text)
    if match and not (octal_only and match[2]):
        value = _base64(match[3]) if match[2] else int(match[1] or b"0", 8)
        value = -value if match[2] == b"-" else value
    elif text[0] in _BASE256 and len(text) > 1 and not octal_only:
        value = int.from_bytes(text[1:], "big") - ((text[0] & 1) << 8 * (len(text) - 1))
    else:
        raise HeaderError(f"{name} is {parse_string(text)!r}, expected octal digits")
    if not low <= value <= high:
        raise HeaderError(f"{name} is {value}, expected {low} to {high}")
    return value


def _base64(digits: bytes) -> int:
    value = 0
    for digit in digits:
        value = value * 64 + _BASE64.index(digit)
    return value


# ---- extended headers --------------------------------------------------------------------------------------------

_RECORD = re.compile(rb"[ \t]*0*([0-9]{1,19})[ \t]+([^=\0]*)=")
_LAST = re.compile(rb"[ \t]*(?:\0|\Z)")
_UNSIGNED = re.compile(rb"0*[0-9]{1,19}")
_DECIMAL = re.compile(rb"(-?[0-9]{1,40})(?:\0|\Z)")


def parse_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """
    Return the records of a PAX extended header in order, up to the first NUL in the place of a record.

    Raises:
        HeaderError: When a record is malformed.
    """
    records = []
    start = 0
    while not _LAST.match(data, start):
        match = _RECORD.match(data, start)
        if not match:
            raise HeaderError(
                f"extended header record {data[start : start + 40]!r} has no length, or no '=' behind its key"
            )
        end = start + int(match[1])
        if not match.end() <= end <= len(data):
            raise HeaderError(
                f"extended header record claims {int(match[1])} bytes, {len(data) - start} are left"
            )
        if data[end - 1] != 0x0A:
            raise HeaderError("extended header record does not end in a newline")
        records.append((match[2], data[match.end() : end - 1]))
        start = end
    return records


def parse_decimal(text: bytes, name: str, high: int = SIZE_MAX) -> int:
    """
    Return the number that is the value of a PAX record, up to its first NUL.

    Raises:
        HeaderError: When it is none, or not from 0 to *high*.
    """
    match = _DECIMAL.match(text)
    if not match:
        raise HeaderError(f"PAX record {name} is {text[:40]!r}, expected a decimal number")
    if not 0 <= int(match[1]) <= high:
        raise HeaderError(f"PAX record {name} is {int(match[1])}, expected 0 to {high}")
    return int(match[1])


# ---- sparse files ------------------------------------------------------------------------------------------------

_SPARSE = b"GNU.sparse."
_MOST_PAIRS = 1 << 32  # more than tar gets memory for


class SparseRecords(NamedTuple):
    """
    What the records of a PAX header say about a sparse file.

    Attributes:
        pairs: The stretches with data.
        in_data: Whether they are listed in front of the content instead.
        size: Bytes of the file: also of one that is not sparse at all.
    """

    pairs: SparseMap
    in_data: bool
    size: int | None


def parse_sparse_records(records: Iterable[tuple[bytes, bytes]]) -> SparseRecords:
    """
    Return what *records* say about a sparse file, one after the other.

    Raises:
        HeaderError: When one is no number, or there is no room for it in the map.
    """
    pairs: list[tuple[int, int]] = []
    room = offset = major = 0
    size = None
    for key, value in records:
        if not key.startswith(_SPARSE):
            continue
        name = key.decode(errors="replace")
        match key[len(_SPARSE) :]:
            case b"size" | b"realsize":
                size = parse_decimal(value, name)
            case b"major" | b"minor" as part:
                number = parse_decimal(value, name, (1 << 32) - 1)
                major = number if part == b"major" else major
            case b"numblocks":
                room, pairs = parse_decimal(value, name, _MOST_PAIRS), []
            case b"map":
                pairs = _listed(value, name, room)
            case b"offset" | b"numbytes" if len(pairs) >= room:
                raise HeaderError(f"PAX record {name} is one more than GNU.sparse.numblocks says")
            case b"offset":
                offset = parse_decimal(value, name)
            case b"numbytes":
                pairs.append((offset, parse_decimal(value, name)))
                offset = 0
    return SparseRecords(tuple(pairs), major > 0, size)


def _listed(text: bytes, name: str, room: int) -> list[tuple[int, int]]:
    fields = parse_string(text).split(b",")
    if not all(map(_UNSIGNED.fullmatch, fields)) or len(fields) % 2:
        raise HeaderError(f"PAX record {name} is {text[:40]!r}, expected pairs of decimal numbers")
    if len(fields) > 2 * room:
        raise HeaderError(f"PAX record {name} holds {len(fields)} numbers, expected at most {room} pairs")
    numbers = [int(field) for field in fields]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def parse_sparse_line(line: bytes) -> int:
    """
    Return a number of the map in front of the content.

    Raises:
        HeaderError: When it is none.
    """
    text = parse_string(line)
    if not text.isdigit() or len(line) > 19:
        raise HeaderError(f"sparse map holds {line[:20]!r}, expected a decimal number")
    return int(text)


def parse_sparse_table(block: bytes, start: int, count: int, size: int) -> list[tuple[int, int]]:
    """
    Return the (offset, length) pairs of one table of the old GNU sparse format.

    Args:
        block: The header (table of 4 at 386) or an extension block (table of 21 at 0).
        start: Where the table begins.
        count: How many pairs it has room for; the first without a length ends it.
        size: Bytes of the file, which no pair leads out of.

    Raises:
        HeaderError: When a number is malformed or too great.
    """
    pairs = []
    for at in range(start, start + count * 24, 24):
        if not block[at + 12]:
            break
        offset = parse_number(block[at : at + 12], "sparse offset", 0, size)
        pairs.append((offset, parse_number(block[at + 12 : at + 24], "sparse length", 0, size - offset)))
    return pairs
