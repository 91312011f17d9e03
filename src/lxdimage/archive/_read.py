"""
Reading a tar stream: one pass, constant memory, a member's details parsed only when asked for.

The strategy: `TarReader.batches` looks at each 512-byte header where it lies in the current chunk.  An ordinary member
(a file, directory or symbolic link with a valid checksum, no prefix, at most a PAX header with nothing but times)
costs one Adler-32 a header, a few slices and a tuple; one of another type, or with other records that change neither
name nor size, one small object; everything else goes through `TarReader._special`.  Content is skipped by arithmetic
unless the consumer asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from zlib import adler32

from lxdimage import _gnutar, _tar
from lxdimage._chunks import Chunks
from lxdimage._gnutar import SparseRecords
from lxdimage._tar import BLOCK, ZERO_BLOCK, HeaderError, parse_number, parse_string
from lxdimage.archive._headers import (
    NO_END,
    LowHalves,
    is_regular,
    name_for_tar,
    name_in,
    numbers_of,
    plain_extension,
    plain_size,
    times_end,
)
from lxdimage.archive._member import CHECKED_RECORDS, DATALESS, NO_RECORDS, TarMember, extensions, shown
from lxdimage.archive._sparse_maps import SparseReader
from lxdimage.limits import Limits

__all__ = ["Batch", "TarReader", "read_archive"]

_EXTENSIONS = frozenset(b"xgLK")
_EXTENSIONS_FOR_TAR = _EXTENSIONS | {0x58}  # Solaris' name for x
_RECORDS = frozenset(b"xX")
_ORDINARY = frozenset(b"012345")
_FILE, _PAX = b"0x"
_EMPTY = frozenset(b"25")  # symbolic links and directories: nothing lies behind their headers
_ZERO = b"00000000000"
_GO_EXTENSION = 1 << 20  # what Go reads of one extension header


class Batch:
    """
    Ordinary members that follow one another in a tar: their names, and what else their headers say when asked.

    They are files and, unless every header is parsed at once, directories and symbolic links.

    Attributes:
        buffer: The bytes that all their headers lie in.
        members: Of each the name, and the places in the buffer of its content and of its first block.
    """

    __slots__ = ("_base", "_reader", "buffer", "members")

    def __init__(
        self, buffer: bytes, base: int, members: list[tuple[bytes, int, int]], reader: TarReader
    ) -> None:
        self.buffer = buffer
        self.members = members
        self._base = base
        self._reader = reader

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, place: int) -> TarMember:
        """Return one of them as a member."""
        name, begin, first = self.members[place]
        at = begin - BLOCK
        header = self.buffer[at:begin]
        member = TarMember(name, header[156], int(header[124:135], 8), self._base + at, header, self._reader)
        if first < at:
            member.extend(self.buffer[first:at], None)
        return member


class TarReader(SparseReader):
    """
    Members of a tar in the order of the stream; iterate over it once.

    Attributes:
        source: What the archive is called in findings.
        strict: While True, every field of every header is parsed at once, so that a header is refused exactly
            when Go refuses it, and PAX global headers are members with the flag ``g``, as they are for Go.
            Whoever only needs names and sizes sets it to False, at any time.
        count: Members seen.
        ended: Whether end-of-archive blocks were seen; without them, the stream was perhaps cut.
        cut: Bytes of padding that are missing behind the last member's content: Go does not mind, GNU tar does.
    """

    def __init__(
        self, chunks: Chunks, *, source: str = "", limits: Limits | None = None, strict: bool = False
    ) -> None:
        super().__init__(chunks, source)
        self.strict = strict
        self.count = 0
        self.ended = False
        self._globals: dict[bytes, bytes] = {}
        self._globals_size = 0
        # A copy of them, None where it is out of date.
        self._shared: Mapping[bytes, bytes] | None = NO_RECORDS
        self._limits = limits or Limits()
        self._sums = LowHalves()
        self._refused = ""  # why GNU tar refuses the header that is being read, where Go does not

    @property
    def global_records(self) -> Mapping[bytes, bytes]:
        """Records of the PAX global headers so far; the same object as long as no header changes them."""
        if self._shared is None:
            self._shared = MappingProxyType(dict(self._globals))
        return self._shared

    # ---- the members ---------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[TarMember]:
        """
        Yield the members.

        Raises:
            InvalidImageError: When a header cannot be read; a subclass says when the archive is cut or a limit is met.
        """
        for found in self.batches():
            if isinstance(found, TarMember):
                yield found
            else:
                yield from self._one_by_one(found)

    def batches(self, prefixes: bytes | tuple[bytes, ...] = b"") -> Iterator[TarMember | Batch]:
        """
        Yield the members; ordinary ones that follow one another come together, and their content is not to be had.

        Args:
            prefixes: What the name of such a member begins with, by one of them.

        Raises:
            InvalidImageError: As from iterating over the members.
        """
        while True:
            batch = self._batch(prefixes)
            if batch is not None:
                yield batch
            member = self._single()
            if member is None:
                return
            yield self._counted(member)

    def _batch(self, prefixes: bytes | tuple[bytes, ...]) -> Batch | None:
        """Return the ordinary members whose headers come next in the buffer: the loop that costs."""
        buffer, at, sums, strict = self._buffer, self._next, self._sums, self.strict
        # Every member takes a block at least, so no more are found than the limit still allows.
        lead, last = at, min(len(buffer), at + (self._limits.members - self.count) * BLOCK) - BLOCK
        members: list[tuple[bytes, int, int]] = []
        size = 0
        while at <= last:
            header = buffer[at : at + BLOCK]
            if sums[header[148:156]] != adler32(header) & 0xFFFF or header[345]:
                break
            if strict and not is_regular(header):
                break
            kind = header[156]
            if kind == _PAX:
                if at == lead and (end := times_end(buffer, at, header)):
                    at = end
                    continue
                break
            digits = header[124:135]
            if kind != _FILE and (strict or kind not in _EMPTY or digits != _ZERO):
                break
            if header[135] & NO_END or not (digits.isdigit() and header.startswith(prefixes)):
                break
            try:
                size = int(digits, 8)
            except ValueError:
                break
            at += BLOCK
            members.append((header[:100] if header[99] else header[: header.index(0)], at, lead))
            at = lead = at + (size + 511 & -512)
        if not members:
            return None
        self.count += len(members)
        self._name, self._at, _ = members[-1]
        self._data_end = self._at + size
        self._next = lead
        return Batch(buffer, self._base, members, self)

    def _one_by_one(self, batch: Batch) -> Iterator[TarMember]:
        """Yield the members of *batch*, each with its content."""
        for place, (name, begin, _) in enumerate(batch.members):
            member = batch[place]
            self._name, self._at, self._data_end = name, begin, begin + member.size
            self._next = begin + (member.size + 511 & -512)
            yield member

    def _single(self) -> TarMember | None:
        """Return the next member, None at the end of the archive."""
        lead: bytes = b""
        records: Mapping[bytes, bytes] | None = NO_RECORDS
        while len(header := self._next_block()) == BLOCK:
            if (
                self._sums[header[148:156]] == adler32(header) & 0xFFFF
                and not header[345]
                and (not self.strict or is_regular(header))
            ):
                if header[156] in _ORDINARY and (size := plain_size(header)) >= 0:
                    return self._ordinary(header, size if header[156] == _FILE else 0, lead, records)
                at = self._next - BLOCK
                if header[156] == 0x78 and not lead and (found := plain_extension(self._buffer, at, header)):
                    lead, records = found
                    self._next = at + len(lead)
                    continue
            return self._special(header, lead)
        self._finish(header)
        return None

    def _ordinary(
        self, header: bytes, size: int, lead: bytes, records: Mapping[bytes, bytes] | None
    ) -> TarMember:
        """Return the member behind whose *header* the reader stands."""
        at = self._at = self._next
        self._data_end = at + size
        self._next = at + (size + 511 & -512)
        self._name = name = parse_string(header[:100])
        member = TarMember(name, header[156], size, self._base + at - BLOCK, header, self)
        if lead:
            member.extend(lead, records)
        return member

    def _counted(self, member: TarMember) -> TarMember:
        self.count += 1
        if self.count > self._limits.members:
            text = f"the archive has more than {self._limits.members} members"
            self.fail("member-limit", text, member.offset)
        return member

    # ---- headers that are more than a name and a size ------------------------------------------------------

    def _special(self, header: bytes, lead: bytes) -> TarMember | None:
        """Return the member whose first block not yet taken into *lead* is *header*; None at the end of the archive."""
        before = bytearray(lead)
        self._refused = ""
        while header != ZERO_BLOCK:
            offset = self._base + self._next - BLOCK
            size = self._verify(header, offset)
            if header[156] not in (_EXTENSIONS if self.strict else _EXTENSIONS_FOR_TAR):
                return self._member(header, size, bytes(before), offset - len(before))
            payload = self._extension(size, offset)
            if header[156] == 0x67:
                self._add_globals(payload[:size], offset)
                if self.strict:
                    # Go hands it out as an entry of that name, and the daemons compare names alone.
                    name = self._globals.get(b"path") or name_in(header)
                    self._at = self._data_end = self._next
                    member = TarMember(name, header[156], 0, offset, header, self)
                    member.refused = self._refused
                    return member
            else:
                if self.strict and header[156] == 0x78:
                    self._pax(payload[:size], offset)  # Go reads it whatever follows
                before += header + payload
                self._limit_extension(len(before), offset)
            header = self._next_block()
            if len(header) < BLOCK:
                self._finish(header)
                return None
        self._end_of_archive()
        return None

    def _verify(self, header: bytes, offset: int) -> int:
        """Return the size that a header claims after checking all that Go, or GNU tar, checks of it at once."""
        field = header[148:156]
        sums = {_tar.checksum(header), _tar.signed_checksum(header)}
        if (claimed := _claimed_sum(field, strict=self.strict)) not in sums:
            found = claimed if claimed >= 0 else repr(field)
            text = f"header checksum{self._after()} is {found}, computed {_tar.checksum(header)}"
            self.fail("bad-checksum", text, offset)
        try:
            size = _checked_size(header) if self.strict else _size_for_tar(header)
        except HeaderError as error:
            self.fail("bad-header", f"header{self._after()}: {error}", offset)
        if self.strict:
            self._refused = self._refused or _refusal(header, sums, size)
        return size

    def _extension(self, size: int, offset: int) -> bytes:
        """Return the blocks of an extension member's payload."""
        self._limit_extension(size, offset)
        payload = bytearray()
        self._data_end = self._next + size
        while len(payload) < _tar.padded(size):
            block = self._next_block()
            payload += block
            if len(block) < BLOCK:
                if len(payload) < size:
                    self._fail_truncated(size - len(payload))
                self.cut = _tar.padded(size) - len(payload)
                payload += bytes(self.cut)
        return bytes(payload)

    def _limit_extension(self, size: int, offset: int) -> None:
        limit = _GO_EXTENSION if self.strict else self._limits.extension
        if size <= limit + 4 * BLOCK:
            return
        if not self.strict:
            # Where the stream ends before, that is what is wrong for everybody.
            self._at, self._data_end = self._next, self._next + size
            for _ in self.stored_content():
                pass
        text = f"extension header{self._after()} has {size} bytes, at most {limit} allowed"
        self.fail("member-limit", text, offset)

    def _add_globals(self, payload: bytes, offset: int) -> None:
        """Take the records of a global header; nobody looks at their values yet."""
        records = self._pax(payload, offset)
        self._globals_size += len(payload)
        self._limit_extension(self._globals_size, offset)
        self._globals |= records
        self._shared = None

    def _pax(self, payload: bytes, offset: int) -> dict[bytes, bytes]:
        """Return the records of a PAX header by key."""
        try:
            if not self.strict:
                return dict(_gnutar.parse_records(payload))
            records = _tar.join_sparse_map(_tar.parse_pax(payload))
        except HeaderError as error:
            self.fail("bad-pax-record", f"{error}{self._after()}", offset)
        try:
            _gnutar.parse_sparse_records(_gnutar.parse_records(payload))
        except HeaderError as error:
            self._refused = self._refused or str(error)
        return records

    def _member(self, header: bytes, size: int, lead: bytes, offset: int) -> TarMember:
        """Return the member with this *header*, which says its *size*."""
        records: Mapping[bytes, bytes] = NO_RECORDS
        long_name = extended = found = None
        for flag, payload in extensions(lead):
            if flag in _RECORDS:
                extended = payload
            elif flag == 0x4C:
                long_name = parse_string(payload)
        if extended is not None:  # what others say before it counts for nothing
            records = self._pax(extended, offset)
            found = self._sparse_records(extended, offset)
        for_tar = _effective_name(records, long_name, header)
        name = long_name or records.get(b"path") or name_in(header) if self.strict else for_tar
        size = self._size(records, size, offset)
        flag = header[156]
        if flag in DATALESS or (flag == 0 and name.endswith(b"/")):
            size = 0
        elif size < 0:
            self.fail("bad-header", f"size of {shown(name)} is {size}", offset)
        member = TarMember(name, flag, size, offset + len(lead), header, self)
        member.extend(lead, records)
        member.refused, member.unpacked = self._refused, None if for_tar == name else for_tar
        self._at = self._next
        self._set_end(self._next + size)
        try:
            if self.strict:
                self._sparse_for_go(member)
            else:
                self._sparse_for_tar(member, found)
        except HeaderError as error:
            self.fail("bad-sparse-map", f"{error}, in {shown(name)}", offset)
        self._name = name
        return member

    def _size(self, records: Mapping[bytes, bytes], size: int, offset: int) -> int:
        """Return the size that the *records* of a member say, instead of that in its header, after checking all."""
        try:
            if not self.strict:
                text = records.get(b"size")
                return _gnutar.parse_decimal(text, "size") if text else size
            for key, check in CHECKED_RECORDS.items():
                if text := records.get(key):
                    check(key, text)
        except HeaderError as error:
            self.fail("bad-pax-record", f"{error}{self._after()}", offset)
        return int(records.get(b"size") or size)

    def _sparse_records(self, payload: bytes, offset: int) -> SparseRecords | None:
        """Return what the records in *payload* say about a sparse file to GNU tar."""
        if self.strict or b"GNU.sparse." not in payload:
            return None
        try:
            return _gnutar.parse_sparse_records(_gnutar.parse_records(payload))
        except HeaderError as error:
            self.fail("bad-sparse-map", f"{error}{self._after()}", offset)

    # ---- the end ---------------------------------------------------------------------------------------------

    def _end_of_archive(self) -> None:
        """Take the second of the two blocks of zeros; one alone is enough where the stream ends."""
        offset = self._base + self._next - BLOCK
        second = self._next_block()
        if second == ZERO_BLOCK:
            self.ended = True
        elif len(second) == BLOCK:
            self.fail(
                "lone-zero-block", f"block of zeros{self._after()} is followed by something else", offset
            )
        else:
            self._finish(second)

    def _finish(self, block: bytes) -> None:
        """End where the stream ends: between two members, or within a header."""
        if block:
            offset = self._base + len(self._buffer) - len(block)
            text = f"expected a header of 512 bytes{self._after()}, found {len(block)}"
            self.fail("truncated-header", text, offset)


def _claimed_sum(field: bytes, *, strict: bool) -> int:
    """Return the checksum in *field* as Go or GNU tar reads it, -1 where there is none."""
    try:
        if strict:
            return _tar.parse_octal(field, "checksum")
        return _gnutar.parse_number(field, "checksum", octal_only=True)
    except HeaderError:
        return -1


def _refusal(header: bytes, sums: set[int], size: int) -> str:
    """Return why GNU tar refuses a *header* that has one of two *sums* and a *size* for Go; empty when it does not."""
    if _claimed_sum(header[148:156], strict=False) not in sums:
        return f"checksum is {header[148:156]!r}"
    try:
        found = _size_for_tar(header)
    except HeaderError as error:
        return str(error)
    return "" if found == size or header[156] in DATALESS else f"size is {found}, and {size} for Go"


def _checked_size(header: bytes) -> int:
    """Return the size in *header* after reading all numbers as Go does."""
    numbers = {name: parse_number(header[start:end], name) for name, start, end in numbers_of(header)}
    if numbers["size"] < 0 and header[156] not in DATALESS:
        raise HeaderError(f"size is {numbers['size']}")
    return numbers["size"]


def _size_for_tar(header: bytes) -> int:
    """Return the size in *header* as GNU tar reads it, which does not look at that of a hard link."""
    return 0 if header[156] == 0x31 else _gnutar.parse_number(header[124:136], "size")


def _effective_name(records: Mapping[bytes, bytes], long_name: bytes | None, header: bytes) -> bytes:
    """Return what GNU tar calls a member."""
    for key in (b"GNU.sparse.name", b"path"):
        if (name := records.get(key)) is not None:
            return parse_string(name)
    return name_for_tar(header) if long_name is None else long_name


def read_archive(chunks: Chunks, *, source: str = "", limits: Limits | None = None) -> Iterator[TarMember]:
    """
    Yield the members of a tar, in order, once.

    Args:
        chunks: The decompressed bytes.
        source: What to call the archive in findings.
        limits: Bounds on members and extension headers.

    Yields:
        Each member, usable until the next one is asked for.

    Raises:
        InvalidImageError: When a header cannot be read; a subclass says when the archive is cut or a limit is met.
    """
    return iter(TarReader(chunks, source=source, limits=limits))
