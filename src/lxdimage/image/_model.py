"""What an image is, and what a scan of one says."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lxdimage._frozen import frozen
from lxdimage.compression import Compression
from lxdimage.diagnostics import Diagnostic, Severity, Stage
from lxdimage.fingerprint import Fingerprint
from lxdimage.formats import FileFormat, ImageType, Layout
from lxdimage.metadata import Metadata
from lxdimage.targets import Target

__all__ = ["FileFacts", "Image", "Scan"]


def _texts(mapping: Mapping[str, str]) -> Mapping[str, str]:
    return frozen(mapping)


def _contents(mapping: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return frozen(mapping)


@attrs.frozen(kw_only=True)
class FileFacts:
    """
    One file of an image.

    Attributes:
        name: As it was given.
        format: What its first bytes say it is, None when nothing is recognised.
        size: Bytes; None where the file was not read to its end.
        sha256: Digest of this file alone, in hexadecimal; None where the file was not read to its end.
        facts: What its header says beside, by a name for people: of SquashFS and qcow2 files.
    """

    name: str
    format: FileFormat | None
    size: int | None = None
    sha256: str | None = None
    facts: Mapping[str, str] = attrs.field(factory=dict, converter=_texts, hash=False)

    @property
    def compression(self) -> Compression | None:
        """How the file is compressed; None for disk images and whatever is not recognised."""
        return self.format.compression if self.format else None


@attrs.frozen(kw_only=True)
class Image:
    """
    An image that its target accepts.

    Attributes:
        layout: One file, or two.
        type: What it makes: a container or a virtual machine.
        metadata: What metadata.yaml says.
        templates: Template files by name below templates/.
        files: The files it was read from.
        larger: Names of template files that are larger than the limits allow, and not among *templates*.
    """

    layout: Layout
    type: ImageType
    metadata: Metadata
    templates: Mapping[str, bytes] = attrs.field(converter=_contents, repr=False, hash=False)
    files: tuple[FileFacts, ...]
    larger: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Scan:
    """
    What one complete pass over an image found.

    Attributes:
        target: Whose view this is.
        fingerprint: The image's identity; known however damaged the image is.
        size: Bytes of all files.
        layout: One file, or two.
        image: The image, None where the target refuses it.
        diagnostics: All findings.
        files: What is known of each file.
        members: Members of all archives together.
    """

    target: Target
    fingerprint: Fingerprint
    size: int
    layout: Layout
    image: Image | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[FileFacts, ...]
    members: int

    @property
    def accepted(self) -> bool:
        """Whether the target imports the image."""
        return not any(diagnostic.stage is Stage.IMPORT for diagnostic in self.diagnostics)

    @property
    def creates(self) -> bool:
        """Whether the target imports the image and then creates an instance from it, as far as its content decides."""
        return self.accepted and not any(diagnostic.stage is Stage.CREATE for diagnostic in self.diagnostics)

    @property
    def ok(self) -> bool:
        """Whether nothing was found that the target refuses or misreads at any stage."""
        return not any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)
