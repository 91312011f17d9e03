"""
What a daemon decides at ``image import``, member by member (image format, sections 2 and 3).

The scan of a daemon ends as soon as it has seen metadata.yaml and a member of the root file system; what comes
later is not read.  So every finding made before that moment refuses the import, and none made after it does.
"""

from __future__ import annotations

import os
from datetime import datetime

import attrs

from lxdimage._findings import Findings
from lxdimage.archive import EntryType, Member
from lxdimage.diagnostics import Diagnostic, Severity, Stage
from lxdimage.formats import DISK_NAMES, ROOT_PREFIXES, ImageType, Layout
from lxdimage.metadata import CheckedMetadata, MetadataFiles
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["ImportCheck", "restaged"]

_NAME = "metadata.yaml"
_NEAR_NAMES = (b"metadata.yaml", b"metadata.yml", b"metadata.json")
_HINTS = 3


class ImportCheck:
    """
    The decision of one daemon about one archive with metadata.

    Attributes:
        target: The daemon.
        done: Whether it has decided; it reads no further.
        type: What the archive itself makes the image, None while no root was seen.
    """

    def __init__(self, target: Target, *, layout: Layout, source: str, now: datetime | None = None) -> None:
        self.target = target
        self.done = False
        self.type: ImageType | None = None
        self._layout = layout
        self._source = source
        self._now = now
        self._findings = Findings()
        self._metadata: MetadataFiles | None = None
        self._checked: CheckedMetadata | None = None
        self._near: list[str] = []

    @property
    def checked(self) -> CheckedMetadata | None:
        """What its metadata.yaml says, once it is decided; None where there is none."""
        if self._checked is None and self._metadata is not None:
            self._checked = self._metadata.check(now=self._now)
        return self._checked

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What was found, the metadata's own findings first."""
        return (*(self.checked.diagnostics if self.checked else ()), *self._findings.all())

    def see(self, member: Member, name: bytes, text: bytes | None, *, plain: bool = True) -> None:
        """
        Take the next member.

        Args:
            member: Any member.
            name: What it is called in the tar that the daemon reads.
            text: Its content, at least one byte more than the daemons decode where there is more; None unless
                the member is a metadata.yaml.
            plain: Whether Go calls the member a regular file.
        """
        if text is not None:
            self._read_metadata(member, text, plain=plain)
        elif name.startswith(ROOT_PREFIXES):
            self.type = ImageType.CONTAINER
        elif name in DISK_NAMES:
            self.type = ImageType.VIRTUAL_MACHINE
        elif len(self._near) < _HINTS and name.lower().endswith(_NEAR_NAMES):
            self._near.append(os.fsdecode(name))
        if self._metadata and self.type:
            self.done = True

    def _read_metadata(self, member: Member, text: bytes, *, plain: bool) -> None:
        wanted = self.target.traits.regular_metadata
        if member.type is not EntryType.FILE or (wanted and not plain):
            kind = member.type.title
            kind = "a file of another kind" if kind == "file" else f"a {kind}"
            self.refuse(
                diagnose(
                    "metadata-not-regular",
                    f"{os.fsdecode(member.name)!r} is {kind}, expected a regular file",
                    source=self._source,
                    offset=member.offset,
                )
            )
            return
        if self.type is not None and self._metadata is None:
            message = f"{os.fsdecode(member.name)!r} comes after members of the root file system"
            self._findings.add(diagnose("metadata-last", message, source=self._source, offset=member.offset))
        self._checked = None
        self._metadata = self._metadata or MetadataFiles(name=f"{self._source}:{_NAME}", target=self.target)
        if not self._metadata.read(text):
            self.done = True

    def refuse(self, diagnostic: Diagnostic) -> None:
        """Take a finding that makes the daemon stop and refuse."""
        self.done = True
        self._findings.add(restaged(diagnostic, Stage.IMPORT))

    def finish(self) -> None:
        """Decide at the end of the archive, with what was seen of it."""
        if self.done:
            return
        self.done = True
        if self._metadata is None:
            self._findings.add(self._missing_metadata())
        elif self._layout is Layout.UNIFIED and self.type is None:
            self._findings.add(
                diagnose(
                    "root-missing",
                    "no member begins with 'rootfs/' and none is called 'rootfs.img'",
                    stage=Stage.IMPORT,
                    source=self._source,
                )
            )

    def _missing_metadata(self) -> Diagnostic:
        hint = None
        if self._near:
            hint = f"{self._near[0]!r} does not count: the name must be 'metadata.yaml' or './metadata.yaml'"
        return diagnose(
            "metadata-missing",
            "no member is called 'metadata.yaml'",
            stage=Stage.IMPORT,
            source=self._source,
            hint=hint,
        )


def restaged(diagnostic: Diagnostic, stage: Stage) -> Diagnostic:
    """Return *diagnostic* as an error at *stage*."""
    return attrs.evolve(diagnostic, stage=stage, severity=Severity.ERROR)
