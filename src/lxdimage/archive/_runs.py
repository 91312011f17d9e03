"""
Reading a tar whose members are to get other names: most of them come as blocks, ready to be written again.

A member that nothing is special about costs one look at its header, the new name in it and a slice of its content;
no object is made for it.  All others come as members, in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from zlib import adler32

from lxdimage._tar import BLOCK, PADDING
from lxdimage.archive._headers import low_half, plain_extension
from lxdimage.archive._member import TarMember
from lxdimage.archive._read import TarReader

__all__ = ["Renaming", "RunReader"]

_FILE, _PAX = b"0", 0x78
_LONGEST = 100  # bytes of a name in a header

# A header: name, and the zeros behind it; mode and owners; size; time; checksum; flag; what follows, without a
# prefix.  Hard links are left to others, because their targets need new names, too.
_HEADER = rb"(?=%b([^\0/.%b][^\0]*)(\0*)).{100}(.{24}([0-7]{11})[ \0].{12})(.{8})(([02345]).{188}\0.{166})"
_ODD = re.compile(rb"/(?:/|\.\.?(?:/|\Z))")


class _Checksums(dict[bytes, tuple[int, bytes]]):
    """By checksum field the low half of the Adler-32 that fits it, and the field of the header with the new name."""

    def __init__(self, change: int) -> None:
        super().__init__()
        self._change = change

    def __missing__(self, field: bytes) -> tuple[int, bytes]:
        low = low_half(field)
        changed = b"" if low < 0 else b"%06o\0 " % (int(field.rstrip(b" \0"), 8) + self._change)
        if len(self) < 1 << 16:
            self[field] = low, changed
        return low, changed


class Renaming:
    """
    How members of a tar get other names.

    Attributes:
        match: Matches the header of a member that nothing is special about.
        checksums: By the bytes that are taken away from the name.
        new: What is put in their place.
        kept: With how many bytes taken away a name stays what it is; -1 where that cannot be.
    """

    def __init__(self, old: bytes, new: bytes, *, apart: bytes = b"") -> None:
        """
        Args:
            old: What a name begins with; where that is nothing, a leading ``./`` goes, too.
            new: What takes its place.
            apart: First bytes, of the rest, of names whose members come alone.
        """
        start = re.escape(old) or rb"(?:\./)?"
        self.match = re.compile(_HEADER % (start, re.escape(apart)), re.DOTALL).match
        taken = (old,) if old else (b"", b"./")
        self.checksums = {len(away): _Checksums(sum(new) - sum(away)) for away in taken}
        self.new = new
        self.kept = len(old) if old == new else -1


class RunReader(TarReader):
    """
    Members of a tar, most of them as blocks.

    Attributes:
        alone: Whether every member comes alone from here on.
    """

    alone = False

    def runs(self, renaming: Renaming) -> Iterator[bytes | TarMember]:  # noqa: C901 - the hot loop is kept in one piece
        """
        Yield blocks of members with their new names, and members that somebody has to look at.

        The blocks are what `write_archive` makes of the members with these names.

        Raises:
            InvalidImageError: When a header cannot be read; a subclass says when the archive is cut or a limit is met.
        """
        match, tables, prefix, kept = renaming.match, renaming.checksums, renaming.new, renaming.kept
        longest, limit = _LONGEST - len(prefix), self._limits.members
        odd = _ODD.search
        parts: list[bytes] = []
        lead = b""
        while True:
            buffer, at = self._buffer, self._next
            found = match(buffer, at)
            if found is None and at + BLOCK > len(buffer):
                if parts:
                    yield _taken(parts)
                header = self._next_block()
                if len(header) < BLOCK:
                    self._finish(header)
                    return
                buffer, at = self._buffer, self._next - BLOCK
                found = match(header)
            else:
                header = buffer[at : at + BLOCK]
            if found and not self.alone and self.count < limit:
                name, _, front, digits, field, back, flag = found.groups()
                taken = found.start(1) - found.start()
                low, changed = tables[taken][field]
                if (
                    low == adler32(header) & 0xFFFF
                    and len(name) <= longest
                    and _fills(found)
                    and not odd(name)
                ):
                    self.count += 1
                    self._name = name
                    if lead:
                        parts.append(lead)
                        lead = b""
                    parts.append(
                        header
                        if taken == kept
                        else (prefix + name).ljust(_LONGEST, b"\0") + front + changed + back
                    )
                    size = int(digits, 8) if flag == _FILE else 0
                    begin, end = at + BLOCK, at + BLOCK + size
                    self._next = begin + (size + 511 & -512)
                    if end > len(buffer):
                        yield _taken(parts)
                        self._at, self._data_end = begin, end
                        yield from self.stored_content()
                        parts.append(PADDING[size & 511])
                    elif size:
                        parts += buffer[begin:end], PADDING[size & 511]
                    continue
            if header[156] == _PAX and not (lead or self.alone) and (lead := self._times(buffer, at, header)):
                continue
            if parts:
                yield _taken(parts)
            self._next = at + BLOCK
            member = self._special(header, lead)
            lead = b""
            if member is None:
                return
            yield self._counted(member)

    def _times(self, buffer: bytes, at: int, header: bytes) -> bytes:
        """Take a PAX header that changes neither name nor size, and return its blocks; empty for others."""
        if low_half(header[148:156]) != adler32(header) & 0xFFFF or header[345]:
            return b""
        blocks, _ = plain_extension(buffer, at, header) or (b"", None)
        self._next = at + len(blocks)
        return blocks


def _fills(header: re.Match[bytes]) -> bool:
    """Tell whether nothing but zeros follows the name in its field, and the name ends within."""
    start = header.start()
    return header.end(2) - start >= _LONGEST >= header.end(1) - start


def _taken(parts: list[bytes]) -> bytes:
    """Return what is in *parts* and empty it."""
    taken = b"".join(parts)
    parts.clear()
    return taken
