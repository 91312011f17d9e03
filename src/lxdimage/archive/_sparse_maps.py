"""
Where a tar stream holds the map of a sparse file, in whichever of the four formats it is.

Go and GNU tar agree on what the usual programs write.  Otherwise Go checks every map when it reads the header; tar
takes what it can, and begins each stretch with a block of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lxdimage import _gnutar, _tar
from lxdimage._gnutar import SparseRecords
from lxdimage._tar import BLOCK, DUMPED_DIRECTORY, GNU_SPARSE, HeaderError, SparseMap, is_gnu, is_ustar
from lxdimage.archive._blocks import TarBlocks
from lxdimage.archive._entry import EntryType
from lxdimage.archive._member import DATALESS, TarMember, integer_record
from lxdimage.limits import Limits

__all__ = ["SparseReader"]

_SPARSE = b"GNU.sparse."


class SparseReader(TarBlocks):
    """The blocks of a tar stream, and the maps of sparse files among them."""

    _limits: Limits

    # ---- as Go reads them ------------------------------------------------------------------------------------

    def _sparse_for_go(self, member: TarMember) -> None:
        """
        Find the map of a sparse file and give it to *member*.

        Raises:
            HeaderError: When it is malformed.
        """
        if member.flag == GNU_SPARSE:
            if not is_gnu(member.header):
                raise HeaderError("sparse member without GNU magic")
            pairs = self._tables(member.header)
            size = _tar.parse_number(member.header[483:495], "sparse size")
        elif found := self._pax_sparse(member):
            pairs, size = found
        else:
            member.refused = member.refused or _misread(member)
            return
        if member.flag in DATALESS:
            raise HeaderError("sparse map on a member without content")
        _tar.validate_sparse(pairs, size)
        member.sparse, member.size, member.stored = pairs, size, self._data_end - self._at

    def _tables(self, header: bytes) -> SparseMap:
        """Read the oldest format: four pairs in the header, then extension blocks with 21 each."""
        pairs = _tar.parse_old_sparse(header, 386, 4)
        more, stored = header[482], self._data_end - self._at
        while more:
            block = self._table_block()
            pairs += _tar.parse_old_sparse(block, 0, 21)
            more = block[504]
            self._bound(pairs)
        self._set_end(self._at + stored)
        return tuple(pairs)

    def _table_block(self) -> bytes:
        self._data_end, self._next = 0, self._at
        block = self._next_block()
        if len(block) < BLOCK:
            self._fail_truncated(BLOCK - len(block))
        self._at = self._next
        return block

    def _bound(self, pairs: list[tuple[int, int]]) -> None:
        if len(pairs) > self._limits.extension // 24:
            raise HeaderError(f"sparse map has more than {len(pairs)} entries")

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
            lines = self._lines(self._data_end - self._at, _tar.parse_decimal)
            member.refused = member.refused or _refusal(lines)
            return _paired(map(_tar.parse_decimal, lines)), size
        return _tar.parse_sparse_list(
            records.get(_SPARSE + b"map", b""), records.get(_SPARSE + b"numblocks", b"")
        ), size

    def _lines(self, room: int, parse: Callable[[bytes], int]) -> list[bytes]:
        """Read format 1.0: lines of text in front of the content, padded to whole blocks, at most *room* bytes."""
        text = bytearray()
        lines, wanted = 0, 1
        while lines < wanted:
            if room - len(text) < BLOCK or len(text) > self._limits.extension:
                raise HeaderError("sparse map does not end where the content begins")
            self._data_end = max(self._data_end, self._at + BLOCK)
            block = self._content_block()
            text += block
            lines += block.count(b"\n")
            if wanted == 1 and lines:
                count = parse(bytes(text[: text.index(b"\n")]))
                if not 0 <= count <= self._limits.extension:
                    raise HeaderError(f"sparse map has {count} entries")
                wanted = 1 + 2 * count
        return bytes(text).split(b"\n")[:wanted]

    # ---- as GNU tar reads them ---------------------------------------------------------------------------------

    def _sparse_for_tar(self, member: TarMember, found: SparseRecords | None) -> None:
        """
        Find the map of a sparse file and give it to *member*, and its size to any file whose records have one.

        Args:
            member: A member, whose content comes next.
            found: What its records say, if it has any.

        Raises:
            HeaderError: When it is malformed.
        """
        size = member.size if found is None or found.size is None else found.size
        if member.flag == GNU_SPARSE and is_gnu(member.header):
            size = _gnutar.parse_number(member.header[483:495], "sparse size")
            pairs = self._tables_for_tar(member.header, size)
        elif found is not None and is_ustar(member.header) and (found.in_data or found.pairs):
            pairs = self._map_in_data() if found.in_data else found.pairs
        else:
            if size != member.size and _is_file(member):
                member.size = member.stored = size
                self._set_end(self._at + size)
            return
        if member.flag in DATALESS:
            raise HeaderError("sparse map on a member without content")
        taken = sum(_tar.padded(length) for _, length in pairs[:-1]) + (pairs[-1][1] if pairs else 0)
        self._set_end(max(self._data_end, self._at + taken))
        member.sparse, member.apart, member.stored = pairs, True, self._data_end - self._at
        member.size = max(size, max(map(sum, pairs), default=0))

    def _tables_for_tar(self, header: bytes, size: int) -> SparseMap:
        """Read the oldest format: a table that is not full is the last one, whatever the header says."""
        pairs = _gnutar.parse_sparse_table(header, 386, 4, size)
        stored, room, more = self._data_end - self._at, 4, header[482]
        while more and len(pairs) == room:
            block = self._table_block()
            pairs += _gnutar.parse_sparse_table(block, 0, 21, size)
            room += 21
            more = block[504]
            self._bound(pairs)
        self._set_end(self._at + stored)
        return tuple(pairs)

    def _map_in_data(self) -> SparseMap:
        """Read format 1.0, and whatever has a greater number; tar does not mind where the content ends."""
        parse = _gnutar.parse_sparse_line
        return _paired(map(parse, self._lines(_gnutar.SIZE_MAX, parse)))


def _is_file(member: TarMember) -> bool:
    """Tell whether tar makes a file of a member: a directory, too, can have content to GNU."""
    return member.type is EntryType.FILE and member.flag != DUMPED_DIRECTORY


def _misread(member: TarMember) -> str:
    """Return why GNU tar, for which any file has the size of a sparse one, reads too much or too little of it."""
    if not member.records or not _is_file(member):
        return ""
    size = _gnutar.parse_sparse_records(member.records.items()).size
    if size is None or _tar.padded(size) == _tar.padded(member.stored):
        return ""
    return f"PAX records give it {size} bytes, and {member.stored} are stored"


def _refusal(lines: list[bytes]) -> str:
    """Return why GNU tar refuses the *lines* of a map; empty when it does not."""
    try:
        for line in lines:
            _gnutar.parse_sparse_line(line)
    except HeaderError as error:
        return str(error)
    return ""


def _paired(found: Iterable[int]) -> SparseMap:
    """Return the pairs of offset and length behind the number of pairs."""
    numbers = list(found)
    return tuple(zip(numbers[1::2], numbers[2::2], strict=True))
