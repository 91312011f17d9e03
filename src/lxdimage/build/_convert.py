"""Converting: another layout or compression, in one pass and without extracting anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from lxdimage._arguments import choice_of
from lxdimage._sources import FileArgument, Progress, check_file_count, open_sources
from lxdimage.build._assemble import Assembly, Form, is_squashfs
from lxdimage.build._head import Head, Revision
from lxdimage.build._model import BuiltImage
from lxdimage.build._options import check_numbers
from lxdimage.build._origin import Origin, OriginFile
from lxdimage.build._parts import ROOT, Part
from lxdimage.build._targets import OutputTarget, output_room, output_targets
from lxdimage.compression import Compression
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError, InvalidImageError
from lxdimage.formats import QCOW2, SQUASHFS, Layout
from lxdimage.formats._write import open_outputs
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["convert_image"]


def convert_image(  # noqa: PLR0913 - each is a choice of its own
    *files: FileArgument,
    output: OutputTarget,
    layout: Layout | str | None = None,
    compression: Compression | str | None = None,
    rootfs_format: str | None = None,
    strip_prefix: int = 0,
    metadata: Metadata | None = None,
    level: int | None = None,
    threads: int | None = None,
    target: Target | str = Target.LXD,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> BuiltImage:
    """
    Write an image in another layout, compression or root format.

    The image is read once and written while it is read; what need not change is copied as it is: the bytes of a
    root file that stays what it is, the headers of all members but for their names, and metadata.yaml.
    Metadata and templates come first in the new image, wherever they were.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order; or
            a root alone, with *metadata*.
        output: Where to write: one path or stream, or metadata and root of a split image; given one path for those,
            the root goes beside it, with ``.root`` at the end of its name.
        layout: One file or two; as it is unless given.
        compression: Of the tars, and of a new SquashFS; as it is unless given, xz where there was none.  A root that
            stays a SquashFS is copied as it is, whatever compresses it, and written again only where *level* or
            *strip_prefix* is given; the notes say so.
        rootfs_format: ``tar`` or ``squashfs`` for the root of a split image; as it is unless given.
        strip_prefix: How many leading components names lose: in a unified image all, in a split one those in the root
            file.
        metadata: Makes an image of a root alone.
        level: Speed against size, by the format's own scale.
        threads: At most so many threads compress.
        target: The daemon that the image is meant for.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all.

    Returns:
        What was written, and in `BuiltImage.source` the fingerprint of what it was made of.

    Raises:
        InvalidImageError: The files are no image, or a damaged one.
        InvalidMetadataError: The target cannot use its metadata.
        BuildError: It cannot be written as asked.
        OSError: A file cannot be read or written.
    """
    check_numbers(strip_prefix=strip_prefix, threads=threads)
    check_file_count(files)
    layout = None if layout is None else choice_of(Layout, layout, "layout")
    compression = None if compression is None else choice_of(Compression, compression, "compression")
    target = choice_of(Target, target, "target")
    if metadata and len(files) == 2:
        text = "two files are an image with metadata of its own, and metadata was given besides"
        raise InvalidImageError(diagnose("file-count", text))
    limits = limits or Limits()
    with (
        open_sources(files) as sources,
        closing(
            Origin(sources, limits=limits, progress=progress, bare=metadata is not None, fingerprinted=True)
        ) as origin,
    ):
        plan = _Plan(origin, layout, compression, rootfs_format, level=level, strip=strip_prefix)
        revision = Revision(fallback=None if metadata is None else lambda: metadata, target=target)
        targets = output_targets(output, plan.layout)
        form = plan.form(threads)
        with (
            closing(Head(revision, origin.name, keep_names=form.keep_names)) as head,
            open_outputs(*targets) as outputs,
        ):
            assembly = Assembly(
                form,
                head,
                outputs,
                origin=origin,
                limits=limits,
                room=output_room(targets[0]),
            )
            kind = assembly.write(plan.parts())
            source = origin.fingerprint()
        notes = (*assembly.notes, *plan.notes())
        return BuiltImage.from_outputs(outputs, type=kind, metadata=head.metadata, notes=notes, source=source)


class _Plan:
    """
    What is to become of an image.

    Attributes:
        layout: The new layout.
    """

    def __init__(
        self,
        origin: Origin,
        layout: Layout | None,
        compression: Compression | None,
        rootfs_format: str | None,
        *,
        level: int | None,
        strip: int,
    ) -> None:
        self._origin = origin
        self._level = level
        self._strip = strip
        split = len(origin.files) == 2
        self.layout = layout or (Layout.SPLIT if split else Layout.UNIFIED)
        self._squashfs = self._is_squashfs(rootfs_format)
        self._given = compression
        self._compression = compression or self._current()

    def _is_squashfs(self, rootfs_format: str | None) -> bool:
        """Tell whether the new root is a SquashFS."""
        if rootfs_format is None:
            root = self._origin.root
            return self.layout is Layout.SPLIT and root is not None and root.format == SQUASHFS
        if self._origin.root is not None and self._origin.root.format == QCOW2:
            text = "the root is a disk, which has no other format here"
            raise BuildError(diagnose("option-without-use", text, source=self._origin.root.name))
        return is_squashfs(rootfs_format, self.layout)

    def _current(self) -> Compression:
        """Return the compression that the image has, xz where that is none that a tar can have."""
        origin = self._origin
        candidates: list[OriginFile] = [file for file in (origin.root, origin.files[0]) if file]
        if origin.root and self._squashfs:
            candidates.reverse()
        found = (file.compression for file in candidates if file.format.is_tar)
        return next(found, Compression.XZ)

    def form(self, threads: int | None) -> Form:
        """Return how the image is written."""
        same = self.layout is Layout.UNIFIED and self._origin.root is None and not self._strip
        return Form(
            layout=self.layout,
            compression=self._compression,
            squashfs=self._squashfs,
            level=self._level,
            threads=threads,
            keep_names=same,
        )

    def _keeps_squashfs(self) -> bool:
        root = self._origin.root
        same = root is not None and root.format == SQUASHFS and self._squashfs
        return same and self._level is None and not self._strip

    def notes(self) -> Iterator[Diagnostic]:
        """Yield what was not done although it may have been meant."""
        if self._given and self._keeps_squashfs():
            text = "the root stays the SquashFS that it is, since only a level makes it be written again"
            yield diagnose("root-copied", text, source=self._origin.files[-1].name)

    def parts(self) -> Iterator[Part]:
        """Return the source's parts, with a root that need not change as it is."""
        root = self._origin.root
        prefix = ROOT if self.layout is Layout.UNIFIED else b""
        if self._strip:
            return self._origin.parts(strip=self._strip)
        if root is None or self.layout is Layout.UNIFIED:
            return self._origin.parts(prefix=None if self._squashfs else prefix)
        if root.format == QCOW2 or self._keeps_squashfs():
            return self._origin.parts(keep=True)
        if not root.format.is_tar or self._squashfs:
            return self._origin.parts()
        if self._given in {None, root.compression} and self._level is None:
            return self._origin.parts(keep=True)
        return self._origin.parts(recompress=True)
