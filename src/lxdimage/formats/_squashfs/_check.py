"""
What is wrong with a SquashFS, read in the order in which the daemons' programs read it (image format, section 2.5).

``sqfs2tar`` reads the whole tree before it writes the first member, so that a directory that is damaged anywhere
refuses the import.  ``unsquashfs`` reads all contents when an instance is created.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import attrs

from lxdimage._chunks import drain
from lxdimage.diagnostics import Diagnostic, Severity, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._members import SquashfsMember
from lxdimage.formats._squashfs._reader import Order, Squashfs, open_squashfs
from lxdimage.formats._squashfs._refusals import Refusal
from lxdimage.formats._squashfs._superblock import SUPERBLOCK_SIZE, check_superblock
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["check_squashfs", "members_at_creation", "members_at_import", "refused_in_tar"]

_BAD_NAME = "squashfs-name"


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
            import for a file with metadata.yaml. What ``unsquashfs`` alone refuses is always found at creation, and
            what ``sqfs2tar`` alone refuses only at import.

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
            stages = (Stage.IMPORT, Stage.CREATE) if stage is Stage.IMPORT else (Stage.CREATE,)
            findings.extend(chain.from_iterable(map(squashfs.refusals, stages)))
    except InvalidImageError as error:
        findings.extend(attrs.evolve(found, stage=stage) for found in error.diagnostics)
    return tuple(findings)


def members_at_import(squashfs: Squashfs) -> Iterator[SquashfsMember]:
    """
    Yield the members in the order of the directories, once all directories and inodes were read.

    Raises:
        InvalidImageError: ``sqfs2tar`` does not write a tar; or, behind other members, a name is forbidden.
    """
    try:
        for member in squashfs.members():
            member.check()
    except InvalidImageError as error:
        # The path of every file is made before anything is written, that of a directory when it is its turn.
        if squashfs.refuses(Refusal.FORBIDDEN) or any(found.code != _BAD_NAME for found in error.diagnostics):
            raise
    refused = [found for found in squashfs.refusals(Stage.IMPORT) if found.stage]
    if refused:
        raise InvalidImageError(refused[0])
    yield from squashfs.members()


def refused_in_tar(member: SquashfsMember, source: str) -> Diagnostic | None:
    """
    Return why the tar that ``sqfs2tar`` writes ends before *member*, None when it does not.

    Args:
        member: A member that `members_at_import` gave.
        source: The name of the file, for findings.

    Raises:
        InvalidImageError: It ends there because extended attributes are damaged.
    """
    message = member.refused_in_tar
    if message is None:
        return None
    text = f"{os.fsdecode(member.name)!r}: {message}"
    return diagnose("squashfs-refused-import", text, source=source, offset=member.offset)


def members_at_creation(squashfs: Squashfs) -> Iterator[SquashfsMember]:
    """
    Yield the members in the order of their contents, and read those to their end.

    ``unsquashfs`` does not compare the sizes of blocks with what a file needs: it writes too much or what was in its
    memory before.

    Raises:
        InvalidImageError: An inode, or a block of a file, is damaged.
    """
    squashfs.tolerate()
    for member in squashfs.members(Order.DATA):
        yield member
        _ = member.entry
        drain(member.chunks())
