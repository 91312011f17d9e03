"""
Putting an image together: the head in front, the root behind it, in one pass over the source.

Where the source keeps what belongs in front behind its root, as ``lxc publish`` does with templates, the root's
compressed bytes wait in a file without a name until the head is known.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import attrs

from lxdimage._chunks import READ_SIZE, Chunks
from lxdimage.archive import Entry, EntryType, Item, dump_global, write_archive
from lxdimage.build._head import Head
from lxdimage.build._options import check_root_format
from lxdimage.build._origin import Origin
from lxdimage.build._parts import (
    ROOT,
    Control,
    Disk,
    Expansion,
    Part,
    Root,
    RootFile,
    RootRun,
    RootTar,
    Shared,
    control_item,
    entry_item,
    no_root,
    root_item,
)
from lxdimage.build._squashfs import write_squashfs_root
from lxdimage.compression import Compression
from lxdimage.compression.writing import encode
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError
from lxdimage.formats import ImageType, Layout
from lxdimage.formats._write import OutputFile, OutputFiles
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["Assembly", "Form", "is_squashfs"]


def is_squashfs(rootfs_format: str, layout: Layout) -> bool:
    """
    Tell whether the root of an image is to be a SquashFS.

    Raises:
        BuildError: The format is unknown, or the layout does not have it.
    """
    check_root_format(rootfs_format)
    if rootfs_format == "squashfs" and layout is Layout.UNIFIED:
        text = "only the root of a split image is a file of its own that can be a SquashFS"
        raise BuildError(diagnose("root-format", text))
    return rootfs_format == "squashfs"


@attrs.frozen(kw_only=True)
class Form:
    """
    How an image is written.

    Attributes:
        layout: One file, or two.
        compression: Of the tars in it.
        squashfs: Whether the root of a split image is a SquashFS.
        level: Speed against size of the root, by the format's own scale; its default unless given.
        threads: At most so many threads compress.
        keep_names: Leave the spelling of names alone.
    """

    layout: Layout
    compression: Compression
    squashfs: bool = False
    level: int | None = None
    threads: int | None = None
    keep_names: bool = False

    def encoded(self, chunks: Chunks) -> Chunks:
        """Yield *chunks* compressed."""
        return encode(self.compression, chunks, level=self.level, threads=self.threads)


class Assembly:
    """
    Writes one image.

    Attributes:
        notes: What had to be decided or left out.
    """

    def __init__(
        self,
        form: Form,
        head: Head,
        outputs: OutputFiles,
        *,
        origin: Origin,
        limits: Limits,
        room: Path | None,
    ) -> None:
        """
        Args:
            form: How the image is written.
            head: What stands in front.
            outputs: The files.
            origin: What it is made of.
            limits: Bounds on what an untrusted source may use.
            room: The directory of the output, where a root may have to wait.
        """
        self.notes: list[Diagnostic] = []
        self._form = form
        self._head = head
        self._outputs = outputs
        self._source = origin.name
        self._expansion = Expansion(limits, origin.name, lambda: origin.size)
        self._room = room

    def write(self, parts: Iterator[Part]) -> ImageType:
        """
        Write all *parts* and say what they make.

        Raises:
            LXDImageError: They are no image, or one that cannot be written like this.
            OSError: A file cannot be read or written.
        """
        first = self._head.collect(parts)
        if first is None:
            raise no_root(self._source)
        whole: Iterator[Part] = chain(filter(None, [self._head.shared]), [first], parts)
        if self._form.layout is Layout.SPLIT:
            self._write_split(first, whole)
        else:
            self._write_unified(whole)
        self.notes[:0] = self._head.notes
        match first:
            case Disk():
                return ImageType.VIRTUAL_MACHINE
            case RootFile(_, kind):
                return kind
            case _:
                return ImageType.CONTAINER

    # ---- one file -----------------------------------------------------------------------------------------------

    def _write_unified(self, parts: Iterator[Part]) -> None:
        (file,) = self._outputs.files
        if self._head.complete:
            root = write_archive(self._items(parts, ROOT, late=True))
            self._join(file, root)
            return
        with tempfile.TemporaryFile(dir=self._room) as spool:
            packed = self._form.encoded if self._form.compression.appends else iter
            spool.writelines(packed(write_archive(self._items(parts, ROOT))))
            spool.seek(0)
            self._join(file, iter(lambda: spool.read(READ_SIZE), b""), packed=self._form.compression.appends)

    def _join(self, file: OutputFile, root: Chunks, *, packed: bool = False) -> None:
        """Write the head, as a stream of its own where the format has that, and the root behind it."""
        if self._form.compression.appends:
            file.write_all(self._form.encoded(self._head.chunks()))
            file.write_all(root if packed else self._form.encoded(root))
        else:
            file.write_all(self._form.encoded(chain(self._head.chunks(), root)))

    def _items(self, parts: Iterator[Part], prefix: bytes, *, late: bool = False) -> Iterator[Item]:
        """
        Yield the root for `write_archive`.

        Args:
            parts: The root, and what comes behind it.
            prefix: What its names are to begin with.
            late: Whether what does not belong to it stays behind it; it goes to the head otherwise.
        """
        keep = self._form.keep_names
        kept = None if keep else prefix
        for part in parts:
            if isinstance(part, Root) and part.member.type is not EntryType.SOCKET:
                yield root_item(part, kept)
                continue
            match part:
                case RootRun(blocks):
                    yield blocks, ()
                case Root():
                    self._skip_socket(part)
                case Control(path) if late and self._head.takes(path):
                    yield control_item(part, keep=keep)
                case Control():
                    self._add_late(part, drop=late)
                case Disk(member):
                    yield control_item(Control(b"rootfs.img", member), keep=keep)
                case Shared(records):
                    yield dump_global(records), ()
                case _:
                    raise AssertionError(part)  # the others are for two files

    def _add_late(self, control: Control, *, drop: bool) -> None:
        """Take in what comes behind the beginning of the root, unless it is a template to *drop*."""
        if not drop or control.path == b"metadata.yaml":
            self._head.add(control)

    def _skip_socket(self, root: Root) -> None:
        path = os.fsdecode(root.path)
        self.notes.append(diagnose("socket-skipped", f"{path!r} is a socket, which no image holds"))

    # ---- two files ----------------------------------------------------------------------------------------------

    def _write_split(self, first: Part, parts: Iterator[Part]) -> None:
        metadata, root = self._outputs.files
        early = self._head.complete
        if early:
            metadata.write_all(self._metadata_file())
        count = self._head.count
        match first:
            case RootFile(chunks):
                root.copy(chunks)
            case RootTar(chunks):
                root.write_all(self._form.encoded(chunks))
            case Disk(member):
                root.write_all(self._expansion.chunks(member, member.entry))
                self._late(parts)
            case _ if self._form.squashfs:
                self._squashfs(root, self._entries(parts))
            case _:
                root.write_all(self._form.encoded(write_archive(self._items(parts, b""))))
        if not early:
            metadata.write_all(self._metadata_file())
        elif self._head.count != count:
            with metadata.random_access() as stream:
                stream.truncate(0)
                stream.seek(0)
                stream.writelines(self._metadata_file())

    def _metadata_file(self) -> Chunks:
        level = None if self._form.squashfs else self._form.level
        return encode(self._form.compression, write_archive(self._head.items()), level=level, threads=1)

    def _late(self, parts: Iterator[Part]) -> None:
        for part in parts:
            if isinstance(part, Control):
                self._head.add(part)

    # ---- SquashFS -----------------------------------------------------------------------------------------------

    def _squashfs(self, file: OutputFile, members: Iterator[tuple[Entry, Chunks]]) -> None:
        form = self._form
        self.notes.extend(
            write_squashfs_root(
                file, members, compression=form.compression, level=form.level, threads=form.threads
            )
        )

    def _entries(self, parts: Iterator[Part]) -> Iterator[tuple[Entry, Chunks]]:
        for part in parts:
            match part:
                case Root(member=member):
                    entry, _ = entry_item(part, b"")
                    yield entry, self._expansion.chunks(member, entry)
                case Control():
                    self._head.add(part)
                case _:
                    pass
