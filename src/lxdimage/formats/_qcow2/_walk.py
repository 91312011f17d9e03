"""
Walking the tables of a qcow2 disk: what is allocated, and whether everything is in the file.

The walk is bounded: of a disk whose tables are larger than those of any real image only the header is looked at.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import repeat

import attrs

from lxdimage.formats._qcow2._disk import PLACE_MASK, Cluster, ClusterKind, parse_cluster
from lxdimage.formats._qcow2._header import Qcow2Header
from lxdimage.formats._seekable import RandomAccess

__all__ = ["Problem", "Walk", "read_numbers", "walk_tables"]

MOST_CLUSTERS = 1 << 25
"""Clusters of a file of which the references are counted: one byte of memory each."""
_MOST_ENTRIES = 1 << 24
_MOST_COUNTED = 255
_MOST_CUT = 4
_SECTOR = 512


class Problem(Enum):
    """What a table entry can be wrong about."""

    OUTSIDE = "outside"
    OUTSIDE_COMPRESSED = "outside-compressed"
    UNALIGNED = "unaligned"
    SHARED_TABLE = "shared-table"
    BROKEN = "broken"
    ZERO = "zero"
    SUBCLUSTERS = "subclusters"


@attrs.define(kw_only=True)
class Walk:
    """
    What the tables of a disk say.

    Attributes:
        references: How often each cluster of the file is used, at most 255.
        allocated: Guest clusters that are stored.
        compressed: Those of them that are compressed.
        end: Where the last used cluster ends.
        problems: How often an entry is wrong, and the first place that it names.
        cut: Compressed clusters that may be only partly in the file, or whose entry is.
        complete: Whether all tables were walked.
    """

    references: bytearray
    allocated: int = 0
    compressed: int = 0
    end: int = 0
    problems: dict[Problem, tuple[int, int]] = attrs.field(factory=dict)
    cut: list[Cluster] = attrs.field(factory=list)
    complete: bool = True

    def note(self, problem: Problem, place: int) -> None:
        """Count *problem*, and keep the first place of its kind."""
        count, first = self.problems.get(problem, (0, place))
        self.problems[problem] = count + 1, first

    def note_cut(self, cluster: Cluster) -> None:
        """Keep a cluster that may be cut: of many the last ones, since what lies before a whole one is whole."""
        self.cut.append(cluster)
        if len(self.cut) > _MOST_CUT:
            self.cut.remove(min(self.cut, key=lambda cluster: cluster.place))


def read_numbers(data: bytes) -> array[int]:
    """Return the big-endian numbers of eight bytes that *data* holds."""
    numbers = array("Q", data[: len(data) & ~7])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def walk_tables(file: RandomAccess, header: Qcow2Header, whole: Callable[[Cluster], bool]) -> Walk:
    """
    Return what the active tables of a disk say; internal snapshots are not walked.

    Args:
        file: The disk.
        header: Its header.
        whole: Tells whether a compressed cluster, all of which is in the file, decompresses.
    """
    clusters = -(-file.size // header.cluster_size)
    if clusters > MOST_CLUSTERS:
        return Walk(references=bytearray(), complete=False)
    walker = _Walker(file, header, whole, Walk(references=bytearray(clusters)))
    walker.use(0, 1)
    walker.use(header.l1_table, header.l1_size * 8)
    walker.use(header.refcount_table, header.refcount_table_clusters * header.cluster_size)
    walker.walk()
    return walker.result


def _allocated(header: Qcow2Header, bitmap: int) -> int:
    """Return up to where the subclusters of a cluster are stored: behind the last one there may be no file."""
    return (bitmap & 0xFFFF_FFFF).bit_length() * header.cluster_size // 32


def _misused(header: Qcow2Header, kind: ClusterKind, bitmap: int) -> Problem | None:
    """Return what qemu does not read of an L2 entry although it names a place where a cluster can be."""
    if kind is ClusterKind.ZERO and header.version < 3:
        return Problem.ZERO
    stored, zero = bitmap & 0xFFFF_FFFF, bitmap >> 32
    if (kind is ClusterKind.PLAIN and stored & zero) or (kind is ClusterKind.UNALLOCATED and stored):
        return Problem.SUBCLUSTERS
    return None


class _Walker:
    """The steps of a walk, which share its result."""

    def __init__(
        self, file: RandomAccess, header: Qcow2Header, whole: Callable[[Cluster], bool], result: Walk
    ) -> None:
        self.result = result
        self._whole = whole
        self._file = file
        self._header = header
        sectors = header.virtual_size // _SECTOR  # qemu reads whole ones
        self._guest_clusters = -(-sectors * _SECTOR // header.cluster_size)
        self._tables: set[int] = set()

    def use(self, place: int, size: int) -> None:
        """Count a reference to every cluster from *place* on, over *size* bytes."""
        bits, references = self._header.cluster_bits, self.result.references
        first, last = place >> bits, (place + size - 1) >> bits
        for cluster in range(first, min(last + 1, len(references))):
            if references[cluster] < _MOST_COUNTED:
                references[cluster] += 1
        self.result.end = max(self.result.end, (last + 1) << bits)

    def walk(self) -> None:
        """Walk the L1 table and all L2 tables that it names."""
        left = _MOST_ENTRIES
        for number, table in self._l2_places():
            left -= self._header.l2_entries
            if left < 0:
                self.result.complete = False
                return
            self._walk_l2(table, number * self._header.l2_entries)

    def _l2_places(self) -> Iterator[tuple[int, int]]:
        """Yield numbers of entries of the L1 table, and the places of the L2 tables that they name."""
        header, result = self._header, self.result
        needed = -(-self._guest_clusters // header.l2_entries)
        for number, entry in enumerate(read_numbers(self._file.read(header.l1_table, header.l1_size * 8))):
            place = entry & PLACE_MASK
            if not place:
                continue
            if place % header.cluster_size:
                if number < needed:
                    result.note(Problem.UNALIGNED, place)
                continue
            self.use(place, header.cluster_size)
            if place + header.cluster_size > self._file.size:
                result.note(Problem.OUTSIDE, place)  # what of it is there counts nevertheless
            if place in self._tables:
                result.note(Problem.SHARED_TABLE, place)
            else:
                self._tables.add(place)
                yield number, place

    def _walk_l2(self, table: int, first: int) -> None:
        """Walk the table whose first entry is that of guest cluster *first*."""
        header = self._header
        data = self._file.read(table, header.cluster_size)
        size = header.l2_entry_size
        # Where the file ends within an entry, qemu reads zeros for the rest of it.
        numbers = read_numbers(data + bytes(-len(data) % size))
        step = size // 8
        entries, bitmaps = numbers[::step], numbers[1::2] if step > 1 else repeat(0)
        for number, (entry, bitmap) in enumerate(zip(entries, bitmaps, strict=False), first):
            if entry or bitmap:
                cluster = parse_cluster(header, entry)
                read = number < self._guest_clusters
                if read and (problem := _misused(header, cluster.kind, bitmap)):
                    self.result.note(problem, table + (number - first) * size)
                if step > 1 and cluster.kind is ClusterKind.PLAIN:
                    cluster = cluster._replace(size=_allocated(header, bitmap))
                self._use_cluster(cluster, read=read)
        if 0 < len(data) % size < 8:
            cluster = parse_cluster(header, entries[-1])
            if cluster.kind is ClusterKind.COMPRESSED:
                self.result.note_cut(cluster)

    def _use_cluster(self, cluster: Cluster, *, read: bool) -> None:
        """Count a cluster; what is wrong with one behind the guest's end nobody reads, and it does not matter."""
        kind, place, size = cluster
        if kind is ClusterKind.COMPRESSED:
            self.result.compressed += 1
            if read:
                self._check_compressed(cluster)
        elif place:
            if place % self._header.cluster_size:
                if read:
                    self.result.note(Problem.UNALIGNED, place)
                return
            if self._header.data_file is not None:  # it is a place in that file
                self.result.allocated += 1
                return
            if read and place + size > self._file.size:
                self.result.note(Problem.OUTSIDE, place)
            size = self._header.cluster_size
        else:
            return
        self.result.allocated += 1
        self.use(place, size)

    def _check_compressed(self, cluster: Cluster) -> None:
        if cluster.place >= self._file.size:
            self.result.note(Problem.OUTSIDE_COMPRESSED, cluster.place)
        elif cluster.place + cluster.size > self._file.size:
            self.result.note_cut(cluster)
        elif not self._whole(cluster):
            self.result.note(Problem.BROKEN, cluster.place)
