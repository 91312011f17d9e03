"""Publishing: an instance backup becomes an image, as ``lxc publish`` makes one, without a daemon."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import attrs

from lxdimage._chunks import peek
from lxdimage._sources import FileArgument, Progress, open_sources
from lxdimage.archive import EntryType, Member
from lxdimage.build._assemble import Assembly, Form
from lxdimage.build._head import Head, Revision
from lxdimage.build._model import BuiltImage
from lxdimage.build._origin import Origin
from lxdimage.build._parts import Control, Part, Root, Shared
from lxdimage.build._targets import OutputTarget, output_room, output_targets
from lxdimage.compression import Compression
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError, InvalidImageError
from lxdimage.formats import ImageType, Layout
from lxdimage.formats._backup import (
    INDEX_NAME,
    INDEX_SIZE,
    Backup,
    BackupInstance,
    BackupPlace,
    IdMap,
    backup_place,
    index_of_backup_yaml,
    parse_idmap,
    parse_index,
)
from lxdimage.formats._write import open_outputs
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["publish_backup"]


def publish_backup(  # noqa: PLR0913 - each is a choice of its own
    backup: FileArgument,
    output: OutputTarget,
    *,
    snapshot: str | None = None,
    properties: Mapping[str, str] | None = None,
    expiry: datetime | int | None = None,
    creation_date: datetime | int | None = None,
    compression: Compression = Compression.XZ,
    layout: Layout = Layout.UNIFIED,
    rootfs_format: str = "tar",
    level: int | None = None,
    threads: int | None = None,
    target: Target = Target.LXD,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> BuiltImage:
    """
    Write the image that publishing an exported instance would give.

    Owners are those in the instance again, as its id map says, and files that belong to nobody there are left out.
    Metadata is what ``publish`` of the target makes of it: LXD copies metadata.yaml as it is unless properties or an
    expiry date are given, which replace what was there; Incus writes it anew, with the properties merged, the
    instance's architecture and the present as its creation date.

    Args:
        backup: What ``lxc export`` or ``incus export`` wrote.
        output: Where to write: one path or stream, or metadata and root of a split image.
        snapshot: The name of a snapshot in the backup; the instance itself unless given.
        properties: Properties of the image.
        expiry: When it expires.
        creation_date: When it was made, where the target would take the present.
        compression: Of the tars.
        layout: One file or two.
        rootfs_format: ``tar`` or ``squashfs`` for the root of a split image.
        level: Speed against size, by the format's own scale.
        threads: At most so many threads compress.
        target: Whose ``publish`` to follow.
        limits: Bounds on what an untrusted backup may use.
        progress: Called with the bytes read so far and in all.

    Returns:
        What was written.

    Raises:
        InvalidImageError: The file is no backup, or a damaged one.
        BuildError: It holds nothing that can be published, or cannot be written as asked.
        OSError: A file cannot be read or written.
    """
    limits = limits or Limits()
    form = Form(
        layout=layout,
        compression=compression,
        squashfs=_is_squashfs(layout, rootfs_format),
        level=level,
        threads=threads,
    )
    targets = output_targets(output, layout)
    with open_sources([backup]) as sources:
        origin = Origin(sources, limits=limits, progress=progress)
        reader = _BackupReader(origin, snapshot)
        found = reader.open()
        changes = _Published(
            instance=reader.instance,
            properties=properties,
            expiry=expiry,
            creation_date=creation_date,
            target=target,
        )
        with open_outputs(*targets) as outputs:
            head = Head(changes.revision(), origin.name)
            assembly = Assembly(
                form, head, outputs, source=origin.name, limits=limits, room=output_room(targets[0])
            )
            kind = assembly.write(found)
            origin.fingerprint()  # reads the rest
        notes = (*assembly.notes, *reader.notes())
        return BuiltImage.from_outputs(outputs, type=kind, metadata=head.metadata, notes=notes)
