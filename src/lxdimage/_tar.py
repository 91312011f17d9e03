"""
The byte layout of tar, each parser next to the function that writes what it reads.

Numbers, strings and records are read as Go's ``archive/tar`` reads them, because that is what decides at
``image import`` (image format, section 2.5); `lxdimage._gnutar` reads them as GNU tar does.  Everything here works on
whole blocks in memory; `lxdimage.archive` finds them in a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from zlib import adler32

__all__ = [
    "BLOCK",
    "CONTINUED",
    "DUMPED_DIRECTORY",
    "GNU_SPARSE",
    "LONG_NAME",
    "LONG_TARGET",
    "MAX_ID",
    "MAX_SIZE",
    "MAX_TIME",
    "OCTAL_DIGITS",
    "PADDING",
    "PAX",
    "PAX_NULLABLE",
    "SOLARIS_PAX",
    "VOLUME_LABEL",
    "ZERO_BLOCK",
    "HeaderError",
    "SparseMap",
    "byte_sum",
    "checksum",
    "dump_extension",
    "dump_header",
    "dump_number",
    "dump_old_sparse",
    "dump_pax",
    "dump_sparse_text",
    "is_gnu",
    "is_ustar",
    "join_sparse_map",
    "padded",
    "padding",
    "parse_decimal",
    "parse_number",
    "parse_octal",
    "parse_old_sparse",
    "parse_pax",
    "parse_sparse_list",
    "parse_string",
    "renamed",
    "sealed",
    "signed_checksum",
    "split_name",
    "validate_sparse",
]

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
PADDING = tuple(bytes(-size % BLOCK) for size in range(BLOCK))
"""The zeros that fill up the last block, by the bytes in it."""

SparseMap = tuple[tuple[int, int], ...]

# Type flags, as `TarMember.flag` has them.  Of those that POSIX numbers, `EntryType` says what they are.
PAX, SOLARIS_PAX = 0x78, 0x58  # x, and X as Solaris writes it
LONG_NAME, LONG_TARGET = 0x4C, 0x4B  # GNU's L and K
GNU_SPARSE = 0x53  # S: the oldest of the formats for sparse files
DUMPED_DIRECTORY = 0x44  # D: GNU's directories with a list of what is in them, in incremental backups
CONTINUED = 0x4D  # M: what is continued from another volume
VOLUME_LABEL = 0x56  # V

# The largest numbers that the octal digits of a ustar header hold.
MAX_ID = 0o7777777
MAX_SIZE = MAX_TIME = 0o77777777777


class HeaderError(ValueError):
    """A block does not hold what tar puts there; the message says which field and what was found."""


def is_ustar(header: bytes) -> bool:
    """Tell whether *header* is one of ustar or PAX."""
    return header[257:263] == b"ustar\0"


def is_gnu(header: bytes) -> bool:
    """Tell whether *header* is one of the GNU format."""
    return header[257:265] == b"ustar  \0"


def padded(size: int) -> int:
    """Return *size* rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK


def padding(size: int) -> bytes:
    """Return the zeros that fill up the last block of *size* bytes."""
    return PADDING[size % BLOCK]


def parse_string(field: bytes) -> bytes:
    """Return *field* up to its first NUL."""
    return field.split(b"\0", 1)[0]


_OCTAL = re.compile(rb"[0-7]+")
OCTAL_DIGITS = b"01234567"


def parse_number(field: bytes, name: str = "number") -> int:
    """
    Return the number in a header field: octal text, or base 256 when the first bit is set.

    Args:
        field: The bytes of the field.
        name: What it is, for the error.

    Raises:
        HeaderError: When it is neither, or does not fit 64 bits.
    """
    if field and field[0] & 0x80:
        return _parse_base256(field, name)
    return parse_octal(field, name)


def parse_octal(field: bytes, name: str) -> int:
    """
    Return the number in a header field that holds nothing but octal text.

    Raises:
        HeaderError: When it does not.
    """
    text = parse_string(field.strip(b" \0"))
    if not text:
        return 0
    if not _OCTAL.fullmatch(text):
        raise HeaderError(f"{name} is {text!r}, expected octal digits")
    return int(text, 8)


def _parse_base256(field: bytes, name: str) -> int:
    negative = bool(field[0] & 0x40)
    value = int.from_bytes(
        bytes([field[0] & 0x7F | (0x80 if negative else 0)]) + field[1:], "big", signed=negative
    )
    if not -(1 << 63) <= value < 1 << 63:
        raise HeaderError(f"{name} needs more than 64 bits")
    return value


def dump_number(value: int, width: int) -> bytes:
    """
    Return *value* as a header field of *width* bytes: octal and NUL when it fits, base 256 otherwise.

    The inverse of `parse_number`.
    """
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    field = bytearray(value.to_bytes(width, "big", signed=True))
    field[0] |= 0x80
    return bytes(field)


def checksum(header: bytes) -> int:
    """Return the sum of the header's bytes with the checksum field taken as spaces."""
    return sum(header) - sum(header[148:156]) + 8 * 0x20


def signed_checksum(header: bytes) -> int:
    """Return the same sum over signed bytes, as some old programs wrote it; Go and GNU tar take both."""
    high = sum(1 for byte in header if byte & 0x80) - sum(1 for byte in header[148:156] if byte & 0x80)
    return checksum(header) - 256 * high


def byte_sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes, quickly."""
    # The low half of an Adler-32 is one more than that, as long as it stays below 65521.
    return (adler32(data) & 0xFFFF) - 1


def sealed(header: bytes) -> bytes:
    """Return *header* with its checksum field filled in."""
    total = byte_sum(header[:148]) + byte_sum(header[156:400]) + byte_sum(header[400:]) + 8 * 0x20
    return header[:148] + b"%06o\0 " % total + header[156:]


def renamed(header: bytes, name: bytes) -> bytes:
    """Return *header* with a *name* of at most 100 bytes, whose checksum changes by as much as the name does."""
    field = name.ljust(100, b"\0")
    # The low halves of two Adler-32 differ by as much as the sums do.
    change = (adler32(field) & 0xFFFF) - (adler32(header[:100]) & 0xFFFF)
    try:
        total = int(header[148:154], 8) + change
    except ValueError:
        return sealed(field + header[100:])
    return b"%b%b%06o\0 %b" % (field, header[100:148], total, header[156:])


def split_name(name: bytes) -> tuple[bytes, bytes] | None:
    """
    Return prefix and name as ustar stores them, or None when *name* does not fit.

    The slash between the two is not stored, and neither part may be empty (POSIX ``ustar``).
    """
    if len(name) <= 100:
        return b"", name
    cut = name.rfind(b"/", 0, min(156, len(name) - 1))
    if cut < 1 or len(name) - cut - 1 > 100:
        return None
    return name[:cut], name[cut + 1 :]


def dump_header(  # noqa: PLR0913 - the fields of a header
    name: bytes,
    flag: bytes,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    device: tuple[int, int] = (0, 0),
    prefix: bytes = b"",
) -> bytes:
    """
    Return a ustar header.

    What does not fit its field must be in an extended header: names are cut here, and numbers must be small enough.

    Args:
        name: At most 100 bytes of it are stored.
        flag: Type flag.
        mode: Permission bits.
        uid: Owner.
        gid: Group.
        size: Bytes of content in the archive.
        mtime: Seconds since 1970.
        target: Link target, of which at most 100 bytes are stored.
        device: Major and minor number.
        prefix: What precedes *name*, by `split_name`.
    """
    front = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        name[:100].ljust(100, b"\0"), mode, uid, gid, size, mtime
    )  # fmt: skip
    back = b"%b%bustar\x0000%b%07o\0%07o\0%b" % (
        flag, target[:100].ljust(100, b"\0"), bytes(64), *device, prefix.ljust(167, b"\0")
    )  # fmt: skip
    return sealed(front + bytes(8) + back)


def dump_extension(flag: bytes, payload: bytes, name: bytes) -> bytes:
    """
    Return an extension member: a header and whole blocks with *payload*.

    Args:
        flag: ``x`` or ``g`` for PAX records, ``L`` or ``K`` for GNU's long names.
        payload: The content.
        name: The name in the header, which programs that do not know the flag give to the file.
    """
    return dump_header(name, flag, size=len(payload)) + payload + padding(len(payload))


PAX_NULLABLE = frozenset({b"path", b"linkpath", b"uname", b"gname"})
"""Records whose value must not contain NUL; of the others the key must not."""


def parse_pax(data: bytes) -> list[tuple[bytes, bytes]]:
    """
    Return the records of a PAX extended header in order.

    Each is "LENGTH KEY=VALUE" and a newline, the length counting all of it (POSIX ``pax``, extended header).

    Raises:
        HeaderError: When a record is malformed.
    """
    records = []
    start = 0
    while start < len(data):
        start, key, value = _parse_record(data, start)
        _check_record(key, value)
        records.append((key, value))
    return records


def _parse_record(data: bytes, start: int) -> tuple[int, bytes, bytes]:
    space = data.find(b" ", start, start + 20)
    digits = data[start:space] if space > start else b""
    if not digits.removeprefix(b"+").isdigit():
        raise HeaderError(
            f"extended header record starts with {data[start : start + 20]!r}, expected its length"
        )
    end = start + int(digits)
    if int(digits) < 5 or end > len(data) or end <= space:
        raise HeaderError(f"extended header record claims {int(digits)} bytes, {len(data) - start} are left")
    if data[end - 1] != 0x0A:
        raise HeaderError("extended header record does not end in a newline")
    key, equals, value = data[space + 1 : end - 1].partition(b"=")
    if not equals:
        raise HeaderError(f"extended header record {data[space + 1 : end - 1][:40]!r} has no '='")
    return end, key, value


def _check_record(key: bytes, value: bytes) -> None:
    if not key:
        raise HeaderError(f"extended header record with value {value[:40]!r} has no key")
    if b"\0" in (value if key in PAX_NULLABLE else key):
        raise HeaderError(f"extended header record {key[:40]!r} contains a NUL character")


def dump_pax(records: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return *records* as the payload of a PAX extended header: the inverse of `parse_pax`."""
    pairs = records.items() if isinstance(records, Mapping) else records
    return b"".join(_dump_record(key, value) for key, value in pairs)


def _dump_record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body) + 1
    # The length counts its own digits, so one more digit may need one more.
    while len(body) + len(str(length)) != length:
        length = len(body) + len(str(length))
    return str(length).encode() + body


def parse_old_sparse(block: bytes, start: int, count: int) -> list[tuple[int, int]]:
    """
    Return the (offset, length) pairs of one table of the old GNU sparse format.

    Args:
        block: The header (table of 4 at 386) or an extension block (table of 21 at 0).
        start: Where the table begins.
        count: How many pairs it has room for; the first empty one ends it.

    Raises:
        HeaderError: When a number is malformed.
    """
    pairs = []
    for at in range(start, start + count * 24, 24):
        if not block[at]:
            break
        pairs.append(
            (
                parse_number(block[at : at + 12], "sparse offset"),
                parse_number(block[at + 12 : at + 24], "sparse length"),
            )
        )
    return pairs


def dump_old_sparse(pairs: SparseMap) -> bytes:
    """Return *pairs* as extension blocks of the old GNU sparse format: what has no room in the header itself."""
    blocks = b""
    for at in range(0, len(pairs), 21):
        table = b"".join(
            dump_number(offset, 12) + dump_number(length, 12) for offset, length in pairs[at : at + 21]
        )
        blocks += table.ljust(504, b"\0") + (b"\1" if at + 21 < len(pairs) else b"\0") + bytes(7)
    return blocks


_DECIMAL = re.compile(rb"[+-]?0*[0-9]{1,19}")  # of no more digits than 64 bits can have


def parse_decimal(text: bytes) -> int:
    """
    Return a number of the map of a sparse file.

    Raises:
        HeaderError: When it is none.
    """
    if not _DECIMAL.fullmatch(text):
        raise HeaderError(f"sparse map holds {text[:20]!r}, expected a decimal number")
    return int(text)


def parse_sparse_list(text: bytes, count: bytes) -> SparseMap:
    """
    Return the map of GNU.sparse.map, formats 0.0 and 0.1: numbers separated by commas.

    Raises:
        HeaderError: When they are not *count* pairs of decimal numbers.
    """
    numbers = [parse_decimal(field) for field in text.split(b",")] if text else []
    if len(numbers) != 2 * parse_decimal(count):
        raise HeaderError(f"GNU.sparse.map holds {len(numbers)} numbers, expected {count[:20]!r} pairs")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


_SPARSE_PAIR = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


def join_sparse_map(records: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """
    Return *records* by key, with the repeated ones of format 0.0 joined to the GNU.sparse.map of format 0.1.

    Raises:
        HeaderError: When offsets and lengths do not take turns.
    """
    found: dict[bytes, bytes] = {}
    numbers: list[bytes] = []
    for key, value in records:
        if key not in _SPARSE_PAIR:
            found[key] = value
        elif key == _SPARSE_PAIR[len(numbers) % 2] and b"," not in value:
            numbers.append(value)
        else:
            raise HeaderError(f"{key.decode()} is {value[:20]!r}, out of turn in the sparse map")
    if numbers:
        found[b"GNU.sparse.map"] = b",".join(numbers)
    return found


def dump_sparse_text(pairs: SparseMap) -> bytes:
    """Return the map of format 1.0 in whole blocks: offset and length in turn behind their number."""
    text = b"%d\n" % len(pairs) + b"".join(b"%d\n%d\n" % pair for pair in pairs)
    return text + padding(len(text))


def validate_sparse(pairs: SparseMap, size: int) -> None:
    """
    Check that *pairs* ascend, do not overlap and lie within *size*.

    Raises:
        HeaderError: When they do not.
    """
    end = 0
    for offset, length in pairs:
        if offset < end or length < 0 or offset + length > size:
            raise HeaderError(f"sparse map has {length} bytes at {offset}, in a file of {size} bytes")
        end = offset + length
