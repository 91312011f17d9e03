"""A member of a tar: its raw header, and what that means when somebody asks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NoReturn, Protocol

from lxdimage import _gnutar, _tar
from lxdimage._chunks import Chunks
from lxdimage._frozen import frozen
from lxdimage._tar import BLOCK, LONG_TARGET, HeaderError, SparseMap, parse_number, parse_string
from lxdimage.archive._entry import NANO, NO_XATTRS, Entry, EntryType, make_entry
from lxdimage.archive._headers import read_times
from lxdimage.diagnostics import escape

__all__ = [
    "CHECKED_RECORDS",
    "DATALESS",
    "NO_RECORDS",
    "TarMember",
    "extensions",
    "integer_record",
    "parse_time",
    "read_number",
    "shown",
]

_TYPES = [EntryType.FILE] * 256
for _type in EntryType:
    if _type is not EntryType.SOCKET:
        _TYPES[ord(_type.value)] = _type
DATALESS = frozenset(b"123456")
_PIECE = 1 << 20
NO_RECORDS: Mapping[bytes, bytes] = MappingProxyType({})
"""The PAX records of a member that has none; always the same object."""
_XATTR = b"SCHILY.xattr."


class _Source(Protocol):
    """The reader that a member came from."""

    @property
    def global_records(self) -> Mapping[bytes, bytes]: ...

    def stored_content(self) -> Chunks: ...

    def fail(self, code: str, message: str, offset: int) -> NoReturn: ...


class TarMember:
    """
    One member of a tar: the raw header, and what it means when asked.

    Attributes:
        name: The effective name, from the header, a GNU long name or a PAX record.
        flag: The type flag as a byte.
        size: Bytes of content, holes included.
        offset: Byte offset of the member's first block.
        header: The 512 bytes of its own header.
        lead: The blocks before *header* that extend it: PAX and GNU long-name members.
        plain: Whether it has no PAX records but times in the usual form.
        stored: Bytes of content in the archive, without holes.
        sparse: The stretches that hold data, or None when all does.
        apart: Whether each of them begins in a block of its own.
        refused: Why GNU tar refuses the header, where Go does not.
        unpacked: What GNU tar calls it, None where that is the name.
    """

    lead: bytes = b""
    plain = True
    _records: Mapping[bytes, bytes] | None = NO_RECORDS
    _entry: Entry | None = None
    sparse: SparseMap | None = None
    apart = False
    refused = ""
    unpacked: bytes | None = None

    def __init__(
        self, name: bytes, flag: int, size: int, offset: int, header: bytes, reader: _Source
    ) -> None:
        self.name = name
        self.flag = flag
        self.size = self.stored = size
        self.offset = offset
        self.header = header
        self._reader = reader

    def extend(self, lead: bytes, records: Mapping[bytes, bytes] | None) -> None:
        """
        Take in the blocks that precede the header and belong to it.

        *records* are None where *lead* is one PAX header with nothing but times.
        """
        self.offset -= len(lead)
        self.lead = lead
        self.plain = not records
        self._records = records

    def __repr__(self) -> str:
        return f"<TarMember {self.name!r} {self.type.name} {self.size} bytes>"

    @property
    def records(self) -> Mapping[bytes, bytes]:
        """The PAX records of this member alone."""
        if self._records is None:
            self._records = read_times(self.lead)
        return self._records

    @property
    def shared_records(self) -> Mapping[bytes, bytes]:
        """The PAX records of global headers, which hold where the member has none of its own."""
        return self._reader.global_records

    @property
    def type(self) -> EntryType:
        """What it is; unknown flags are files, and old archives mark a directory by a slash alone."""
        if self.flag == 0 and self.name.endswith(b"/"):
            return EntryType.DIRECTORY
        return _TYPES[self.flag]

    @property
    def target(self) -> bytes:
        """What a link points to, as stored; empty for all but links."""
        if self.flag not in b"12":
            return b""
        name = parse_string(self.header[157:257])
        if self._records is None:  # nothing but times
            return name
        for flag, payload in extensions(self.lead):
            if flag == LONG_TARGET:
                name = parse_string(payload)
        return parse_string(self.records.get(b"linkpath", name))

    @property
    def entry(self) -> Entry:
        """
        All that the archive says about the member.

        Raises:
            InvalidImageError: When a field is not a number.
        """
        if self._entry is None:  # functools.cached_property takes a lock before Python 3.12
            try:
                self._entry = _parse_entry(self, {**self._reader.global_records, **self.records})
            except HeaderError as error:
                self._fail(error)
        return self._entry

    def stated_time(self, key: bytes) -> int | None:
        """
        Return the time that the PAX record *key* states, in nanoseconds since 1970; None where there is none.

        Raises:
            InvalidImageError: When it is no time.
        """
        text = self.records.get(key, self.shared_records.get(key))
        try:
            return parse_time(key, text) if text else None
        except HeaderError as error:
            self._fail(error)

    def _fail(self, error: HeaderError) -> NoReturn:
        self._reader.fail("bad-header", f"header of {shown(self.name)}: {error}", self.offset)

    def chunks(self) -> Chunks:
        """
        Yield the content, holes as zeros; once, and only until the next member is read.

        Raises:
            TruncatedImageError: When the archive ends within it.
        """
        return self._reader.stored_content() if self.sparse is None else self._expand()

    def stretches(self) -> Iterator[tuple[int, bytes]]:
        """
        Yield what is stored of a sparse file and where it belongs; once, and only until the next member is read.

        Raises:
            TruncatedImageError: When the archive ends within it.
        """
        stored = self._reader.stored_content()
        piece = b""
        for offset, length in ((0, self.size),) if self.sparse is None else self.sparse:
            at, end = offset, offset + length
            while at < end and (piece := piece or next(stored, b"")):
                yield at, piece[: end - at]
                at, piece = at + min(len(piece), end - at), piece[end - at :]
            if at < end:
                self._lacks(end - at)
            left = -length % BLOCK if self.apart else 0
            while left and (piece := piece or next(stored, b"")):
                piece, left = piece[left:], max(0, left - len(piece))

    def _lacks(self, missing: int) -> NoReturn:
        text = f"sparse map of {shown(self.name)} needs {missing} bytes more than are stored"
        self._reader.fail("truncated-archive", text, self.offset)

    def stored_chunks(self) -> Chunks:
        """
        Yield the content as it lies in the archive, without holes; in place of `chunks`.

        Raises:
            TruncatedImageError: When the archive ends within it.
        """
        return self._reader.stored_content()

    def _expand(self) -> Chunks:
        """Yield the content with zeros for holes."""
        at = 0
        for offset, piece in self.stretches():
            if offset < at:
                text = f"sparse map of {shown(self.name)} goes back from byte {at} to byte {offset}"
                self._reader.fail("bad-sparse-map", text, self.offset)
            yield from _zeros(offset - at)
            yield piece
            at = offset + len(piece)
        yield from _zeros(self.size - at)


def shown(name: bytes) -> str:
    """Return a member's name for a message."""
    return repr(escape(os.fsdecode(name)))


def extensions(lead: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type flag and payload of each extension member in *lead*, whose headers were found good."""
    at = 0
    while at < len(lead):
        size = read_number(lead[at + 124 : at + 136], "size", 0)
        yield lead[at + 156], lead[at + BLOCK : at + BLOCK + size]
        at += BLOCK + _tar.padded(size)


@lru_cache(4096)  # an archive has few different modes and owners
def read_number(field: bytes, name: str, low: int = -_gnutar.SIZE_MAX) -> int:
    """
    Return the number in a header field as Go reads it, or else as GNU tar does.

    Raises:
        HeaderError: When it is none for either.
    """
    try:
        return parse_number(field, name)
    except HeaderError:
        return _gnutar.parse_number(field, name, low)


def _zeros(size: int) -> Chunks:
    block = bytes(min(size, _PIECE))
    for _ in range(size // _PIECE):
        yield block
    if size % _PIECE:
        yield bytes(size % _PIECE)


def _parse_entry(member: TarMember, records: Mapping[bytes, bytes]) -> Entry:
    header, kind = member.header, member.type
    device = None
    if kind in {EntryType.CHARACTER_DEVICE, EntryType.BLOCK_DEVICE}:
        device = (read_number(header[329:337], "devmajor"), read_number(header[337:345], "devminor"))
    xattrs = {_attribute(key): records[key] for key in records if key.startswith(_XATTR)}
    return make_entry(
        os.fsdecode(member.name),
        kind,
        read_number(header[100:108], "mode") & 0o7777,
        _owner(records, b"uid", header[108:116]),
        _owner(records, b"gid", header[116:124]),
        _parse_time(records, header[136:148]),
        member.size if kind is EntryType.FILE else 0,
        os.fsdecode(member.target),
        device,
        frozen(xattrs) if xattrs else NO_XATTRS,
        None if member.sparse is None else tuple(pair for pair in member.sparse if pair[1]),
    )


def _attribute(key: bytes) -> str:
    """Return the name of an extended attribute from its record's key, in which GNU tar escapes two characters."""
    return os.fsdecode(key[len(_XATTR) :].replace(b"%3D", b"=").replace(b"%25", b"%"))


_INTEGER = re.compile(rb"[+-]?0*[0-9]{1,19}")
_SECONDS = re.compile(rb"([+-]?0*[0-9]{1,19})(?:\.([0-9]*))?")


def _owner(records: Mapping[bytes, bytes], key: bytes, field: bytes) -> int:
    text = records.get(key)
    return integer_record(key, text) if text else read_number(field, key.decode())


def integer_record(key: bytes, text: bytes) -> int:
    """
    Return the number that is the value of the PAX record *key*, as Go reads it.

    Raises:
        HeaderError: It is none, or has more than 64 bits.
    """
    if not _INTEGER.fullmatch(text) or not -(1 << 63) <= int(text) < 1 << 63:
        raise HeaderError(f"PAX record {key.decode()} is {text[:40]!r}, expected a decimal number of 64 bits")
    return int(text)


def parse_time(key: bytes, text: bytes) -> int:
    """
    Return nanoseconds from a decimal number of seconds with an optional fraction.

    Raises:
        HeaderError: It is none.
    """
    match = _SECONDS.fullmatch(text)
    if not match or not -(1 << 63) <= int(match[1]) < 1 << 63:
        raise HeaderError(f"PAX record {key.decode()} is {text[:40]!r}, expected seconds")
    whole, fraction = match[1], int((match[2] or b"")[:9].ljust(9, b"0"))
    return int(whole) * NANO + (-fraction if whole[:1] == b"-" else fraction)


def _parse_time(records: Mapping[bytes, bytes], field: bytes) -> int:
    text = records.get(b"mtime")
    return parse_time(b"mtime", text) if text else read_number(field, "mtime") * NANO


# What Go parses of a PAX header whether or not anybody asks; a bad one makes the header invalid.
CHECKED_RECORDS = {
    b"uid": integer_record, b"gid": integer_record, b"size": integer_record,
    b"atime": parse_time, b"mtime": parse_time, b"ctime": parse_time,
}  # fmt: skip
