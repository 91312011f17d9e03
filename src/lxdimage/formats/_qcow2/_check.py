"""What a daemon refuses about a qcow2 disk, and what is dangerous in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats._qcow2._bitmaps import check_bitmaps
from lxdimage.formats._qcow2._disk import Cluster, Disk, decompresses, most_decompressed
from lxdimage.formats._qcow2._header import (
    HEAD_SIZE,
    Encryption,
    Features,
    Qcow2Header,
    read_qcow2_header,
)
from lxdimage.formats._qcow2._passing import NotKeptError, PassingDisk
from lxdimage.formats._qcow2._refcounts import compare_refcounts
from lxdimage.formats._qcow2._snapshots import check_snapshots
from lxdimage.formats._qcow2._walk import Problem, Walk, walk_tables
from lxdimage.formats._seekable import RandomAccess
from lxdimage.rules import diagnose

__all__ = ["Qcow2Usage", "check_qcow2", "check_qcow2_header", "scan_qcow2"]


_REMEMBERED = 100_000


def check_qcow2_header(head: bytes, file_size: int | None = None, source: str = "") -> tuple[Diagnostic, ...]:
    """
    Return what is wrong with a disk as far as its first bytes tell.

    Nothing of this is looked at when an image is imported; ``qemu-img`` refuses it when an instance is created
    (image format, section 2.7).

    Args:
        head: The first bytes of the disk: `HEAD_SIZE`, or the whole of a shorter file.
        file_size: Bytes of the whole file, None when that is not known.
        source: The name of the file, for findings.

    Returns:
        The findings, in the order of the header; one with `Stage.CREATE` when the disk cannot be converted.
    """
    try:
        header = read_qcow2_header(head, source=source)
    except InvalidImageError as error:
        return tuple(attrs.evolve(diagnostic, stage=Stage.CREATE) for diagnostic in error.diagnostics)
    findings = [finding for check in _CHECKS for finding in check(header, source)]
    if file_size is not None:
        findings.extend(_check_places(header, file_size, source))
    return tuple(findings)


def _check_backing(header: Qcow2Header, source: str) -> Iterator[Diagnostic]:
    if header.backing_file is not None:
        message = (
            f"the disk is a difference to the file {header.backing_file!r}, which the image does not contain"
        )
        yield diagnose("qcow2-backing-file", message, stage=Stage.CREATE, source=source, offset=8)


def _check_data_file(header: Qcow2Header, source: str) -> Iterator[Diagnostic]:
    if header.data_file is not None:
        message = f"the clusters are in the file {header.data_file!r}, which the image does not contain"
        yield diagnose("qcow2-data-file", message, stage=Stage.CREATE, source=source, offset=72)


def _check_encryption(header: Qcow2Header, source: str) -> Iterator[Diagnostic]:
    if header.encryption is not Encryption.NONE:
        message = f"the clusters are encrypted with {header.encryption.name}"
        yield diagnose("qcow2-encrypted", message, stage=Stage.CREATE, source=source, offset=32)


def _check_unclean(header: Qcow2Header, source: str) -> Iterator[Diagnostic]:
    for feature in (Features.DIRTY, Features.CORRUPT):
        if feature in header.features:
            message = f"the {str(feature.name).lower()} bit is set"
            yield diagnose("qcow2-unclean", message, source=source, offset=72)


def _check_snapshots(header: Qcow2Header, source: str) -> Iterator[Diagnostic]:
    if header.snapshots:
        message = f"the disk carries {header.snapshots} internal snapshots"
        yield diagnose("qcow2-snapshots", message, source=source, offset=header.snapshot_table)


_CHECKS: tuple[Callable[[Qcow2Header, str], Iterator[Diagnostic]], ...] = (
    _check_backing,
    _check_encryption,
    _check_snapshots,
    _check_unclean,
    _check_data_file,
)


def _check_places(header: Qcow2Header, file_size: int, source: str) -> Iterator[Diagnostic]:
    """Check that the tables that the header points to are in the file; qemu reads zeros where they are not."""
    tables = (
        ("L1 table", header.l1_table, header.l1_size * 8),
        ("refcount table", header.refcount_table, header.refcount_table_clusters * header.cluster_size),
    )
    for name, place, size in tables:
        if place + size > file_size:
            message = (
                f"the {name} at byte {place} needs a file of {place + size} bytes, the file has {file_size}"
            )
            yield diagnose("qcow2-truncated", message, source=source, offset=file_size)


@attrs.frozen(kw_only=True)
class Qcow2Usage:
    """
    What a disk stores.

    Attributes:
        header: Its header.
        allocated: Guest clusters that are stored.
        compressed: Those of them that are compressed.
        end: Where the last used cluster ends.
        leaks: Clusters that nothing uses although their reference count says so; None when that was not compared.
        corruptions: Clusters that are used more often than their reference count says; None likewise.
        diagnostics: What is wrong, the header's findings first.
    """

    header: Qcow2Header
    allocated: int
    compressed: int
    end: int
    leaks: int | None
    corruptions: int | None
    diagnostics: tuple[Diagnostic, ...]


def check_qcow2(disk: RandomAccess, *, source: str = "") -> tuple[tuple[Diagnostic, ...], Qcow2Usage | None]:
    """
    Return what is wrong with a disk, its tables walked and its compressed clusters decompressed, and what it stores.

    Args:
        disk: A file, or what was kept of one.
        source: Its name, for findings.

    Returns:
        The findings, one with `Stage.CREATE` when the disk cannot be converted; and what the disk stores, None when
        its header is not valid or its tables were not kept.
    """
    try:
        usage = scan_qcow2(disk, source=source)
    except InvalidImageError as error:
        return tuple(attrs.evolve(diagnostic, stage=Stage.CREATE) for diagnostic in error.diagnostics), None
    except NotKeptError:
        message = (
            "the tables of the disk were not all at hand while it was read, so its clusters were not compared"
        )
        unknown = diagnose("qcow2-not-compared", message, source=source)
        return (*check_qcow2_header(disk.read(0, HEAD_SIZE), disk.size, source), unknown), None
    return usage.diagnostics, usage


def scan_qcow2(disk: RandomAccess, *, source: str = "") -> Qcow2Usage:
    """
    Walk the tables of a disk and return what it stores and what is wrong with it.

    Reference counts are compared when the tables are all that can use clusters: not for a disk with snapshots,
    bitmaps, encryption or a data file.

    Args:
        disk: A file, or what was kept of one.
        source: Its name, for findings.

    Raises:
        InvalidImageError: The header, the table of snapshots or the directory of bitmaps is not valid.
        NotKeptError: Of a disk that passed by, a table was not kept.
    """
    head = disk.read(0, HEAD_SIZE)
    header = read_qcow2_header(head, source=source)
    check_snapshots(disk, header, source)
    check_bitmaps(disk, header, source)
    whole = _whole(disk, header)
    walk = walk_tables(disk, header, whole)
    findings = [
        *check_qcow2_header(head, disk.size, source),
        *_check_walk(disk, header, walk, source),
    ]
    if isinstance(whole, _Decompressor) and whole.gave_up:
        message = (
            "the compressed clusters say that they hold more than is decompressed for a file of this size"
        )
        findings.append(diagnose("qcow2-limit", message, source=source))
    leaks = corruptions = None
    if walk.complete and _is_plain(header):
        leaks, corruptions, first = compare_refcounts(disk, header, walk)
        findings.extend(_check_refcounts(leaks, corruptions, first << header.cluster_bits, source))
    return Qcow2Usage(
        header=header,
        allocated=walk.allocated,
        compressed=walk.compressed,
        end=walk.end,
        leaks=leaks,
        corruptions=corruptions,
        diagnostics=tuple(findings),
    )


def _whole(disk: RandomAccess, header: Qcow2Header) -> Callable[[Cluster], bool]:
    """Return what tells whether a compressed cluster decompresses."""
    if not isinstance(disk, PassingDisk):
        return _Decompressor(disk, header)
    disk.end()
    return disk.whole


class _Decompressor:
    """
    Tells whether compressed clusters decompress, as ``qemu-img convert`` finds out.

    A cluster that several entries name is decompressed once.

    Attributes:
        gave_up: Whether some were not decompressed, because all together would be too much.
    """

    def __init__(self, disk: RandomAccess, header: Qcow2Header) -> None:
        self._disk = disk
        self._header = header
        self._left = most_decompressed(disk.size)
        self.gave_up = False
        self._known: dict[int, bool] = {}

    def __call__(self, cluster: Cluster) -> bool:
        found = self._known.get(cluster.place)
        if found is None:
            self._left -= self._header.cluster_size
            self.gave_up = self._left < 0
            found = self.gave_up or decompresses(self._header, self._disk.read(cluster.place, cluster.size))
            if len(self._known) < _REMEMBERED:
                self._known[cluster.place] = found
        return found


def _is_plain(header: Qcow2Header) -> bool:
    """Whether only the active tables use clusters, and the reference counts are meant to be right."""
    others = header.snapshots or header.bitmaps or header.data_file is not None
    return not others and header.encryption is not Encryption.LUKS and Features.DIRTY not in header.features


_PROBLEMS: Mapping[Problem, tuple[str, str, Stage | None]] = {
    Problem.OUTSIDE: ("qcow2-truncated", "are not in the file and read as zeros", None),
    Problem.OUTSIDE_COMPRESSED: ("qcow2-truncated", "are compressed and not in the file", Stage.CREATE),
    Problem.UNALIGNED: ("qcow2-corruption", "are at a place where no cluster can be", Stage.CREATE),
    Problem.BROKEN: ("qcow2-cluster", "are compressed and do not decompress", Stage.CREATE),
    Problem.ZERO: ("qcow2-corruption", "are marked as zeros, which version 2 does not have", Stage.CREATE),
    Problem.SUBCLUSTERS: (
        "qcow2-corruption",
        "have subclusters that are stored nowhere, or stored and zero",
        Stage.CREATE,
    ),
    Problem.SHARED_TABLE: ("qcow2-corruption", "are L2 tables that are used twice", None),
}


def _check_walk(file: RandomAccess, header: Qcow2Header, walk: Walk, source: str) -> Iterator[Diagnostic]:
    if not walk.complete:
        yield diagnose("qcow2-limit", "the tables are too large to be compared", source=source)
    for problem, (count, place) in walk.problems.items():
        code, text, stage = _PROBLEMS[problem]
        yield diagnose(code, f"{count} clusters {text}", stage=stage, source=source, offset=place)
    disk = Disk(file, header, source)
    for cluster in walk.cut:
        try:
            disk.read_compressed(cluster)
        except InvalidImageError as error:
            message = f"a compressed cluster is cut: {error.diagnostics[0].message}"
            yield diagnose(
                "qcow2-truncated", message, stage=Stage.CREATE, source=source, offset=cluster.place
            )


def _check_refcounts(leaks: int, corruptions: int, place: int, source: str) -> Iterator[Diagnostic]:
    if corruptions:
        message = f"{corruptions} clusters are used more often than their reference counts say"
        yield diagnose("qcow2-corruption", message, source=source, offset=place)
    if leaks:
        yield diagnose("qcow2-leak", f"{leaks} clusters are counted as used and are not", source=source)
