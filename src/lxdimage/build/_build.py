"""
Building an image: metadata.yaml, the templates, and a root file system, in this order.

The first two are a compressed stream of their own in front of the root's: whoever opens the image reads no more than
that, and whoever edits it copies the rest as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path

import attrs

from lxdimage._arguments import choice_of, list_of
from lxdimage._chunks import Chunks
from lxdimage._findings import Findings
from lxdimage._sources import FileArgument, Progress
from lxdimage.archive import Entry, Item, write_archive
from lxdimage.build._archive_root import ArchiveRoot
from lxdimage.build._exclude import excluder
from lxdimage.build._model import BuiltImage
from lxdimage.build._options import Place, RootOptions, check_numbers, check_root_format
from lxdimage.build._owners import OwnerMap
from lxdimage.build._roots import DirectoryRoot, DiskRoot, Root, open_root
from lxdimage.build._settle import MetadataArgument, Wishes, settle_metadata
from lxdimage.build._squashfs import write_squashfs_root
from lxdimage.build._targets import OutputTarget, output_targets
from lxdimage.build._template_rules import RuleEdit
from lxdimage.build._templates import TemplatesArgument, check_templates, control_items, read_templates
from lxdimage.compression import Compression
from lxdimage.compression.writing import encode
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError
from lxdimage.formats import ImageType, Layout
from lxdimage.formats._sinks import OutputArgument
from lxdimage.formats._write import OutputFile, OutputFiles, open_outputs
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata
from lxdimage.rules import diagnose

__all__ = ["build_image"]


def build_image(  # noqa: PLR0913 - what can be said about an image
    rootfs: FileArgument,
    output: OutputTarget,
    *,
    metadata: MetadataArgument = None,
    templates: TemplatesArgument = None,
    architecture: str | None = None,
    creation_date: datetime | int | None = None,
    expiry_date: datetime | int | None = None,
    properties: Mapping[str, str] | None = None,
    rules: Mapping[str, RuleEdit] | None = None,
    type: ImageType | str | None = None,  # noqa: A002 - the image's own word
    layout: Layout | str = Layout.UNIFIED,
    rootfs_format: str = "tar",
    compression: Compression | str = Compression.XZ,
    level: int | None = None,
    threads: int | None = None,
    memory: int | None = None,
    source_date_epoch: int | None = None,
    exclude: Iterable[str] = (),
    map_owner: OwnerMap | str | None = None,
    strip_prefix: int = 0,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> BuiltImage:
    """
    Build an image from a root file system.

    The same input gives the same bytes on every machine, with any number of threads.  Nothing appears at *output*
    before everything is written.

    Args:
        rootfs: A directory, an archive of the root file system (tar with any compression, or SquashFS), or the
            qcow2 disk of a virtual machine.  A directory that holds ``metadata.yaml`` and ``rootfs`` or
            ``rootfs.img``, and perhaps ``templates``, is an image unpacked, and becomes that image again, with other
            metadata or templates where they are given.
        output: Where to write: one path or stream, or metadata and root of a split image; given one path for
            those, the root goes beside it, with ``.root`` at the end of its name.
        metadata: What metadata.yaml says, or the file that holds it.  Without it, architecture, operating system
            and release are taken from the root file system, and the notes say so.
        templates: The template files: a directory, or content by name.
        architecture: In place of what *metadata* says.
        creation_date: In place of what *metadata* says.
        expiry_date: In place of what *metadata* says.
        properties: Added to those of *metadata*.
        rules: Template rules by the path that they write, added to those of *metadata*; None removes one, and what
            can be called gets the old rule, None where there is none, and returns the new one.
        type: What the image has to make; the root decides unless given.
        layout: One file or two.
        rootfs_format: ``tar`` or ``squashfs`` for the root of a split container image.
        compression: How files are compressed; a SquashFS knows gzip, xz and zstd and takes zstd for others.
        level: Speed against size, by the format's own scale.
        threads: At most so many threads compress; as many as there are processors unless given, or where it is 0.
        memory: Bytes that they may need in all, 1 GiB unless given; one thread always runs.
        source_date_epoch: Later times become this one, in seconds since 1970.
        exclude: Patterns of paths that are left out.  One with a slash in it, but for one at its end, is a path from
            the top, such as ``var/cache/*``; one without matches names at any depth, such as ``*.pyc``.  ``*``, ``?``
            and ``[…]`` match within one name, ``**`` any number of directories, a slash at the end directories only.
        map_owner: How the owners of files on this machine are mapped, for roots made by unprivileged users;
            see `OwnerMap.parse`.
        strip_prefix: Leading components that names in an archive lose.
        limits: Bounds on what an untrusted archive may use.
        progress: Called with the bytes read so far and in all, None where that is not known.

    Returns:
        The fingerprint, the files, and notes about what was decided or left out.

    Raises:
        BuildError: When the image cannot be built as asked.
        InvalidMetadataError: When the metadata cannot be used.
        InvalidImageError: When the archive that is to become the root cannot be read.
        OSError: When a file cannot be read or written.
    """
    check_numbers(
        strip_prefix=strip_prefix, source_date_epoch=source_date_epoch, threads=threads, memory=memory
    )
    check_root_format(rootfs_format)
    layout = choice_of(Layout, layout, "layout")
    wanted = None if type is None else choice_of(ImageType, type, "type")
    findings = Findings()
    unpacked = _Unpacked.find(rootfs)
    if unpacked is not None:
        rootfs = unpacked.rootfs
        metadata = unpacked.metadata if metadata is None else metadata
        templates = unpacked.templates if templates is None else templates
    options = RootOptions(
        latest=source_date_epoch,
        excluded=excluder(list_of(exclude, "exclude")),
        owners=OwnerMap.parse(map_owner) if isinstance(map_owner, str) else map_owner,
        strip=strip_prefix,
        limits=limits or Limits(),
        note=findings.add,
    )
    wishes = Wishes(
        architecture=architecture,
        creation_date=creation_date,
        expiry_date=expiry_date,
        properties=properties or {},
        rules=rules or {},
    )
    form = _Form(
        rootfs_format=rootfs_format,
        compression=choice_of(Compression, compression, "compression"),
        level=level,
        threads=threads,
        memory=memory,
    )
    files = read_templates(templates, options.limits)
    targets = output_targets(output, layout)
    with open_root(rootfs, options, twice=metadata is None, progress=progress) as root:
        kind = _check_type(root, wanted, options)
        if rootfs_format == "squashfs" and (layout is Layout.UNIFIED or kind is ImageType.VIRTUAL_MACHINE):
            raise _useless("only the root of a split container image may be a SquashFS")
        settled = settle_metadata(
            metadata, wishes, facts=root.facts, now=source_date_epoch, note=findings.add
        )
        check_templates(settled, files, findings.add)
        _check_outside(root, targets, options)
        made = _made(settled, source_date_epoch)
        job = _Job(root=root, metadata=settled, templates=files, made=made, form=form)
        with open_outputs(*targets) as outputs:
            findings.add(*job.write(outputs))
    return BuiltImage.from_outputs(outputs, type=kind, metadata=settled, notes=findings.all())


@attrs.frozen
class _Unpacked:
    """The parts of an image in a directory, as ``image import DIR`` takes them (image format, section 4.5)."""

    rootfs: Path
    metadata: Path
    templates: Path | None

    @classmethod
    def find(cls, rootfs: FileArgument) -> _Unpacked | None:
        """Return the parts in the directory *rootfs*, or None when it is none of this kind."""
        if not isinstance(rootfs, str | os.PathLike):
            return None
        top = Path(rootfs)
        templates = top / "templates"
        for root in (top / "rootfs", top / "rootfs.img"):
            if root.exists() and (top / "metadata.yaml").is_file():
                return cls(root, top / "metadata.yaml", templates if templates.is_dir() else None)
        return None


_LATEST = (1 << 33) - 1  # in the header of a tar


def _made(metadata: Metadata, latest: int | None) -> int:
    """Return the time of whatever has no time of its own: when the image was made."""
    made = min(max(0, metadata.creation_timestamp), _LATEST)
    return made if latest is None else min(made, latest)


def _check_type(root: Root, wanted: ImageType | None, options: RootOptions) -> ImageType:
    """Return what an image with *root* makes, where that is what is *wanted* and every option makes sense."""
    kind = ImageType.VIRTUAL_MACHINE if isinstance(root, DiskRoot) else ImageType.CONTAINER
    if wanted not in {None, kind}:
        text = f"the root makes a {kind.value}, not a {wanted.value}" if wanted else ""
        raise BuildError(diagnose("wrong-type-of-root", text))
    if options.strip and not isinstance(root, ArchiveRoot):
        raise _useless("only the names in an archive can be stripped")
    if (options.excluded or options.owners) and isinstance(root, DiskRoot):
        raise _useless("nothing can be excluded from a disk, nor owners mapped in it")
    return kind


def _useless(text: str) -> BuildError:
    return BuildError(diagnose("option-without-use", text))


def _check_outside(root: Root, targets: Iterable[OutputArgument], options: RootOptions) -> None:
    """Refuse to write into the directory that is read."""
    if not isinstance(root, DirectoryRoot):
        return
    top = os.path.realpath(root.path)
    for target in targets:
        if not isinstance(target, str | os.PathLike):
            continue
        inside = os.path.relpath(os.path.realpath(target), top)
        if not inside.startswith("../") and not (options.excluded and options.excluded(os.fsdecode(inside))):
            text = f"the image would be written into the directory that it is made of, to {inside!r}"
            raise BuildError(diagnose("output-inside-root", text, source=root.path))


@attrs.frozen(kw_only=True)
class _Form:
    """How files are written."""

    rootfs_format: str
    compression: Compression
    level: int | None
    threads: int | None
    memory: int | None

    def encoded(self, chunks: Chunks) -> Chunks:
        """Return *chunks* compressed."""
        return encode(self.compression, chunks, level=self.level, threads=self.threads, memory=self.memory)

    def write_squashfs(
        self, file: OutputFile, members: Iterable[tuple[Entry, Iterable[bytes]]], made: int
    ) -> Sequence[Diagnostic]:
        """Write *members* as a SquashFS, and return what it cannot hold."""
        return write_squashfs_root(
            file, members, compression=self.compression, level=self.level, threads=self.threads, made=made
        )


@attrs.frozen(kw_only=True)
class _Job:
    """What is written."""

    root: Root
    metadata: Metadata
    templates: Mapping[str, bytes]
    made: int
    form: _Form

    def write(self, outputs: OutputFiles) -> Sequence[Diagnostic]:
        """Write the files, and return what had to be left out."""
        control = control_items(self.metadata, self.templates, self.made)
        if len(outputs.files) == 1:
            outputs.files[0].write_all(self._unified(control))
            return ()
        head, root = outputs.files
        head.write_all(self.form.encoded(write_archive(control)))
        return self._write_root(root)

    def _unified(self, control: Iterator[Item]) -> Chunks:
        """Yield a unified image."""
        top = "rootfs.img" if isinstance(self.root, DiskRoot) else "rootfs/"
        head = write_archive(control, end=False)
        body = write_archive(self.root.items(Place(prefix="rootfs/", top=top, made=self.made)))
        if self.form.compression.appends:
            return chain(self.form.encoded(head), self.form.encoded(body))
        return self.form.encoded(chain(head, body))

    def _write_root(self, file: OutputFile) -> Sequence[Diagnostic]:
        """Write the root file of a split image."""
        root = self.root
        if isinstance(root, DiskRoot):
            file.copy(root.chunks())
        elif self.form.rootfs_format == "tar":
            place = Place(prefix="", top="./", made=self.made)
            file.write_all(self.form.encoded(write_archive(root.items(place))))
        else:
            members = root.entries(Place(prefix="", top=".", made=self.made))
            return self.form.write_squashfs(file, members, self.made)
        return ()
