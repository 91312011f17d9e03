"""
Reference counts of a qcow2 disk, compared with what its tables use.

A refcount table holds the places of refcount blocks; a block holds one number for each cluster of the file.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from lxdimage.formats._qcow2._header import Qcow2Header
from lxdimage.formats._qcow2._walk import Walk, read_numbers
from lxdimage.formats._seekable import RandomAccess

__all__ = ["Difference", "compare_refcounts"]

_BLOCK_MASK = 0xFFFF_FFFF_FFFF_FE00
_MOST_COUNTED = 255
_CODES = {16: "H", 32: "I", 64: "Q"}


class Difference(NamedTuple):
    """
    How reference counts differ from use.

    Attributes:
        leaks: Clusters that are used less often than their count says.
        corruptions: Clusters that are used more often.
        first: The first cluster of the latter, -1 when there is none.
    """

    leaks: int
    corruptions: int
    first: int


def compare_refcounts(file: RandomAccess, header: Qcow2Header, walk: Walk) -> Difference:
    """Return how the reference counts differ from *walk*, to whose references the refcount blocks are added."""
    clusters = len(walk.references)
    per_block = header.cluster_size * 8 // header.refcount_bits
    size = header.refcount_table_clusters * header.cluster_size
    blocks = read_numbers(file.read(header.refcount_table, size))[: -(-clusters // per_block)]
    for place in blocks:
        cluster = (place & _BLOCK_MASK) >> header.cluster_bits
        if place and cluster < clusters and walk.references[cluster] < _MOST_COUNTED:
            walk.references[cluster] += 1
    leaks = corruptions = 0
    first = -1
    for index in range(-(-clusters // per_block)):
        start = index * per_block
        used = walk.references[start : start + per_block]
        place = blocks[index] & _BLOCK_MASK if index < len(blocks) else 0
        counts = _counts(file, header, place)
        for cluster, use in enumerate(used):
            count = counts[cluster] if cluster < len(counts) else 0
            if min(count, _MOST_COUNTED) > use:
                leaks += 1
            elif count < use:
                corruptions += 1
                first = start + cluster if first < 0 else first
    return Difference(leaks, corruptions, first)


def _counts(file: RandomAccess, header: Qcow2Header, place: int) -> Sequence[int]:
    """Return the numbers of a refcount block; none where it is not in the file."""
    if not place or place % header.cluster_size:
        return ()
    data = file.read(place, header.cluster_size)
    bits = header.refcount_bits
    if bits < 8:
        mask = (1 << bits) - 1
        return [byte >> shift & mask for byte in data for shift in range(0, 8, bits)]
    if bits == 8:
        return data
    counts = array(_CODES[bits], data[: len(data) // (bits // 8) * (bits // 8)])
    if sys.byteorder == "little":
        counts.byteswap()
    return counts
