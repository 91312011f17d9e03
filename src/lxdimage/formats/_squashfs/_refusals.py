"""
What one of the daemons' two programs refuses although the other takes it.

The daemons look for metadata with ``sqfs2tar`` and unpack with ``unsquashfs``.  What only the first refuses spoils the
import of a file with metadata.yaml, and nothing of the root of a split image; what only the second refuses is imported,
and no instance can be created from it.
"""

from __future__ import annotations

from enum import Enum

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.rules import diagnose

__all__ = ["Refusal", "Refusals"]

_IMPORT, _CREATE = Stage.IMPORT, Stage.CREATE
_CODES = {_IMPORT: "squashfs-refused-import", _CREATE: "squashfs-refused-layout", None: "squashfs-content"}


class Refusal(Enum):
    """
    A kind of refusal.

    Attributes:
        stage: Where the daemon finds out; None when both programs pass over it.
        text: What is wrong.
    """

    REGION = _IMPORT, "a block of a table lies outside of the table"
    PARENT = _IMPORT, "an inode has the number of a directory that it is in"
    FORBIDDEN = _IMPORT, "a file has a name that is not one path component"
    ROOT = _IMPORT, "the root directory has an owner that is not in the table of owners"
    OPTIONS = _CREATE, "the options of the compressor are not what the superblock says"
    CHECKED = _CREATE, "the superblock says that blocks have check bytes, which no version 4.0 has"
    COUNT = _CREATE, "there are more owners or fragments than the inodes can have"
    PLACE = _CREATE, "the index of a table does not end where the next table begins"
    BLOCK = _CREATE, "a block of a table is stored in more bytes than it holds"
    LENGTH = _CREATE, "a block of a table is longer than its rows"
    XATTRS = _CREATE, "the extended attributes cannot be read"
    NUMBER = _CREATE, "an inode number is zero or above the superblock's count"
    OWNER = _CREATE, "an inode has an owner that is not in the table of owners"
    ATTRIBUTE = _CREATE, "an extended attribute cannot be set"
    AGAIN = _CREATE, "two directories have one inode number"
    LISTING = _CREATE, "the listing of a directory ends in the middle of a group"
    KIND = _CREATE, "a name is listed as a directory and is none, or the other way round"
    ORDER = _CREATE, "the names of a directory are not in ascending order, or one is there twice"
    NUL = _CREATE, "a name holds a NUL"
    NAME = _CREATE, "a name is longer than 255 bytes"
    TARGET = _CREATE, "the target of a symbolic link is empty or longer than 4095 bytes"
    CONTENT = None, "a block of a file has another size than the file needs"

    def __init__(self, stage: Stage | None, text: str) -> None:
        self.stage = stage
        self.text = text


class Refusals:
    """The refusals that were met in a file: the first of each kind."""

    def __init__(self, file: BlockFile) -> None:
        self._file = file
        self._found: dict[Refusal, Diagnostic] = {}

    def add(self, kind: Refusal, message: str, offset: int | None) -> None:
        """Note that *message* is the case at *offset*, unless something of this kind is known already."""
        if kind not in self._found:
            self._found[kind] = diagnose(
                _CODES[kind.stage],
                f"{kind.text}: {message}",
                stage=kind.stage,
                source=self._file.source,
                offset=offset,
            )

    def __len__(self) -> int:
        return len(self._found)

    def forget(self, known: int) -> None:
        """Forget all but the first *known*, which were there before something was read that does not count."""
        for kind in list(self._found)[known:]:
            del self._found[kind]

    def __contains__(self, kind: Refusal) -> bool:
        return kind in self._found

    def take(self, kind: Refusal, error: InvalidImageError) -> None:
        """Note that *error* is of *kind*."""
        for found in error.diagnostics:
            self.add(kind, found.message, found.offset)

    def at(self, stage: Stage) -> tuple[Diagnostic, ...]:
        """Return what was met that counts at *stage*, and at none."""
        return tuple(found for kind, found in self._found.items() if kind.stage in {stage, None})
