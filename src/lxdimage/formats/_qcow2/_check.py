"""What a daemon refuses about a qcow2 disk, and what is dangerous in it, as far as its header tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats._qcow2._header import Encryption, Features, Qcow2Header, read_qcow2_header
from lxdimage.rules import diagnose

__all__ = ["check_qcow2_header"]


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
