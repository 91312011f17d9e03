"""
What the headers of a tar say at a glance: fields in the form that nearly every program gives them.

What is told apart here goes the short way through the loops over an archive; everything else is looked at closely.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from zlib import adler32

from lxdimage import _tar
from lxdimage._tar import BLOCK, OCTAL_DIGITS, HeaderError, is_gnu, is_ustar, parse_number, parse_string

__all__ = [
    "NO_END",
    "LowHalves",
    "is_regular",
    "low_half",
    "name_for_tar",
    "name_in",
    "numbers_of",
    "plain_extension",
    "plain_size",
    "read_times",
    "times_end",
]

_PIECE = 1 << 20
# What Go parses of every header, whether or not anybody asks.
_NUMBERS = (
    ("mode", 100, 108), ("uid", 108, 116), ("gid", 116, 124), ("size", 124, 136), ("mtime", 136, 148),
    ("devmajor", 329, 337), ("devminor", 337, 345),
)  # fmt: skip
# Records that make more of a header than a name and a size; those whose keys GNU tar and Go tell apart in two ways;
# and those with a sign, which only Go takes.
_SPECIAL_RECORDS = frozenset({b"path", b"size"})
_SPECIAL_KEYS = (b"GNU.sparse.", b" ", b"\t")
_SIGN = re.compile(rb"(?:\A|\n)\+")
NO_END = 0xDF
"""The bits that neither NUL nor blank has, with which a number ends."""

# A checksum as nearly every program writes it.
_CHECKSUM = re.compile(rb"[0-7]{6}(?:\0 |[0-7]\0| \0)")

# Records of times as GNU tar and Go write them: ten digits, perhaps a fraction, and the length that this makes.  What
# is tried first is what is found most often.
_TIMES = re.compile(
    rb"(?:%b20 [acm]time=[0-9]{10}\n)+"
    % b"".join(b"%d [acm]time=[0-9]{10}\\.[0-9]{%d}\n|" % (21 + digits, digits) for digits in range(9, 0, -1))
)

_TIME = re.compile(rb" ([acm]time)=([0-9.]+)\n")

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
    return not _SPECIAL_RECORDS.isdisjoint(records) or any(key.startswith(_SPECIAL_KEYS) for key in records)


def is_regular(header: bytes) -> bool:
    """Tell whether all that Go checks of a header holds, given the low half of its Adler-32 fits the checksum."""
    if not _REGULAR.match(header, 100):
        return False
    # Two halves, because only a sum below 65521 is exact.
    total = (adler32(header[:256]) & 0xFFFF) + (adler32(header[256:]) & 0xFFFF) - 2
    return total - sum(header[148:156]) + 256 == int(header[148:156].strip(b" \0"), 8)


def plain_size(header: bytes) -> int:
    """Return the size in *header*, -1 where it is not eleven digits with a NUL or a blank behind them."""
    digits = header[124:135]
    return -1 if header[135] & NO_END or digits.strip(OCTAL_DIGITS) else int(digits, 8)


def times_end(buffer: bytes, at: int, header: bytes) -> int:
    """Return where the PAX header at *at* ends when it holds nothing but times in the usual form; 0 otherwise."""
    size, begin = plain_size(header), at + BLOCK
    if size < 0:
        return 0
    end = begin + (size + 511 & -512)
    return end if end <= len(buffer) and _TIMES.fullmatch(buffer, begin, begin + size) else 0


def read_times(lead: bytes) -> dict[bytes, bytes]:
    """Return the records of a PAX header that holds nothing but times in the usual form."""
    return dict(_TIME.findall(lead, BLOCK, BLOCK + plain_size(lead)))


def plain_extension(buffer: bytes, at: int, header: bytes) -> tuple[bytes, dict[bytes, bytes] | None] | None:
    """
    Return the blocks and records of the PAX header at *at* when they change neither name nor size.

    Records that hold nothing but times in the usual form are left to whoever asks for them.
    """
    if end := times_end(buffer, at, header):
        return header + buffer[at + BLOCK : end], None
    size = plain_size(header)
    end = at + BLOCK + _tar.padded(size)
    if not 0 < size <= _PIECE or end > len(buffer):
        return None
    payload = buffer[at + BLOCK : at + BLOCK + size]
    try:
        records = dict(_tar.parse_pax(payload))
    except HeaderError:
        return None
    return (
        None
        if _is_special(records) or _SIGN.search(payload)
        else (header + buffer[at + BLOCK : end], records)
    )


def numbers_of(header: bytes) -> tuple[tuple[str, int, int], ...]:
    """Return the number fields that Go parses: v7 headers have no devices."""
    return _NUMBERS if is_ustar(header) or is_gnu(header) else _NUMBERS[:5]


def name_in(header: bytes) -> bytes:
    """Return the name in the header itself, with the prefix where the format has one."""
    name = parse_string(header[:100])
    prefix = b""
    if is_ustar(header):
        star = header[508:512] == b"tar\0"
        prefix = parse_string(header[345 : 476 if star else 500])
    elif is_gnu(header) and header[345]:
        prefix = _misplaced_prefix(header)
    return prefix + b"/" + name if prefix else name


def name_for_tar(header: bytes) -> bytes:
    """Return the name in the header itself as GNU tar reads it: other formats than ustar have no prefix."""
    name = parse_string(header[:100])
    prefix = parse_string(header[345:500]) if is_ustar(header) else b""
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
