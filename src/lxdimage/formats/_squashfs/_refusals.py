"""
What ``unsquashfs`` refuses although ``sqfs2tar`` takes it.

The daemons look for metadata with the one and unpack with the other: an image with one of these is imported, and no
instance can be created from it.
"""

from __future__ import annotations

from enum import Enum

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.formats._squashfs._file import BlockFile
from lxdimage.rules import diagnose

__all__ = ["Refusal", "Refusals"]


class Refusal(Enum):
    """A kind of refusal."""

    PLACE = "the index of a table does not end where the next table begins"
    BLOCK = "a block of a table is stored in more bytes than it holds"
    NUMBER = "an inode number is zero or above the superblock's count"
    ORDER = "the names of a directory are not in ascending order, or one is there twice"
    NAME = "a name is longer than 255 bytes"
    TARGET = "the target of a symbolic link is longer than 4095 bytes"


class Refusals:
    """The refusals that were met in a file: the first of each kind."""

    def __init__(self, file: BlockFile) -> None:
        self._file = file
        self._found: dict[Refusal, Diagnostic] = {}

    def add(self, kind: Refusal, message: str, offset: int) -> None:
        """Note that *message* is the case at *offset*, unless something of this kind is known already."""
        if kind not in self._found:
            self._found[kind] = diagnose(
                "squashfs-refused-layout",
                f"{kind.value}: {message}",
                stage=Stage.CREATE,
                source=self._file.source,
                offset=offset,
            )

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What was met."""
        return tuple(self._found.values())
