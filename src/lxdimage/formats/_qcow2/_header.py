"""
The header of a qcow2 disk, versions 2 and 3, with its extensions.

All numbers are big-endian.  The checks are those that qemu makes when it opens a disk: what passes here is not
refused for its header.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import Enum, Flag

import attrs

from lxdimage.errors import InvalidImageError, TruncatedImageError, UnsupportedFormatError
from lxdimage.formats._qcow2._extensions import (
    HEAD_SIZE,
    BitmapDirectory,
    Extension,
    bitmap_directory,
    read_extensions,
)
from lxdimage.rules import diagnose

__all__ = [
    "HEAD_SIZE",
    "MAGIC",
    "ClusterCompression",
    "Encryption",
    "Features",
    "Qcow2Header",
    "read_qcow2_header",
]

MAGIC = b"QFI\xfb"


class Encryption(Enum):
    """How clusters are encrypted; the values are those of the header."""

    NONE = 0
    AES = 1
    LUKS = 2


class ClusterCompression(Enum):
    """How compressed clusters are compressed; the values are those of the header."""

    ZLIB = 0
    ZSTD = 1


class Features(Flag):
    """Incompatible feature bits: whoever does not know one of them must not open the disk."""

    DIRTY = 1
    CORRUPT = 2
    DATA_FILE = 4
    COMPRESSION_TYPE = 8
    EXTENDED_L2 = 16


_KNOWN_FEATURES = sum(feature.value for feature in Features)


@attrs.frozen(kw_only=True)
class Qcow2Header:
    """
    What the header says.

    Attributes:
        version: 2 or 3.
        virtual_size: Bytes that the guest sees.
        cluster_bits: Logarithm of the cluster size.
        encryption: How clusters are encrypted.
        compression: How compressed clusters are compressed.
        features: The incompatible feature bits.
        lazy_refcounts: Reference counts may be out of date while the disk is in use.
        refcount_bits: Width of a reference count.
        backing_file: Name of the file that holds what this one lacks, None when there is none, and empty when
            the name lies behind the bytes that were read.
        backing_format: The format of that file, where the header says it.
        data_file: Name of the file that holds the clusters; None when they are in this one.
        bitmaps: The disk carries dirty bitmaps.
        bitmap_directory: Where they are; None where qemu does not look at them.
        snapshots: Number of internal snapshots.
        snapshot_table: Place of the snapshot table.
        l1_size: Entries of the active L1 table.
        l1_table: Place of the active L1 table.
        refcount_table: Place of the reference count table.
        refcount_table_clusters: Clusters of that table.
        header_length: Bytes of the header without extensions.
    """

    version: int
    virtual_size: int
    cluster_bits: int
    encryption: Encryption
    compression: ClusterCompression
    features: Features
    lazy_refcounts: bool
    refcount_bits: int
    backing_file: str | None
    backing_format: str | None
    data_file: str | None
    bitmaps: bool
    bitmap_directory: BitmapDirectory | None
    snapshots: int
    snapshot_table: int
    l1_size: int
    l1_table: int
    refcount_table: int
    refcount_table_clusters: int
    header_length: int

    @property
    def cluster_size(self) -> int:
        """Bytes of one cluster."""
        return 1 << self.cluster_bits

    @property
    def l2_entry_size(self) -> int:
        """Bytes of one entry of an L2 table."""
        return 16 if Features.EXTENDED_L2 in self.features else 8

    @property
    def l2_entries(self) -> int:
        """Clusters that one L2 table maps."""
        return self.cluster_size // self.l2_entry_size


# Name, offset, struct format: the header of version 2 ends at byte 72.
_FIELDS = (
    ("magic", 0, "4s"),
    ("version", 4, "I"),
    ("backing_offset", 8, "Q"),
    ("backing_size", 16, "I"),
    ("cluster_bits", 20, "I"),
    ("virtual_size", 24, "Q"),
    ("encryption", 32, "I"),
    ("l1_size", 36, "I"),
    ("l1_table", 40, "Q"),
    ("refcount_table", 48, "Q"),
    ("refcount_table_clusters", 56, "I"),
    ("snapshots", 60, "I"),
    ("snapshot_table", 64, "Q"),
    ("features", 72, "Q"),
    ("compatible", 80, "Q"),
    ("autoclear", 88, "Q"),
    ("refcount_order", 96, "I"),
    ("header_length", 100, "I"),
    ("compression", 104, "B"),
)
_OFFSETS = {name: offset for name, offset, _ in _FIELDS}
_VERSION_2_SIZE = 72
_VERSION_3_SIZE = 104
_DEFAULTS = {
    "features": 0,
    "compatible": 0,
    "autoclear": 0,
    "refcount_order": 4,
    "header_length": _VERSION_2_SIZE,
    "compression": 0,
}
_LAZY_REFCOUNTS = 1
_RAW_DATA_FILE = 2


def read_qcow2_header(head: bytes, *, source: str = "") -> Qcow2Header:
    """
    Return the header that *head* begins with.

    Args:
        head: The first bytes of the disk; `HEAD_SIZE` are enough, the whole file may be less.
        source: The name of the file, for findings.

    Returns:
        The header.

    Raises:
        TruncatedImageError: *head* ends within the header.
        UnsupportedFormatError: The version, a feature, the encryption or the compression is unknown.
        InvalidImageError: A value is not possible.
    """
    if head[:4] != MAGIC[: len(head)]:
        raise _invalid("magic", repr(MAGIC), head[:4], source)
    values = _values(head, source)
    for rule in _RULES:
        rule(values, source)
    extensions = dict(read_extensions(head, values, source))
    return Qcow2Header(
        version=values["version"],
        virtual_size=values["virtual_size"],
        cluster_bits=values["cluster_bits"],
        encryption=Encryption(values["encryption"]),
        compression=ClusterCompression(values["compression"]),
        features=Features(values["features"]),
        lazy_refcounts=bool(values["compatible"] & _LAZY_REFCOUNTS),
        refcount_bits=1 << values["refcount_order"],
        backing_file=_backing_file(head, values),
        backing_format=_text(extensions.get(Extension.BACKING_FORMAT)),
        data_file=_data_file(values, extensions),
        bitmaps=Extension.BITMAPS in extensions,
        bitmap_directory=bitmap_directory(extensions.get(Extension.BITMAPS), values),
        snapshots=values["snapshots"],
        snapshot_table=values["snapshot_table"],
        l1_size=values["l1_size"],
        l1_table=values["l1_table"],
        refcount_table=values["refcount_table"],
        refcount_table_clusters=values["refcount_table_clusters"],
        header_length=values["header_length"],
    )


def _values(head: bytes, source: str) -> dict[str, int]:
    """Return all numbers of the header, with their defaults where version 2 or a short version 3 lacks them."""
    _need(head, _VERSION_2_SIZE, source)
    (version,) = struct.unpack_from(">I", head, _OFFSETS["version"])
    if version not in {2, 3}:
        raise _unsupported("version", "qcow2 version 2 or 3", version, source)
    end = _VERSION_2_SIZE
    if version == 3:
        _need(head, _VERSION_3_SIZE, source)
        (end,) = struct.unpack_from(">I", head, _OFFSETS["header_length"])
        if end < _VERSION_3_SIZE:
            raise _invalid("header_length", f"at least {_VERSION_3_SIZE}", end, source)
        end = min(end, len(head))
    values: dict[str, int] = dict(_DEFAULTS)
    for name, offset, code in _FIELDS[1:]:
        if offset < end:  # behind the end of a short file qemu reads zeros, and so does this
            (values[name],) = struct.unpack_from(">" + code, head, offset)
    return values


def _need(head: bytes, size: int, source: str) -> None:
    if len(head) < size:
        message = f"expected a header of {size} bytes, found {len(head)}"
        raise TruncatedImageError(diagnose("qcow2-truncated", message, source=source, offset=len(head)))


def _invalid(name: str, expected: str, found: object, source: str) -> InvalidImageError:
    message = f"{name.replace('_', ' ')}: expected {expected}, found {found!r}"
    return InvalidImageError(diagnose("qcow2-header", message, source=source, offset=_OFFSETS[name]))


def _unsupported(
    name: str, expected: str, found: object, source: str, *, code: str = "qcow2-header"
) -> UnsupportedFormatError:
    message = f"{name.replace('_', ' ')}: expected {expected}, found {found!r}"
    return UnsupportedFormatError(diagnose(code, message, source=source, offset=_OFFSETS[name]))


# Rules: each raises for what qemu refuses, in qemu's order.

_CLUSTER_BITS = range(9, 22)
_LARGEST_L1 = 32 << 20
_LARGEST_REFCOUNT_TABLE = 8 << 20
_MOST_SNAPSHOTS = 65536
_LARGEST_REFCOUNT_ORDER = 6
_LONGEST_BACKING_NAME = 1023
_LARGEST_PLACE = (1 << 63) - 1


def _check_cluster(values: dict[str, int], source: str) -> None:
    if values["cluster_bits"] not in _CLUSTER_BITS:
        raise _invalid("cluster_bits", "9 to 21", values["cluster_bits"], source)
    if values["header_length"] > 1 << values["cluster_bits"]:
        raise _invalid("header_length", "a header within the first cluster", values["header_length"], source)


def _check_features(values: dict[str, int], source: str) -> None:
    unknown = values["features"] & ~_KNOWN_FEATURES
    if unknown:
        raise _unsupported("features", "known feature bits", hex(unknown), source, code="qcow2-feature")
    if values["compression"] not in {0, 1}:
        raise _unsupported("compression", "0 (zlib) or 1 (zstd)", values["compression"], source)
    if bool(values["compression"]) != bool(values["features"] & Features.COMPRESSION_TYPE.value):
        expected = "the compression type's feature bit exactly when it is not zlib"
        raise _invalid("compression", expected, values["compression"], source)
    if values["encryption"] not in {0, 1, 2}:
        raise _unsupported("encryption", "0 (none), 1 (AES) or 2 (LUKS)", values["encryption"], source)
    if values["refcount_order"] > _LARGEST_REFCOUNT_ORDER:
        raise _invalid("refcount_order", "at most 6", values["refcount_order"], source)
    if values["autoclear"] & _RAW_DATA_FILE and not values["features"] & Features.DATA_FILE.value:
        raise _invalid("autoclear", "no raw data file without a data file", values["autoclear"], source)


def _check_tables(values: dict[str, int], source: str) -> None:
    cluster = 1 << values["cluster_bits"]
    clusters = values["refcount_table_clusters"]
    if not 0 < clusters * cluster <= _LARGEST_REFCOUNT_TABLE:
        raise _invalid("refcount_table_clusters", "1 cluster to 8 MiB", clusters, source)
    if values["snapshots"] > _MOST_SNAPSHOTS:
        raise _invalid("snapshots", f"at most {_MOST_SNAPSHOTS}", values["snapshots"], source)
    if values["l1_size"] * 8 > _LARGEST_L1:
        raise _invalid("l1_size", f"at most {_LARGEST_L1 // 8}", values["l1_size"], source)
    for name in ("refcount_table", "snapshot_table", "l1_table"):
        if values[name] % cluster or values[name] > _LARGEST_PLACE - _LARGEST_L1:
            raise _invalid(name, f"a multiple of {cluster}", values[name], source)


def _check_size(values: dict[str, int], source: str) -> None:
    cluster = 1 << values["cluster_bits"]
    entry = 16 if values["features"] & Features.EXTENDED_L2.value else 8
    needed = -(-values["virtual_size"] // (cluster * (cluster // entry)))
    if values["l1_size"] < needed:
        raise _invalid("l1_size", f"at least {needed} for the virtual size", values["l1_size"], source)


def _check_backing(values: dict[str, int], source: str) -> None:
    offset, size, cluster = values["backing_offset"], values["backing_size"], 1 << values["cluster_bits"]
    if offset > cluster:
        raise _invalid("backing_offset", "a name in the first cluster", offset, source)
    if offset and size > min(_LONGEST_BACKING_NAME, cluster - offset):
        raise _invalid(
            "backing_size", f"at most {min(_LONGEST_BACKING_NAME, cluster - offset)}", size, source
        )


_RULES: tuple[Callable[[dict[str, int], str], None], ...] = (
    _check_cluster,
    _check_features,
    _check_backing,
    _check_tables,
    _check_size,
)


# Backing file and data file.


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _backing_file(head: bytes, values: dict[str, int]) -> str | None:
    offset, size = values["backing_offset"], values["backing_size"]
    if not offset or not size:
        return None
    if offset + size > HEAD_SIZE:
        return ""
    # qemu reads the name as C does: zeros, which stand behind the end of a short file, too, end it, and an empty name
    # is none.
    return _text(head[offset : offset + size].partition(b"\0")[0]) or None


def _data_file(values: dict[str, int], extensions: Mapping[int, bytes]) -> str | None:
    if not values["features"] & Features.DATA_FILE.value:
        return None
    return _text(extensions.get(Extension.DATA_FILE, b""))
