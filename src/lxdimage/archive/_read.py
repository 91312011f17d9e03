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
from typing import NoReturn
from zlib import adler32

from lxdimage import _tar
from lxdimage._chunks import Chunks
from lxdimage._tar import BLOCK, OCTAL_DIGITS, ZERO_BLOCK, HeaderError, SparseMap, parse_number, parse_string
from lxdimage.archive._headers import (
    LowHalves,
    is_regular,
    name_in,
    numbers_of,
    plain_extension,
    times_end,
)
from lxdimage.archive._member import (
    CHECKED_RECORDS,
    DATALESS,
    NO_RECORDS,
    TarMember,
    extensions,
    integer_record,
    shown,
)
from lxdimage.errors import InvalidImageError, LimitExceededError, TruncatedImageError
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["TarReader", "read_archive"]

_EXTENSIONS = frozenset(b"xgLK")
_ORDINARY = frozenset(b"012345")
_FILE, _PAX = b"0x"
_EMPTY = frozenset(b"25")  # symbolic links and directories: nothing lies behind their headers
_ZERO = b"00000000000"
_PIECE = 1 << 20
_GO_EXTENSION = 1 << 20  # what Go reads of one extension header
_SPARSE = b"GNU.sparse."


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


class TarReader:
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
        self.source = source
        self.strict = strict
        self.count = 0
        self.ended = False
        self.cut = 0
        self._globals: dict[bytes, bytes] = {}
        self._globals_size = 0
        self._shared: Mapping[bytes, bytes] | None = (
            NO_RECORDS  # a copy of them, None where it is out of date
        )
        self._chunks = chunks
        self._limits = limits or Limits()
        self._sums = LowHalves()
        # Positions count from the start of the buffer and may lie beyond its end while content is skipped.
        self._buffer = b""
        self._base = 0  # stream offset of the buffer
        self._at = 0  # next byte to read
        self._data_end = 0  # end of the current member's content
        self._next = 0  # start of the next header
        self._name = b""  # the last member, for messages

    @property
    def offset(self) -> int:
        """Byte offset of the next block to look at."""
        return self._base + self._next

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
        lead, last, room = at, len(buffer) - BLOCK, self._limits.members - self.count
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
            if not (digits.isdigit() and header.startswith(prefixes) and len(members) < room):
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
                if header[156] in _ORDINARY and (size := _ordinary_size(header)) >= 0:
                    return self._ordinary(header, size, lead, records)
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

    # ---- blocks --------------------------------------------------------------------------------------------

    def _next_block(self) -> bytes:
        """
        Return the block at `_next`, going on to later chunks as needed; shorter only where the stream ends.

        Afterwards `_next` is the position behind it, in the new buffer.
        """
        buffer, at = self._buffer, self._next
        while at >= len(buffer):
            chunk = next(self._chunks, None)
            if chunk is None:
                if self._data_end > len(buffer):
                    self._fail_truncated(self._data_end - len(buffer))
                self.cut = at - len(buffer)
                return b""
            self._data_end -= len(buffer)
            self._base += len(buffer)
            at -= len(buffer)
            self._buffer = buffer = chunk
        return self._gather(at)

    def _gather(self, at: int) -> bytes:
        """Return the block that begins at *at* in the buffer and may end in a later chunk."""
        block = self._buffer[at : at + BLOCK]
        while len(block) < BLOCK and (chunk := next(self._chunks, None)) is not None:
            self._base += len(self._buffer)
            self._data_end -= len(self._buffer)
            at -= len(self._buffer)
            self._buffer = chunk
            block += chunk[: BLOCK - len(block)]
        self._next = at + len(block)
        return block

    def stored_content(self) -> Chunks:
        """
        Yield what is stored of the current member, as it lies in the archive.

        Raises:
            TruncatedImageError: When the archive ends within it.
        """
        while self._at < self._data_end:
            while self._at >= len(self._buffer):
                self._fetch()
            piece = self._buffer[self._at : self._data_end]
            self._at += len(piece)
            yield piece

    def _fetch(self) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            self._fail_truncated(self._data_end - len(self._buffer))
        size = len(self._buffer)
        self._base += size
        self._at -= size
        self._data_end -= size
        self._next -= size
        self._buffer = chunk

    def rest(self) -> Chunks:
        """Yield what follows the end-of-archive blocks."""
        if self._next < len(self._buffer):
            yield self._buffer[self._next :]
        yield from self._chunks

    # ---- headers that are more than a name and a size ------------------------------------------------------

    def _special(self, header: bytes, lead: bytes) -> TarMember | None:
        """Return the member whose first block not yet taken into *lead* is *header*; None at the end of the archive."""
        before = bytearray(lead)
        while header != ZERO_BLOCK:
            offset = self._base + self._next - BLOCK
            size = self._verify(header, offset)
            if header[156] not in _EXTENSIONS:
                return self._member(header, size, bytes(before), offset - len(before))
            payload = self._extension(size, offset)
            if header[156] == 0x67:
                records = self._pax(payload, size, offset)
                self._globals_size += size
                self._limit_extension(self._globals_size, offset)
                self._globals |= records
                self._shared = None
                before.clear()
                if self.strict:
                    # Go hands it out as an entry of that name, and the daemons compare names alone.
                    name = records.get(b"path") or name_in(header)
                    self._at = self._data_end = self._next
                    return TarMember(name, header[156], 0, offset, header, self)
            else:
                before += header + payload
                self._limit_extension(len(before), offset)
            header = self._next_block()
            if len(header) < BLOCK:
                self._finish(header)
                return None
        self._end_of_archive()
        return None

    def _verify(self, header: bytes, offset: int) -> int:
        """Return the size that a header claims after checking all that Go checks of it."""
        field = header[148:156]
        computed = _tar.checksum(header)
        try:
            claimed = parse_number(field, "checksum")
        except HeaderError:
            claimed = -1
        if claimed not in {computed, _tar.signed_checksum(header)}:
            shown = claimed if claimed >= 0 else repr(field)
            self.fail(
                "bad-checksum", f"header checksum{self._after()} is {shown}, computed {computed}", offset
            )
        try:
            size = self._checked_size(header)
        except HeaderError as error:
            self.fail("bad-header", f"header{self._after()}: {error}", offset)
        if size < 0 and header[156] not in DATALESS:
            self.fail("bad-header", f"header{self._after()}: size is {size}", offset)
        return size

    def _checked_size(self, header: bytes) -> int:
        """Return the size in *header*, read as Go reads it with all other numbers, or as GNU tar does."""
        if self.strict:
            numbers = {name: parse_number(header[start:end], name) for name, start, end in numbers_of(header)}
            return numbers["size"]
        return 0 if header[156] in DATALESS else _tar.parse_size_leniently(header[124:136])

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
                payload += bytes(_tar.padded(size) - len(payload))
        return bytes(payload)

    def _limit_extension(self, size: int, offset: int) -> None:
        limit = _GO_EXTENSION if self.strict else self._limits.extension
        if size > limit + 4 * BLOCK:
            self.fail(
                "member-limit",
                f"extension header{self._after()} has {size} bytes, at most {limit} allowed",
                offset,
            )

    def _pax(self, payload: bytes, size: int, offset: int) -> dict[bytes, bytes]:
        try:
            records = _tar.join_sparse_map(_tar.parse_pax(payload[:size], lenient=not self.strict))
            for key, check in CHECKED_RECORDS.items():
                if (text := records.get(key)) and (self.strict or key == b"size"):
                    check(key, text)
        except HeaderError as error:
            self.fail("bad-pax-record", f"{error}{self._after()}", offset)
        return records

    def _member(self, header: bytes, size: int, lead: bytes, offset: int) -> TarMember:
        name = name_in(header)
        long_name = b""
        records: Mapping[bytes, bytes] = NO_RECORDS
        for flag, payload in extensions(lead):
            if flag == 0x78:
                records = self._pax(payload, len(payload), offset)
            elif flag == 0x4C:
                long_name = parse_string(payload)
        flag = header[156]
        name = long_name or records.get(b"path") or name
        if text := records.get(b"size"):
            size = int(text)
            if size < 0:
                self.fail("bad-header", f"size of {shown(name)} is {size}", offset)
        if flag in DATALESS or (flag == 0 and name.endswith(b"/")):
            size = 0
        member = TarMember(name, flag, size, offset + len(lead), header, self)
        member.extend(lead, records)
        self._at = self._next
        self._set_end(self._next + size)
        try:
            self._sparse(member)
        except HeaderError as error:
            self.fail("bad-sparse-map", f"{error}, in {shown(name)}", offset)
        self._name = name
        return member

    def _set_end(self, end: int) -> None:
        self._data_end = end
        self._next = end + (self._at - end) % BLOCK

    # ---- sparse files ----------------------------------------------------------------------------------------

    def _sparse(self, member: TarMember) -> None:
        """Find the map of a sparse file in whichever of the four formats it is, and give it to *member*."""
        if member.flag == 0x53:
            pairs, size = self._old_sparse(member.header)
        elif found := self._pax_sparse(member):
            pairs, size = found
        else:
            return
        if member.flag in DATALESS:
            raise HeaderError("sparse map on a member without content")
        _tar.validate_sparse(pairs, size, lenient=not self.strict)
        member.sparse, member.size, member.stored = pairs, size, self._data_end - self._at

    def _old_sparse(self, header: bytes) -> tuple[SparseMap, int]:
        """Read format 'S': four pairs in the header, then extension blocks with 21 each."""
        if self.strict and header[257:265] != b"ustar  \0":
            raise HeaderError("sparse member without GNU magic")
        pairs = _tar.parse_old_sparse(header, 386, 4)
        more, stored = header[482], self._data_end - self._at
        while more:
            self._data_end, self._next = 0, self._at
            block = self._next_block()
            if len(block) < BLOCK:
                self._fail_truncated(BLOCK - len(block))
            self._at = self._next
            pairs += _tar.parse_old_sparse(block, 0, 21)
            more = block[504]
            if len(pairs) > self._limits.extension // 24:
                raise HeaderError(f"sparse map has more than {len(pairs)} entries")
        self._set_end(self._at + stored)
        return tuple(pairs), parse_number(header[483:495], "sparse size")

    def _pax_sparse(self, member: TarMember) -> tuple[SparseMap, int] | None:
        records = member.records
        version = records.get(_SPARSE + b"major", b""), records.get(_SPARSE + b"minor", b"")
        in_data = version == (b"1", b"0")
        known = in_data or version in {(b"0", b"0"), (b"0", b"1")}
        if not known and (version != (b"", b"") or not records.get(_SPARSE + b"map")):
            return None
        if name := records.get(_SPARSE + b"name"):
            member.name = name
        text = records.get(_SPARSE + b"size") or records.get(_SPARSE + b"realsize")
        size = integer_record(_SPARSE + b"size", text) if text else member.size
        if in_data:
            return self._sparse_in_data(), size
        return _tar.parse_sparse_list(
            records.get(_SPARSE + b"map", b""), records.get(_SPARSE + b"numblocks", b"")
        ), size

    def _sparse_in_data(self) -> SparseMap:
        """Read format 1.0: lines of text in front of the content, padded to whole blocks."""
        text = bytearray()
        lines, wanted = 0, 1
        end = self._data_end
        while lines < wanted:
            if end - self._at < BLOCK or len(text) > self._limits.extension:
                raise HeaderError("sparse map does not end where the content begins")
            block = self._content_block()
            text += block
            lines += block.count(b"\n")
            if wanted == 1 and lines:
                count = bytes(text[: text.index(b"\n")])
                if not count.isdigit() or len(count) > 7:
                    raise HeaderError(
                        f"sparse map starts with {count[:20]!r}, expected the number of its entries"
                    )
                wanted = 1 + 2 * int(count)
            end = self._data_end
        return _tar.parse_sparse_text(bytes(text).split(b"\n")[:wanted])

    def _content_block(self) -> bytes:
        """Take one block of the current member's content."""
        block = b""
        while len(block) < BLOCK:
            while self._at >= len(self._buffer):
                self._fetch()
            piece = self._buffer[self._at : self._at + BLOCK - len(block)]
            self._at += len(piece)
            block += piece
        return block

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

    def _after(self) -> str:
        return f" after {shown(self._name)}" if self._name else ""

    def _fail_truncated(self, missing: int) -> NoReturn:
        text = f"the archive ends {missing} bytes before the content{self._after().replace('after', 'of', 1)} does"
        self.fail("truncated-archive", text, self._base + len(self._buffer))

    def fail(self, code: str, message: str, offset: int) -> NoReturn:
        """Raise the exception for a finding of kind *code*."""
        kind = _ERRORS.get(code, InvalidImageError)
        raise kind(diagnose(code, message, source=self.source, offset=offset))


_ERRORS = {
    "truncated-archive": TruncatedImageError,
    "truncated-header": TruncatedImageError,
    "member-limit": LimitExceededError,
}


def _ordinary_size(header: bytes) -> int:
    """Return the bytes behind the header of an ordinary member, -1 where the field is an unusual one."""
    digits = header[124:135]
    if header[156] != 0x30:
        return 0
    return -1 if digits.strip(OCTAL_DIGITS) else int(digits, 8)


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
