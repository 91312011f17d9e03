"""
Writing a tar: members in, chunks of bytes out, the same bytes for the same members on every machine.

Headers are POSIX ustar, because everything reads that.  Only a member with something that ustar cannot say gets a
PAX header, and in it only the records that are needed, as Go writes them (image format, section 7): names that are
long or not ASCII (their raw bytes, whatever the encoding), large sizes and ids, extended attributes.  Base-256
numbers and GNU long names are never written, nor names of users and groups.

A sparse file becomes PAX sparse format 1.0, which Go, GNU tar, bsdtar and Python read, and which the daemons
unpack to a sparse file again.  The archive ends with two blocks of zeros and without further padding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias
from zlib import adler32

from lxdimage import _tar
from lxdimage._chunks import Chunks
from lxdimage._tar import MAX_ID, MAX_SIZE, MAX_TIME
from lxdimage.archive._entry import NANO, Entry, EntryType
from lxdimage.archive._sparse import closed_map, stored_chunks, wrong_size
from lxdimage.errors import BuildError
from lxdimage.rules import diagnose

__all__ = [
    "END_OF_ARCHIVE",
    "Item",
    "PlainHeaders",
    "dump_entry",
    "dump_global",
    "write_archive",
    "xattr_record",
]

END_OF_ARCHIVE = bytes(2 * _tar.BLOCK)

Item: TypeAlias = "tuple[Entry | bytes, Iterable[bytes]]"
"""What `write_archive` takes: an entry, or the blocks of a member's headers as they are, and the content."""

_FLUSH = 1 << 18
_LATEST_NS = MAX_TIME * NANO


def write_archive(  # noqa: C901 - the hot loop is kept in one piece
    items: Iterable[Item], *, fractions: bool = False, end: bool = True
) -> Chunks:
    """
    Yield a tar with *items*.

    Args:
        items: Entries with their content, holes as zeros or as `SparseContent`.  Where the blocks of headers stand
            instead of an entry they are copied as they are, and so is the content.
        fractions: Keep the fractions of a second of modification times, which costs each member a PAX header.
        end: Write the blocks that end the archive; without them more members may follow.

    Yields:
        The archive.

    Raises:
        BuildError: When an entry cannot be stored, or its content has not the size that it claims.
    """
    parts: list[bytes] = []
    append = parts.append
    pending = 0
    dump = _Headers(fractions=fractions).dump
    for head, content in items:
        if isinstance(head, bytes):
            if content.__class__ is tuple and len(content) == 1:  # most members of most trees
                (piece,) = content
                size = len(piece)
                parts += head, piece, _tar.PADDING[size & 511]
                pending += len(head) + size
                if pending >= _FLUSH:
                    yield from _flushed(parts)
                    pending = 0
                continue
            expected = -1
            blocks = head
        else:
            blocks, expected = dump(head)
            if head.data is not None:
                content = stored_chunks(head, content)  # noqa: PLW2901
        append(blocks)
        pending += len(blocks)
        size = 0
        for piece in content:
            size += len(piece)
            append(piece)
            if len(piece) + pending >= _FLUSH:
                yield from _flushed(parts)
                pending = 0
            else:
                pending += len(piece)
        if expected not in (size, -1):
            assert isinstance(head, Entry)
            raise wrong_size(head, expected, size)
        if size & 511:
            append(_tar.PADDING[size & 511])
        if pending >= _FLUSH:
            yield from _flushed(parts)
            pending = 0
    if end:
        append(END_OF_ARCHIVE)
    if parts:
        yield b"".join(parts)


def _flushed(parts: list[bytes]) -> Chunks:
    """Yield what is in *parts* and empty it; a large piece at the end is not copied."""
    last = parts.pop()
    if len(last) < _FLUSH >> 1:
        parts.append(last)
        last = b""
    joined = b"".join(parts)
    parts.clear()
    if joined:
        yield joined
    if last:
        yield last


# ---- headers ---------------------------------------------------------------------------------------------------


def dump_entry(entry: Entry, *, fractions: bool = False) -> bytes:
    """
    Return all blocks of *entry* that precede its content.

    Raises:
        BuildError: When a tar cannot store it.
    """
    return _Headers(fractions=fractions).dump(entry)[0]


def dump_global(records: Mapping[bytes, bytes]) -> bytes:
    """Return a PAX global header: *records* hold for all members that follow."""
    return _tar.dump_extension(b"g", _tar.dump_pax(records), b"pax_global_header")


_PLAIN_TAIL = _tar.dump_header(b"", EntryType.FILE.value.encode())[156:]
_PLAIN_SUM = _tar.byte_sum(_PLAIN_TAIL[:244]) + _tar.byte_sum(_PLAIN_TAIL[244:]) + 8 * 0x20 - 1


class PlainHeaders:
    """Makes the headers of files with nothing special about them; remembers the fields that many have in common."""

    def __init__(self) -> None:
        self._owners: dict[tuple[int, int, int], bytes] = {}

    def dump(self, path: str, mode: int, uid: int, gid: int, size: int, mtime_ns: int) -> bytes | None:
        """Return the header of a file, None where that takes more; *path* has at least one character."""
        owner = self._owners.get((mode, uid, gid)) or self._remembered((mode, uid, gid))
        if (
            owner is None
            or len(path) > 100
            or not path.isascii()
            or "\0" in path
            or not 0 <= size <= MAX_SIZE
            or not 0 <= mtime_ns <= _LATEST_NS
        ):
            return None
        front = b"%b%b%011o\0%011o\0" % (path.encode().ljust(100, b"\0"), owner, size, mtime_ns // NANO)
        # The low half of an Adler-32 is one more than the sum of the bytes.
        return b"%b%06o\0 %b" % (front, (adler32(front) & 0xFFFF) + _PLAIN_SUM, _PLAIN_TAIL)

    def _remembered(self, key: tuple[int, int, int]) -> bytes | None:
        """Return the fields for mode and owner, or None where a header cannot hold them."""
        if not all(0 <= number <= MAX_ID for number in key) or key[0] > 0o7777:
            return None
        if len(self._owners) > 1000:
            self._owners.clear()
        self._owners[key] = owner = b"%07o\0%07o\0%07o\0" % key
        return owner


class _Headers:
    """Makes the headers of entries."""

    def __init__(self, *, fractions: bool) -> None:
        self._fractions = fractions
        self._plain = PlainHeaders()

    def dump(self, entry: Entry) -> tuple[bytes, int]:
        """Return the blocks that precede the content of *entry*, and the bytes of content to come."""
        path, size, mtime = entry.path, entry.size, entry.mtime_ns
        if entry.type is EntryType.FILE and not entry.xattrs and entry.data is None and path:
            blocks = self._plain.dump(path, entry.mode, entry.uid, entry.gid, size, mtime)
            if blocks is not None and not (self._fractions and mtime % NANO):
                return blocks, size
        return _dump_any(entry, fractions=self._fractions)


def _dump_any(entry: Entry, *, fractions: bool) -> tuple[bytes, int]:
    """Return the header of any entry, behind a PAX header where it needs one, and the size of its content."""
    _check(entry)
    name, target = os.fsencode(entry.path), os.fsencode(entry.target)
    sparse, stored = b"", entry.size if entry.type is EntryType.FILE else 0
    if entry.data is not None:
        pairs = closed_map(entry.data, entry.size)
        sparse, stored = _tar.dump_sparse_text(pairs), sum(length for _, length in pairs)
    records = dict(_records(entry, name, target, stored + len(sparse), fractions=fractions))
    split = None if sparse or b"path" in records else _tar.split_name(name)
    prefix, short = split or (b"", _beside(name, b"GNUSparseFile.0") if sparse else name)
    header = _tar.dump_header(
        short,
        entry.type.value.encode(),
        mode=entry.mode,
        uid=_fitting(entry.uid, MAX_ID),
        gid=_fitting(entry.gid, MAX_ID),
        size=_fitting(stored + len(sparse), MAX_SIZE),
        mtime=_fitting(entry.mtime_ns // NANO, MAX_TIME),
        target=target,
        device=entry.device or (0, 0),
        prefix=prefix,
    )
    return _extended(name, records) + header + sparse, stored


def _fitting(value: int, largest: int) -> int:
    """Return *value*, or 0 where a record holds it."""
    return value if 0 <= value <= largest else 0


def _extended(name: bytes, records: Mapping[bytes, bytes]) -> bytes:
    """Return a PAX header with *records* for the member *name*; nothing without records."""
    if not records:
        return b""
    payload = _tar.dump_pax(sorted(records.items()))
    return _tar.dump_extension(b"x", payload, _beside(name, b"PaxHeaders.0"))


def _beside(name: bytes, directory: bytes) -> bytes:
    """Return the name that a header of *name* has for programs that do not know what it is for."""
    parent, _, base = name.rstrip(b"/").rpartition(b"/")
    full = b"/".join(filter(None, (parent, directory, base)))
    return bytes(byte for byte in full if 0x20 <= byte < 0x7F)[:100]


def _records(
    entry: Entry, name: bytes, target: bytes, size: int, *, fractions: bool
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the PAX records that *entry* needs."""
    if entry.data is not None:
        yield b"GNU.sparse.major", b"1"
        yield b"GNU.sparse.minor", b"0"
        yield b"GNU.sparse.name", name
        yield b"GNU.sparse.realsize", b"%d" % entry.size
    elif not name.isascii() or _tar.split_name(name) is None:
        yield b"path", name
    if not target.isascii() or len(target) > 100:
        yield b"linkpath", target
    for key, value, largest in (
        (b"uid", entry.uid, MAX_ID), (b"gid", entry.gid, MAX_ID), (b"size", size, MAX_SIZE)
    ):  # fmt: skip
        if value > largest:
            yield key, b"%d" % value
    seconds, fraction = divmod(entry.mtime_ns, NANO)
    if not 0 <= seconds <= MAX_TIME or (fractions and fraction):
        yield b"mtime", _time(entry.mtime_ns, fractions=fractions)
    for attribute, content in entry.xattrs.items():
        yield xattr_record(attribute), content


def xattr_record(name: str) -> bytes:
    """Return the key of the PAX record of an extended attribute."""
    # No key of a record may contain "=", and GNU tar, which unpacks images, undoes this.
    return b"SCHILY.xattr." + os.fsencode(name).replace(b"%", b"%25").replace(b"=", b"%3D")


def _time(nanoseconds: int, *, fractions: bool) -> bytes:
    """Return a time as PAX writes it: decimal seconds."""
    if not fractions:
        return b"%d" % (nanoseconds // NANO)
    seconds, fraction = divmod(abs(nanoseconds), NANO)
    sign = b"-" if nanoseconds < 0 else b""
    return b"%b%d.%09d" % (sign, seconds, fraction) if fraction else b"%b%d" % (sign, seconds)


def _check(entry: Entry) -> None:
    """Refuse what no tar can say."""
    if "\0" in entry.path or "\0" in entry.target or not entry.path:
        raise _unstorable(entry, "its name is empty or contains a NUL character")
    if entry.type is EntryType.SOCKET:
        raise _unstorable(entry, "it is a socket")
    if entry.uid < 0 or entry.gid < 0 or entry.size < 0 or not 0 <= entry.mode <= 0o7777:
        raise _unstorable(entry, "an id, its size or its mode is out of range")
    if entry.device and not all(0 <= number <= MAX_ID for number in entry.device):
        raise _unstorable(entry, f"its device number is {entry.device}")
    if any("\0" in key or not key for key in entry.xattrs):
        raise _unstorable(entry, "the name of an extended attribute is empty or contains a NUL character")


def _unstorable(entry: Entry, reason: str) -> BuildError:
    return BuildError(diagnose("unstorable-entry", f"a tar cannot store {entry.path!r}: {reason}"))
