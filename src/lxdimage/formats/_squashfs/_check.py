"""
What is wrong with a SquashFS, read in the order in which the daemons' programs read it (image format, section 2.5).

``sqfs2tar`` reads the whole tree before it writes the first member, so that a directory that is damaged anywhere
refuses the import.  ``unsquashfs`` reads all contents when an instance is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import attrs

from lxdimage._chunks import drain
from lxdimage.diagnostics import Diagnostic, Severity, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._members import SquashfsMember
from lxdimage.formats._squashfs._reader import Order, Squashfs, open_squashfs
from lxdimage.formats._squashfs._superblock import SUPERBLOCK_SIZE, check_superblock
from lxdimage.limits import Limits

__all__ = ["check_squashfs", "members_at_creation", "members_at_import"]


def check_squashfs(
    file: BinaryIO, *, source: str = "", limits: Limits | None = None, stage: Stage = Stage.CREATE
) -> tuple[Diagnostic, ...]:
    """
    Return what is wrong with a SquashFS as far as it shows without reading the content of files.

    Args:
        file: A seekable file.
        source: Its name, for findings.
        limits: What reading may use.
        stage: Where the daemon finds out that the file is damaged: at creation for the root of a split image, at
            import for a file with metadata.yaml. What ``unsquashfs`` alone refuses is always found at creation.

    Returns:
        The findings, none for a good file.
    """
    file.seek(0)
    head = file.read(SUPERBLOCK_SIZE)
    findings = list(check_superblock(head, file.seek(0, 2), source, stage=stage))
    if any(finding.severity is Severity.ERROR for finding in findings):
        return tuple(findings)
    try:
        with open_squashfs(file, limits=limits, source=source, threads=1) as squashfs:
            for member in squashfs.members():
                _ = member.entry
            findings.extend(squashfs.findings)
    except InvalidImageError as error:
        findings.extend(attrs.evolve(found, stage=stage) for found in error.diagnostics)
    return tuple(findings)


def members_at_import(squashfs: Squashfs) -> Iterator[SquashfsMember]:
    """
    Yield the members in the order of the directories, once all directories were read.

    Raises:
        InvalidImageError: A directory or an inode is damaged; before the first member comes.
    """
    for _ in squashfs.members():
        pass
    yield from squashfs.members()


def members_at_creation(squashfs: Squashfs) -> Iterator[SquashfsMember]:
    """
    Yield the members in the order of their contents, and read those to their end.

    Raises:
        InvalidImageError: An inode, or a block of a file, is damaged.
    """
    for member in squashfs.members(Order.DATA):
        yield member
        _ = member.entry
        drain(member.chunks())
