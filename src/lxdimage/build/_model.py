"""What writing an image gives back."""

from __future__ import annotations

import attrs

from lxdimage.diagnostics import Diagnostic
from lxdimage.fingerprint import Fingerprint
from lxdimage.formats import ImageType, Layout
from lxdimage.formats._write import OutputFiles, WrittenFile
from lxdimage.metadata import Metadata

__all__ = ["BuiltImage"]


@attrs.frozen(kw_only=True)
class BuiltImage:
    """
    An image that was written.

    Attributes:
        fingerprint: What LXD and Incus will know it by.
        size: Bytes of all files.
        layout: One file, or two.
        type: What it makes: a container or a virtual machine.
        metadata: What its metadata.yaml says.
        files: The files: of a split image metadata and root, in this order.
        notes: What the writer had to decide or leave out, for the person who asked for it.
        source: The fingerprint of the image that it was converted from, None when it was made in another way.
    """

    fingerprint: Fingerprint
    size: int
    layout: Layout
    type: ImageType
    metadata: Metadata
    files: tuple[WrittenFile, ...]
    notes: tuple[Diagnostic, ...] = ()
    source: Fingerprint | None = None

    @classmethod
    def from_outputs(
        cls,
        outputs: OutputFiles,
        *,
        type: ImageType,  # noqa: A002 - the field's name
        metadata: Metadata,
        notes: tuple[Diagnostic, ...] = (),
        source: Fingerprint | None = None,
    ) -> BuiltImage:
        """Return what *outputs* became, once they are in place."""
        return cls(
            fingerprint=outputs.fingerprint,
            size=sum(file.size for file in outputs.written),
            layout=Layout.UNIFIED if len(outputs.written) == 1 else Layout.SPLIT,
            type=type,
            metadata=metadata,
            files=outputs.written,
            notes=notes,
            source=source,
        )
