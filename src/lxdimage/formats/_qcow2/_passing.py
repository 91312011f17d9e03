"""
A disk that passes by once, as a member of an archive or through a pipe.

Programs that make a disk write a table before, or soon after, what it maps.  So when a table has passed, what it names
is still to come, and can be kept as well: all tables of a disk are small beside its clusters.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import heappop, heappush
from typing import NamedTuple

from lxdimage.errors import InvalidImageError
from lxdimage.formats._qcow2._disk import (
    COMPRESSED,
    PLACE_MASK,
    Cluster,
    ClusterKind,
    decompresses,
    most_decompressed,
    parse_cluster,
)
from lxdimage.formats._qcow2._header import HEAD_SIZE, Qcow2Header, read_qcow2_header
from lxdimage.formats._qcow2._walk import read_numbers

__all__ = ["NotKeptError", "PassingDisk"]

_MOST_KEPT = 8 << 20
_LARGEST_TABLE = 1 << 20  # far more than the L1 table of any real disk
_MOST_BROKEN = 10_000
_MOST_WAITING = 1 << 15  # compressed clusters that tables have named and that have not passed
_LAST = (2 << 20) + (1 << 16)  # more than a compressed cluster, the last of which may be cut
_GUEST_HEAD = 1 << 15  # holds every partition table


class NotKeptError(Exception):
    """What is to be read was not kept."""


class _Stretch(NamedTuple):
    """Bytes that are wanted, from *place* to *end*: a table, or a compressed cluster."""

    place: int
    end: int
    compressed: bool


class PassingDisk:
    """
    Keeps the tables of a disk, and the guest's first bytes, while the disk passes.

    Afterwards they are read as if the disk were a file.  What came too early, or is more than 8 MiB, is not there.
    Compressed clusters are decompressed as they pass, and not kept.

    Attributes:
        size: Bytes that passed.
        cut: Whether more would have come, had somebody waited for it.
    """

    def __init__(self) -> None:
        self.size = 0
        self.cut = False
        self._start = bytearray()  # the first bytes, which hold the header
        self._header: Qcow2Header | None = None
        self._tables: set[int] = set()  # where L2 tables are
        self._followed: set[int] = set()  # what has passed of what was kept, by where it begins
        self._first_table = 0  # that of them that maps the guest's first bytes
        self._room = _MOST_KEPT
        self._kept: dict[int, bytearray] = {}  # by where it begins
        self._places: list[int] = []  # these, in order
        # Clusters that are not decompressed yet, by where they begin, and their bytes.
        self._compressed: dict[int, bytearray] = {}
        self._held = 0
        self._broken: set[int] = set()
        self._output = 0  # bytes of decompressed clusters
        self._unchecked = False
        self._wanted: list[_Stretch] = []  # a heap
        self._begun: list[_Stretch] = []  # what of it has passed in part
        self._last: deque[bytes] = deque()
        self._last_size = 0

    def take(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._last.append(chunk)
        self._last_size += len(chunk)
        while self._last_size - len(self._last[0]) >= _LAST:
            self._last_size -= len(self._last.popleft())
        self.size += len(chunk)
        if self._header is not None:
            self._keep(chunk)
        elif len(self._start) < HEAD_SIZE:
            self._start += chunk
            if len(self._start) >= HEAD_SIZE:
                self._begin()

    def end(self) -> None:
        """Note that nothing more comes."""
        if self._header is None and len(self._start) < HEAD_SIZE:
            self._begin()
        cut, self._begun = self._begun, []
        for stretch in cut:  # of a table of which a part is there, that part counts
            if not stretch.compressed:
                data = self._kept[stretch.place]
                self._follow(stretch.place, bytes(data) + bytes(-len(data) % 16))
        self._keep(b"")

    def _begin(self) -> None:
        """Look at the header, which tells where the tables are."""
        try:
            header = read_qcow2_header(bytes(self._start[:HEAD_SIZE]))
        except InvalidImageError:
            return  # nothing of the disk will be looked at
        self._header = header
        bitmaps = header.bitmap_directory
        for place, size in (
            (header.l1_table, header.l1_size * 8),
            (header.refcount_table, header.refcount_table_clusters * header.cluster_size),
            (bitmaps.place, bitmaps.size) if bitmaps else (0, 0),
        ):
            if size <= _LARGEST_TABLE:
                self._want(place, size)
        self._keep(b"")

    def _want(self, place: int, size: int) -> bool:
        """Want *size* bytes at *place* to be kept, and tell whether there is room."""
        if place in self._kept:
            return True
        if size > self._room:
            return False
        self._room -= size
        self._kept[place] = bytearray()
        heappush(self._wanted, _Stretch(place, place + size, compressed=False))
        return True

    def _want_decompressed(self, cluster: Cluster) -> None:
        """Want a compressed cluster to be looked at when it passes."""
        place, size = cluster.place, cluster.size
        if place in self._compressed:
            return
        if len(self._compressed) >= _MOST_WAITING:
            self._unchecked = True
            return
        self._compressed[place] = bytearray()
        heappush(self._wanted, _Stretch(place, place + size, compressed=True))

    def _keep(self, chunk: bytes) -> None:
        """Keep what is wanted of *chunk*, the last one that passed, and whatever that names."""
        base = self.size - len(chunk)
        begun, self._begun = self._begun, []
        while begun or (self._wanted and self._wanted[0].place < self.size):
            stretch = begun.pop() if begun else heappop(self._wanted)
            place, end, compressed = stretch
            data = (self._compressed if compressed else self._kept)[place]
            before = len(data)
            if place < base and not data:
                data += self._recent(place, min(end, base))
            if place >= base or data:
                data += chunk[max(place + len(data) - base, 0) : max(end - base, 0)]
            if compressed:
                self._held += len(data) - before
            if (not data and place < base) or self._held > _MOST_KEPT:
                self._give_up(stretch)
            elif end > self.size:
                self._begun.append(stretch)
            elif compressed:
                self._decompress(place)
            else:
                self._follow(place, bytes(data))

    def _give_up(self, stretch: _Stretch) -> None:
        """Do without what passed too long ago, or overlaps too much."""
        if stretch.compressed:
            self._held -= len(self._compressed.pop(stretch.place))
            self._unchecked = True

    def _decompress(self, place: int) -> None:
        """Look at a compressed cluster that has passed."""
        assert self._header is not None
        data = self._compressed.pop(place)
        self._held -= len(data)
        self._output += self._header.cluster_size
        if self._output > most_decompressed(self.size):
            self._unchecked = True
        elif not decompresses(self._header, bytes(data)) and len(self._broken) < _MOST_BROKEN:
            self._broken.add(place)

    def whole(self, cluster: Cluster) -> bool:
        """
        Tell whether a compressed cluster decompresses.

        Raises:
            NotKeptError: Not all of them could be looked at.
        """
        if self._unchecked:
            raise NotKeptError
        return cluster.place not in self._broken

    def _recent(self, place: int, end: int) -> bytes:
        """Return bytes that passed not long ago; nothing when it was longer ago."""
        start = self.size - self._last_size
        if place < start:
            return b""
        pieces = []
        for chunk in self._last:
            if start >= end:
                break
            pieces.append(chunk[max(place - start, 0) : end - start])
            start += len(chunk)
        return b"".join(pieces)

    def _follow(self, place: int, table: bytes) -> None:
        """Want what is named by what was kept at *place*."""
        header = self._header
        assert header is not None
        self._followed.add(place)
        if place in {header.l1_table, header.refcount_table}:
            for number, entry in enumerate(read_numbers(table)):
                below = entry & PLACE_MASK
                if below and not self._want(below, header.cluster_size):
                    break
                if below and place == header.l1_table:
                    self._first_table = self._first_table if number else below
                    self._find_table(below)
        elif place in self._tables:
            self._follow_l2(header, table, first=place == self._first_table)

    def _find_table(self, place: int) -> None:
        """Take note of an L2 table, which may have been kept for another reason and have passed."""
        if place not in self._tables:
            self._tables.add(place)
            if place in self._followed:
                self._follow(place, bytes(self._kept[place]))

    def _follow_l2(self, header: Qcow2Header, table: bytes, *, first: bool) -> None:
        """Want the compressed clusters of an L2 table, and of the *first* one those of the guest's first bytes."""
        head = -(-_GUEST_HEAD // header.cluster_size) if first else 0
        for number, entry in enumerate(read_numbers(table)[:: header.l2_entry_size // 8]):
            if not entry or (number >= head and not entry & COMPRESSED):
                continue
            cluster = parse_cluster(header, entry)
            if number < head and cluster.size:
                self._want(cluster.place, cluster.size)
            if cluster.kind is ClusterKind.COMPRESSED:
                self._want_decompressed(cluster)

    def read(self, place: int, size: int) -> bytes:
        """
        Return *size* bytes at *place*, fewer where the disk ends before; once all has passed.

        Raises:
            NotKeptError: They were not kept.
        """
        if self.cut and place + size > self.size:
            raise NotKeptError
        size = min(size, self.size - place)
        if place < 0 or size <= 0:
            return b""
        if place + size <= len(self._start):
            return bytes(self._start[place : place + size])
        self._places = self._places or sorted(self._kept)
        index = bisect_right(self._places, place) - 1
        if index >= 0:
            start = self._places[index]
            if len(data := self._kept[start][place - start : place - start + size]) == size:
                return bytes(data)
        if len(recent := self._recent(place, place + size)) == size:
            return recent
        raise NotKeptError
