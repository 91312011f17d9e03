"""
What the headers of a tar say at a glance: fields in the form that nearly every program gives them.

What is told apart here goes the short way through the loops over an archive; everything else is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from zlib import adler32

from lxdimage import _tar
from lxdimage._tar import BLOCK, OCTAL_DIGITS, HeaderError, parse_number, parse_string

__all__ = ["LowHalves", "is_regular", "low_half", "name_in", "numbers_of", "plain_extension", "times_end"]

_PIECE = 1 << 20
# What Go parses of every header, whether or not anybody asks.
_NUMBERS = (
    ("mode", 100, 108), ("uid", 108, 116), ("gid", 116, 124), ("size", 124, 136), ("mtime", 136, 148),
    ("devmajor", 329, 337), ("devminor", 337, 345),
)  # fmt: skip
# Records that make more of a header than a name and a size.
_SPECIAL_RECORDS = frozenset({b"path", b"size"})
_SPARSE = b"GNU.sparse."

# A checksum as nearly every program writes it.
_CHECKSUM = re.compile(rb"[0-7]{6}(?:\0 |[0-7]\0| \0)")

# Records of times as GNU tar and Go write them: ten digits, perhaps a fraction, and the length that this makes.  What
# is tried first is what is found most often.
_TIMES = re.compile(
    rb"(?:%b20 [acm]time=[0-9]{10}\n)+"
    % b"".join(b"%d [acm]time=[0-9]{10}\\.[0-9]{%d}\n|" % (21 + digits, digits) for digits in range(9, 0, -1))
)

# Numbers as nearly every program writes them: what this matches, Go and GNU tar read alike.
_REGULAR = re.compile(
    rb"([0-7]{6}([0-7]\0| \0)){3}([0-7]{11}[\0 ]){2}([0-7]{6}\0 |[0-7]{7}\0)[0-7]"
    rb".{172}(([0-7]{6}([0-7]\0| \0)){2}|\0{16})",
    re.DOTALL,
)


class LowHalves(dict[bytes, int]):
    """The low half of the Adler-32 that fits each checksum field; -1 for a spelling that few programs use."""

    def __missing__(self, field: bytes) -> int:
        low = low_half(field)
        if len(self) < 1 << 16:
            self[field] = low
        return low


def low_half(field: bytes) -> int:
    """Return the low half of the Adler-32 that fits a checksum field; -1 for a spelling that few programs use."""
    if not _CHECKSUM.fullmatch(field):
        return -1
    # The checksum counts its own field as eight blanks.
    return (int(field.rstrip(b" \0"), 8) - 8 * 0x20 + sum(field) + 1) % 65521


def _is_special(records: Mapping[bytes, bytes]) -> bool:
    return not _SPECIAL_RECORDS.isdisjoint(records) or any(key.startswith(_SPARSE) for key in records)


def is_regular(header: bytes) -> bool:
    """Tell whether all that Go checks of a header holds, given the low half of its Adler-32 fits the checksum."""
    if not _REGULAR.match(header, 100):
        return False
    # Two halves, because only a sum below 65521 is exact.
    total = (adler32(header[:256]) & 0xFFFF) + (adler32(header[256:]) & 0xFFFF) - 2
    return total - sum(header[148:156]) + 256 == int(header[148:156].strip(b" \0"), 8)


def times_end(buffer: bytes, at: int, header: bytes) -> int:
    """Return where the PAX header at *at* ends when it holds nothing but times in the usual form; 0 otherwise."""
    digits, begin = header[124:135], at + BLOCK
    if digits.strip(OCTAL_DIGITS):
        return 0
    size = int(digits, 8)
    end = begin + (size + 511 & -512)
    return end if end <= len(buffer) and _TIMES.fullmatch(buffer, begin, begin + size) else 0


def plain_extension(buffer: bytes, at: int, header: bytes) -> tuple[bytes, dict[bytes, bytes] | None] | None:
    """
    Return the blocks and records of the PAX header at *at* when they change neither name nor size.

    Records that hold nothing but times in the usual form are left to whoever asks for them.
    """
    if end := times_end(buffer, at, header):
        return header + buffer[at + BLOCK : end], None
    digits = header[124:135]
    if digits.strip(OCTAL_DIGITS):
        return None
    size = int(digits, 8)
    end = at + BLOCK + _tar.padded(size)
    if not 0 < size <= _PIECE or end > len(buffer):
        return None
    try:
        records = dict(_tar.parse_pax(buffer[at + BLOCK : at + BLOCK + size]))
    except HeaderError:
        return None
    return None if _is_special(records) else (header + buffer[at + BLOCK : end], records)


def numbers_of(header: bytes) -> tuple[tuple[str, int, int], ...]:
    """Return the number fields that Go parses: v7 headers have no devices."""
    return _NUMBERS if header[257:263] == b"ustar\0" or header[257:265] == b"ustar  \0" else _NUMBERS[:5]


def name_in(header: bytes) -> bytes:
    """Return the name in the header itself, with the prefix where the format has one."""
    name = parse_string(header[:100])
    prefix = b""
    if header[257:263] == b"ustar\0":
        star = header[508:512] == b"tar\0"
        prefix = parse_string(header[345 : 476 if star else 500])
    elif header[257:265] == b"ustar  \0" and header[345]:
        prefix = _misplaced_prefix(header)
    return prefix + b"/" + name if prefix else name


def _misplaced_prefix(header: bytes) -> bytes:
    """Return the prefix that old Go programs put where GNU keeps the access time: Go still honours it."""
    try:
        parse_number(header[345:357])
        parse_number(header[357:369])
    except HeaderError:
        prefix = parse_string(header[345:500])
        return prefix if prefix.isascii() else b""
    return b""
