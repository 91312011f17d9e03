"""One daemon's view of an image that passes by."""

from __future__ import annotations

from datetime import datetime

import attrs

from lxdimage._findings import Findings
from lxdimage.checks import ImportCheck, Judged, TemplatesCheck, restaged
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError, LimitExceededError
from lxdimage.formats import QCOW2, VMDK, ImageType, Layout, begins_with_json, identify
from lxdimage.image._model import FileFacts, Image
from lxdimage.image._refusals import empty, unsupported
from lxdimage.image._stream import FileStream
from lxdimage.metadata import Metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["Judge"]

# Damage that GNU tar passes over without an error, so that an instance is created from what comes before it.
_UNNOTICED = frozenset({"truncated-header", "lone-zero-block", "member-limit"})
_NO_ARCHIVE = "truncated-header"  # unless it is the very first header


class Judge:
    """
    What one daemon makes of an image.

    Attributes:
        target: The daemon.
        importing: Its import.
        findings: What it stumbles over later.
        lost: What it loses.
        type: What the client takes the root of a split image for.
        unread: Whether damage or a limit kept from reading what the daemon would have read.
        templates_unread: Whether it did so in the file with the templates.
    """

    def __init__(self, target: Target, layout: Layout, source: str, now: datetime) -> None:
        self.target = target
        self._layout = layout
        self.importing = ImportCheck(target, layout=layout, source=source, now=now)
        self.findings: list[Diagnostic] = []
        self.lost = Findings()
        self.type: ImageType | None = None
        self.unread = self.templates_unread = False

    def damaged(self, error: InvalidImageError, *, begun: bool) -> None:
        """Take what ended the reading of an archive, and whether a member of it was read before."""
        (diagnostic,) = error.diagnostics
        unnoticed = diagnostic.code in _UNNOTICED and (begun or diagnostic.code != _NO_ARCHIVE)
        # What tar passes over in silence ends the archive for the daemon as well.
        self.unread |= not (self.importing.done and unnoticed) or isinstance(error, LimitExceededError)
        if not self.importing.done:
            self.importing.refuse(diagnostic)
        elif unnoticed:
            self.findings.append(diagnostic)
        else:
            self.findings.append(restaged(diagnostic, Stage.CREATE))

    def undecodable(self, damage: InvalidImageError, *, unseen: bool) -> None:
        """
        Take what ended the decompression.

        Args:
            damage: What was raised.
            unseen: Whether it is so far behind the end that tar, and with it the pipe, is closed before it is met.
        """
        (found,) = damage.diagnostics
        self.unread |= not unseen
        if isinstance(damage, LimitExceededError) and not self.importing.done:
            # The daemon would have read on: that it misses what was not reached would be a guess.
            self.importing.refuse(found)
        else:
            self.findings.append(attrs.evolve(found, stage=None if unseen else Stage.CREATE))

    def detect(self, stream: FileStream) -> None:
        """Refuse a first file of which the daemon cannot tell what archive it is."""
        if finding := self._undetected(stream):
            self.importing.refuse(finding)

    def _undetected(self, stream: FileStream) -> Diagnostic | None:
        if not stream.head:
            return empty(stream)
        if self._layout is Layout.UNIFIED and begins_with_json(stream.head):
            return diagnose("json-upload", "the file begins with a JSON object", source=stream.name)
        found = identify(stream.head, self.target)
        if found is None:
            return unsupported(stream, self.target)
        if found.compression is None:
            return diagnose("not-an-archive", f"the file is a {found.name} disk", source=stream.name)
        return None

    def detect_root(self, stream: FileStream) -> None:
        """Decide as the client does before it uploads: the kind of the second file is the type of the image."""
        found = identify(stream.head, self.target)
        if found is None:
            finding = unsupported(stream, self.target) if stream.head else empty(stream)
            self.findings.append(restaged(finding, Stage.IMPORT))
            return
        self.type = ImageType.VIRTUAL_MACHINE if found == QCOW2 else ImageType.CONTAINER
        if found == VMDK:
            text = "the root is a vmdk disk, which nothing unpacks"
            self.findings.append(diagnose("not-an-archive", text, stage=Stage.CREATE, source=stream.name))

    @property
    def image_type(self) -> ImageType | None:
        """What the image makes, as far as the daemon can tell."""
        return self.importing.type if self._layout is Layout.UNIFIED else self.type

    @property
    def judged(self) -> Judged:
        """What the checks at the end of the image need to know."""
        return Judged(
            target=self.target,
            layout=self._layout,
            type=self.image_type,
            checked=self.importing.checked,
            unread=self.unread,
            templates_unread=self.templates_unread,
        )

    def image(self, files: tuple[FileFacts, ...], templates: TemplatesCheck) -> Image:
        """Return an image that the daemon imports as it stores it."""
        kind, checked = self.image_type, self.importing.checked
        assert kind is not None
        assert checked is not None
        assert checked.metadata is not None
        return Image(
            layout=self._layout,
            type=kind,
            metadata=_as_stored(checked.metadata, self.target),
            templates=templates.files,
            files=files,
            larger=tuple(templates.larger),
        )


def _as_stored(metadata: Metadata, target: Target) -> Metadata:
    """Return *metadata* as the target's database gives it back."""
    properties = metadata.properties
    if not target.traits.nul_ends_property or not any(
        "\0" in key + value for key, value in properties.items()
    ):
        return metadata
    return metadata.evolve(
        properties={key.split("\0", 1)[0]: value.split("\0", 1)[0] for key, value in properties.items()}
    )
