"""
Copying members from one tar to another: their header blocks as they are, but for what is asked to change.

A name stays where it was: in the header, in a PAX record or in a GNU long-name member.  Only one that no longer fits
the header moves, to what the archive's own format has for that.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxdimage import _gnutar, _tar
from lxdimage._tar import (
    BLOCK,
    GNU_SPARSE,
    LONG_NAME,
    LONG_TARGET,
    MAX_ID,
    MAX_SIZE,
    MAX_TIME,
    PAX,
    HeaderError,
)
from lxdimage.archive._entry import NANO
from lxdimage.archive._member import NO_RECORDS, TarMember, extensions, read_number

__all__ = ["dump_member"]

_SPARSE_NAME = b"GNU.sparse.name"


def dump_member(
    member: TarMember,
    *,
    name: bytes | None = None,
    target: bytes | None = None,
    uid: int | None = None,
    gid: int | None = None,
    latest: int | None = None,
    records: Mapping[bytes, bytes] = NO_RECORDS,
) -> bytes:
    """
    Return all blocks of *member* that precede its stored content.

    With nothing to change they are the blocks that were read.  `TarMember.stored_chunks` is what follows them, then
    the padding to whole blocks, which `write_archive` adds.

    Args:
        member: What a reader has just yielded.
        name: The new name.
        target: The new target of a link.
        uid: The new owner; names of users and groups are dropped with the ids that they belong to.
        gid: The new group.
        latest: Later times become this one, in seconds since 1970.
        records: New values of PAX records.

    Returns:
        Whole blocks.

    Raises:
        InvalidImageError: With *latest*, when a time of the member is none.
    """
    late = [] if latest is None else _late_times(member, latest)
    if target is None and uid is None and gid is None and not (late or records) and member.sparse is None:
        if name is None:
            return member.lead + member.header
        if _is_short(member, name):
            return member.lead + _tar.renamed(member.header, name)
    head = _Head(member)
    if name is not None:
        head.rename(name)
    if target is not None:
        head.relink(target)
    if uid is not None:
        head.own(b"uid", uid)
    if gid is not None:
        head.own(b"gid", gid)
    for key in late:
        head.date(key, latest or 0)
    for key, value in records.items():
        head.put_record(key, value)
    return head.dump()


def _late_times(member: TarMember, latest: int) -> list[bytes]:
    """Return the names of those times of a member that are later than *latest*."""
    stated = ((key, member.stated_time(key)) for key in (b"atime", b"ctime"))
    late = [key for key, time in stated if time is not None and time > latest * NANO]
    return [b"mtime", *late] if member.entry.mtime_ns > latest * NANO else late


_ELSEWHERE = frozenset({b"path", _SPARSE_NAME})


def _is_short(member: TarMember, name: bytes) -> bool:
    """Tell whether a new name only has to be put where the old one is: into the name field of a plain header."""
    if len(name) > 100 or member.header[345]:
        return False
    return not member.lead or (
        member.lead[156] == PAX
        and _ELSEWHERE.isdisjoint(member.records)
        and not any(flag == LONG_NAME for flag, _ in extensions(member.lead))
    )


# Where a header keeps what may change.
_FIELDS = {
    b"uid": (108, 116), b"gid": (116, 124), b"size": (124, 136), b"mtime": (136, 148), b"linkpath": (157, 257)
}  # fmt: skip
_NAMES_OF_OWNERS = {b"uid": (b"uname", 265, 297), b"gid": (b"gname", 297, 329)}


class _Head:
    """The header blocks of one member while they are changed."""

    def __init__(self, member: TarMember) -> None:
        self._member = member
        self._header = bytearray(member.header)
        self._gnu = member.header[257:265] == b"ustar  \0"
        # Of several extensions of one kind the last counts.
        self._blocks: dict[int, bytes] = {}
        self._records: list[tuple[bytes, bytes]] = []
        self._records_changed = False
        at = 0
        for flag, payload in extensions(member.lead):
            end = at + BLOCK + _tar.padded(len(payload))
            self._blocks[flag] = member.lead[at:end]
            at = end
            if flag == PAX:
                self._records = _records(payload)

    def rename(self, name: bytes) -> None:
        split = self._split(name)
        moved = self._replace(_SPARSE_NAME, name)
        moved = self._replace(b"path", name) or moved
        if LONG_NAME in self._blocks or (split is None and self._gnu and not moved):
            self._blocks[LONG_NAME] = _tar.dump_extension(b"L", name + b"\0", b"././@LongLink")
        elif split is None and not moved:
            self._add(b"path", name)
        if not self._has(_SPARSE_NAME):
            self._put_name(*(split or (b"", name[:100])))

    def _split(self, name: bytes) -> tuple[bytes, bytes] | None:
        """Return *name* as this kind of header stores it, or None when it does not fit."""
        split = _tar.split_name(name)
        if self._header[257:263] == b"ustar\0":
            star = self._header[508:512] == b"tar\0"
            return split if split and not (star and len(split[0]) > 131) else None
        # What looks like a prefix in a GNU header belongs to the name, so that only another place overrides it.
        prefixed = self._gnu and self._member.name.find(b"/") > 0 and self._header[345]
        return split if split and not split[0] and not prefixed else None

    def _put_name(self, prefix: bytes, name: bytes) -> None:
        self._header[:100] = name.ljust(100, b"\0")
        if self._header[257:263] == b"ustar\0":
            end = 476 if self._header[508:512] == b"tar\0" else 500
            self._header[345:end] = prefix.ljust(end - 345, b"\0")

    def relink(self, target: bytes) -> None:
        moved = self._replace(b"linkpath", target)
        if LONG_TARGET in self._blocks or (len(target) > 100 and self._gnu and not moved):
            self._blocks[LONG_TARGET] = _tar.dump_extension(b"K", target + b"\0", b"././@LongLink")
        elif len(target) > 100 and not moved:
            self._add(b"linkpath", target)
        self._put(b"linkpath", target[:100].ljust(100, b"\0"))

    def own(self, key: bytes, value: int) -> None:
        record, start, end = _NAMES_OF_OWNERS[key]
        if self._header[257:262] == b"ustar":
            self._header[start:end] = bytes(end - start)
        self._remove(record)
        self._number(key, value, MAX_ID)

    def date(self, key: bytes, seconds: int) -> None:
        if key == b"mtime":
            self._number(key, seconds, MAX_TIME)
        else:
            self.put_record(key, b"%d" % seconds)

    def put_record(self, key: bytes, value: bytes) -> None:
        """Give a record a value, whether or not it is there."""
        if not self._replace(key, value):
            self._add(key, value)

    def _number(self, key: bytes, value: int, largest: int) -> None:
        """Put a number into its record or field."""
        if self._replace(key, b"%d" % value):
            return
        if key in self._member.shared_records:  # which comes before the field
            self._add(key, b"%d" % value)
            return
        start, end = _FIELDS[key]
        if 0 <= value <= largest or self._gnu:
            self._put(key, _tar.dump_number(value, end - start))
        else:
            self._put(key, _tar.dump_number(0, end - start))
            self._add(key, b"%d" % value)

    def _put(self, key: bytes, field: bytes) -> None:
        start, end = _FIELDS[key]
        self._header[start:end] = field

    # ---- PAX records ---------------------------------------------------------------------------------------------

    def _has(self, key: bytes) -> bool:
        return any(key == found for found, _ in self._records)

    def _replace(self, key: bytes, value: bytes) -> bool:
        """Give the record *key* a value, where there is one."""
        if not self._has(key):
            return False
        self._records = [(found, value if found == key else old) for found, old in self._records]
        self._records_changed = True
        return True

    def _add(self, key: bytes, value: bytes) -> None:
        self._records.append((key, value))
        self._records_changed = True

    def _remove(self, key: bytes) -> None:
        if self._has(key):
            self._records = [pair for pair in self._records if pair[0] != key]
            self._records_changed = True

    # ---- sparse files --------------------------------------------------------------------------------------------

    def _sparse_blocks(self) -> bytes:
        """Return the blocks of a sparse file's map that the reader took from between header and content."""
        member = self._member
        if member.sparse is None:
            return b""
        if member.flag == GNU_SPARSE:
            inside = sum(member.header[at] != 0 for at in range(398, 482, 24))
            more = _tar.dump_old_sparse(member.sparse[inside:])
            return (more or bytes(BLOCK)) if member.header[482] and inside == 4 else b""
        if member.records.get(b"GNU.sparse.major", b"0") == b"0":
            return b""
        blocks = _tar.dump_sparse_text(member.sparse)
        if self._claimed_size() != member.stored + len(blocks):
            self._number(b"size", member.stored + len(blocks), MAX_SIZE)
        return blocks

    def _claimed_size(self) -> int:
        """Return the size that the member claims, -1 where it is written as hardly any program does."""
        text = self._member.records.get(b"size")
        try:
            if text:
                return _gnutar.parse_decimal(text, "size")
            return read_number(self._member.header[124:136], "size", 0)
        except HeaderError:
            return -1

    # ---- the result ----------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        sparse = self._sparse_blocks()
        if self._records_changed:
            payload = _tar.dump_pax(self._records)
            old = self._blocks.get(PAX)
            name = _tar.parse_string(old[:100]) if old else b"PaxHeaders.0"
            self._blocks[PAX] = _tar.dump_extension(b"x", payload, name) if self._records else b""
        return b"".join(self._blocks.values()) + _tar.sealed(bytes(self._header)) + sparse


def _records(payload: bytes) -> list[tuple[bytes, bytes]]:
    """Return the records of a PAX header that Go has read, or that GNU tar alone can read."""
    try:
        return _tar.parse_pax(payload)
    except HeaderError:
        return _gnutar.parse_records(payload)
