"""
Reading what the guest sees: two levels of tables that map guest clusters to places in the file.

An L1 table holds the places of L2 tables, and those the places of clusters, or of compressed clusters.  What no table
maps is zero.
"""

from __future__ import annotations

import io
import struct
import zlib
from enum import Enum
from typing import NamedTuple

from lxdimage.errors import InvalidImageError, UnsupportedFormatError
from lxdimage.formats._qcow2._header import (
    HEAD_SIZE,
    ClusterCompression,
    Encryption,
    Features,
    Qcow2Header,
    read_qcow2_header,
)
from lxdimage.formats._seekable import RandomAccess
from lxdimage.rules import diagnose

__all__ = [
    "COMPRESSED",
    "PLACE_MASK",
    "Cluster",
    "ClusterKind",
    "Disk",
    "decompresses",
    "most_decompressed",
    "open_disk",
    "parse_cluster",
]

PLACE_MASK = 0x00FF_FFFF_FFFF_FE00
"""The bits of an L1 or L2 entry that are a place."""
COMPRESSED = 1 << 62
_ZERO = 1
_SECTOR = 512
_CACHED_TABLES = 16
_RAW_DEFLATE = -15
_LARGEST_WINDOW = 1 << 27
_DECOMPRESSED_IN_ANY_CASE, _MOST_RATIO = 256 << 20, 100


class ClusterKind(Enum):
    """What an L2 entry says."""

    UNALLOCATED = "unallocated"
    ZERO = "zero"
    PLAIN = "plain"
    COMPRESSED = "compressed"


class Cluster(NamedTuple):
    """
    Where a guest cluster is.

    Attributes:
        kind: What it is.
        place: Where it is stored.
        size: Bytes that are stored; for a compressed cluster at most.
    """

    kind: ClusterKind
    place: int = 0
    size: int = 0


_UNALLOCATED = Cluster(ClusterKind.UNALLOCATED)


def parse_cluster(header: Qcow2Header, entry: int) -> Cluster:
    """Return what an L2 entry says; subclusters of extended entries are not told apart here."""
    if entry & COMPRESSED:
        bits = 62 - (header.cluster_bits - 8)
        place = entry & ((1 << bits) - 1)
        sectors = ((entry & (COMPRESSED - 1)) >> bits) + 1
        return Cluster(ClusterKind.COMPRESSED, place, sectors * _SECTOR - place % _SECTOR)
    place = entry & PLACE_MASK
    if entry & _ZERO and Features.EXTENDED_L2 not in header.features:
        return Cluster(ClusterKind.ZERO, place)
    return Cluster(ClusterKind.PLAIN, place, header.cluster_size) if place else _UNALLOCATED


class Disk:
    """
    An open disk.

    Attributes:
        header: Its header.
        size: Bytes that the guest sees.
    """

    def __init__(self, file: RandomAccess, header: Qcow2Header, source: str) -> None:
        self.header = header
        self.size = header.virtual_size
        self._file = file
        self._source = source
        self._tables: dict[int, bytes] = {}

    def read(self, offset: int, size: int) -> bytes:
        """
        Return *size* bytes of the guest's disk at *offset*, fewer where the disk ends before.

        Raises:
            InvalidImageError: A cluster is damaged, or in another file.
        """
        end = min(offset + size, self.size)
        pieces = []
        while offset < end:
            within = offset % self.header.cluster_size
            length = min(end - offset, self.header.cluster_size - within)
            pieces.append(self._read_piece(offset, within, length))
            offset += length
        return b"".join(pieces)

    def _read_piece(self, offset: int, within: int, length: int) -> bytes:
        entry, bitmap = self._entry(offset >> self.header.cluster_bits)
        cluster = parse_cluster(self.header, entry)
        if cluster.kind is ClusterKind.PLAIN and cluster.place % self.header.cluster_size:
            message = f"expected a cluster at a multiple of {self.header.cluster_size}"
            raise self._damaged(message, cluster.place)
        match cluster.kind:
            case ClusterKind.COMPRESSED:
                return self.read_compressed(cluster)[within : within + length]
            case ClusterKind.ZERO:
                return bytes(length)
            case _ if Features.EXTENDED_L2 in self.header.features:
                return self._read_subclusters(cluster.place, bitmap, within, length)
            case ClusterKind.PLAIN:
                return self._padded(cluster.place + within, length)
            case _:
                return self._unallocated(length)

    def _read_subclusters(self, place: int, bitmap: int, within: int, length: int) -> bytes:
        """Read from a cluster of which each thirty-second part is allocated, zero or neither on its own."""
        part = self.header.cluster_size // 32
        pieces = []
        end = within + length
        while within < end:
            index = within // part
            size = min(end, (index + 1) * part) - within
            if bitmap >> (32 + index) & 1:
                pieces.append(bytes(size))
            elif bitmap >> index & 1:
                pieces.append(self._padded(place + within, size))
            else:
                pieces.append(self._unallocated(size))
            within += size
        return b"".join(pieces)

    def _entry(self, cluster: int) -> tuple[int, int]:
        """Return the L2 entry of a guest cluster, and its bitmap when entries are extended."""
        table, index = divmod(cluster, self.header.l2_entries)
        place = int.from_bytes(self._padded(self.header.l1_table + table * 8, 8), "big") & PLACE_MASK
        if not place:
            return 0, 0
        if place % self.header.cluster_size:
            raise self._damaged(f"expected an L2 table at a multiple of {self.header.cluster_size}", place)
        if self.header.l2_entry_size == 16:
            entry, bitmap = struct.unpack_from(">QQ", self._table(place), index * 16)
            return entry, bitmap
        return struct.unpack_from(">Q", self._table(place), index * 8)[0], 0

    def _table(self, place: int) -> bytes:
        table = self._tables.pop(place, None)
        if table is None:
            table = self._padded(place, self.header.cluster_size)
            if len(self._tables) >= _CACHED_TABLES:
                del self._tables[next(iter(self._tables))]
        self._tables[place] = table
        return table

    def _padded(self, place: int, size: int) -> bytes:
        """Read as qemu does: zeros behind the end of the file."""
        return self._file.read(place, size).ljust(size, b"\0")

    def read_compressed(self, cluster: Cluster) -> bytes:
        """
        Return the content of a compressed cluster.

        Raises:
            InvalidImageError: It does not decompress to a whole cluster.
        """
        try:
            return _decompress(self.header, self._padded(cluster.place, cluster.size))
        except _CodecError as error:
            raise self._damaged(f"a compressed cluster does not decompress: {error}", cluster.place) from None

    def _unallocated(self, length: int) -> bytes:
        if self.header.backing_file is not None:
            message = f"the cluster is in the backing file {self.header.backing_file!r}"
            raise self._damaged(message, self.header.l1_table)
        return bytes(length)

    def _damaged(self, message: str, place: int) -> InvalidImageError:
        return InvalidImageError(diagnose("qcow2-cluster", message, source=self._source, offset=place))


class _CodecError(Exception):
    """A compressed cluster does not decompress; the message says why."""


def _decompress(header: Qcow2Header, data: bytes) -> bytes:
    """
    Return the content of a compressed cluster.

    Raises:
        _CodecError: It does not decompress to a whole cluster.
    """
    content = _DECODERS[header.compression](data, header.cluster_size)
    if len(content) != header.cluster_size:
        raise _CodecError(f"expected a cluster of {header.cluster_size} bytes, found {len(content)}")
    return content


def decompresses(header: Qcow2Header, data: bytes) -> bool:
    """Tell whether a compressed cluster decompresses."""
    try:
        _decompress(header, data)
    except _CodecError:
        return False
    return True


def most_decompressed(size: int) -> int:
    """
    Return how many bytes of clusters are decompressed of a disk of *size* bytes.

    Clusters of real disks do not overlap; without a bound a small file could name millions of places for them.
    """
    return max(_DECOMPRESSED_IN_ANY_CASE, _MOST_RATIO * size)


def _inflate(data: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj(_RAW_DEFLATE).decompress(data, size)
    except zlib.error as error:
        raise _CodecError(str(error)) from None


def _decode_zstd(data: bytes, size: int) -> bytes:
    import zstandard

    # A reader, since only that bounds what comes out whatever the frame claims.
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    try:
        with decompressor.stream_reader(io.BytesIO(data)) as reader:
            return reader.read(size)
    except zstandard.ZstdError as error:
        raise _CodecError(str(error)) from None


_DECODERS = {ClusterCompression.ZLIB: _inflate, ClusterCompression.ZSTD: _decode_zstd}


def open_disk(file: RandomAccess, *, source: str = "") -> Disk:
    """
    Open a qcow2 disk to read what the guest sees.

    Args:
        file: A file, or what was kept of one.
        source: Its name, for findings.

    Returns:
        The disk.

    Raises:
        InvalidImageError: The header is not valid.
        UnsupportedFormatError: The clusters are encrypted or in another file.
    """
    header = read_qcow2_header(file.read(0, HEAD_SIZE), source=source)
    if header.encryption is not Encryption.NONE:
        message = f"the clusters are encrypted with {header.encryption.name}"
        raise UnsupportedFormatError(diagnose("qcow2-encrypted", message, source=source, offset=32))
    if header.data_file is not None:
        message = f"the clusters are in the file {header.data_file!r}"
        raise UnsupportedFormatError(diagnose("qcow2-data-file", message, source=source, offset=72))
    return Disk(file, header, source)
