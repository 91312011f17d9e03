"""Publishing: an instance backup becomes an image, as ``lxc publish`` makes one, without a daemon."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime

import attrs

from lxdimage._arguments import choice_of
from lxdimage._chunks import peek
from lxdimage._findings import shown
from lxdimage._sources import FileArgument, Progress, open_sources
from lxdimage.archive import Entry, EntryType, Member
from lxdimage.build._assemble import Assembly, Form, is_squashfs
from lxdimage.build._head import Head, Revision
from lxdimage.build._model import BuiltImage
from lxdimage.build._options import check_numbers
from lxdimage.build._origin import Origin, OriginFile
from lxdimage.build._parts import ROOT, Control, Part, Root, Shared, link_target, path_digest
from lxdimage.build._settle import dump_text
from lxdimage.build._targets import OutputTarget, output_room, output_targets
from lxdimage.compression import Compression
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError, InvalidImageError
from lxdimage.formats import SQUASHFS, ImageType, Layout, control_path
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
    compression: Compression | str = Compression.XZ,
    layout: Layout | str = Layout.UNIFIED,
    rootfs_format: str = "tar",
    level: int | None = None,
    threads: int | None = None,
    target: Target | str = Target.LXD,
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
    check_numbers(threads=threads)
    layout = choice_of(Layout, layout, "layout")
    target = choice_of(Target, target, "target")
    limits = limits or Limits()
    form = Form(
        layout=layout,
        compression=choice_of(Compression, compression, "compression"),
        squashfs=is_squashfs(rootfs_format, layout),
        level=level,
        threads=threads,
    )
    targets = output_targets(output, layout)
    with (
        open_sources([backup]) as sources,
        closing(Origin(sources, limits=limits, progress=progress)) as origin,
    ):
        reader = _BackupReader(origin.files[0], snapshot, target)
        parts = reader.open()
        published = _Published(
            reader=reader, properties=properties, expiry=expiry, creation_date=creation_date, target=target
        )
        with closing(Head(published.revision(), origin.name)) as head, open_outputs(*targets) as outputs:
            assembly = Assembly(
                form, head, outputs, origin=origin, limits=limits, room=output_room(targets[0])
            )
            kind = assembly.write(parts)
        notes = (*assembly.notes, *reader.notes())
        return BuiltImage.from_outputs(outputs, type=kind, metadata=head.metadata, notes=notes)


class _BackupReader:
    """Reads the instance, or one snapshot of it, out of a backup."""

    def __init__(self, file: OriginFile, snapshot: str | None, target: Target) -> None:
        self._file = file
        self._snapshot = snapshot
        self._extra = _INCUS_FILES if target.traits.renews_metadata else frozenset()
        self._backup: Backup
        self._idmap: IdMap | None = None
        self._dropped: set[bytes] = set()
        self._outside = 0
        self._first_outside = ""

    def open(self) -> Iterator[Part]:
        """
        Read the index and return the parts of the image.

        Raises:
            InvalidImageError: The file is no backup, or a damaged one.
            BuildError: It holds nothing that can be published.
        """
        members = self._file.members()
        index, _ = peek(self._find_index(members).chunks(), INDEX_SIZE + 1)
        self._backup = parse_index(index, source=f"{self._file.name}:{INDEX_NAME.decode()}")
        self._check()
        if self._file.format == SQUASHFS:
            members = self._file.members()  # its members come in another order, and can be read again
        return self._parts(members)

    def _find_index(self, members: Iterator[Member | Shared]) -> Member:
        for member in members:
            if isinstance(member, Shared):
                continue
            if control_path(member.name) == INDEX_NAME:
                return member
            if self._file.format != SQUASHFS and backup_place(member.name):
                break
        text = "the file does not begin with 'backup/index.yaml'"
        raise InvalidImageError(diagnose("backup-index", text, source=self._file.name))

    def _check(self) -> None:
        backup, name = self._backup, self._file.name
        if backup.type is ImageType.VIRTUAL_MACHINE:
            text = f"{backup.name!r} is a virtual machine"
            raise BuildError(diagnose("backup-virtual-machine", text, source=name))
        if backup.optimized:
            raise self._optimized()
        if self._snapshot is not None and self._snapshot not in backup.snapshots:
            names = ", ".join(map(repr, backup.snapshots)) or "none"
            text = f"there is no snapshot {self._snapshot!r}; there are: {names}"
            raise BuildError(diagnose("backup-no-snapshot", text, source=name))

    def _optimized(self) -> BuildError:
        text = f"the data is in the format of the storage driver {self._backup.backend!r}"
        return BuildError(diagnose("backup-optimized", text, source=self._file.name))

    @property
    def instance(self) -> BackupInstance:
        """
        The configuration of what is published.

        Raises:
            BuildError: There is none.
        """
        found = self._backup.instance
        if self._snapshot is not None:
            found = self._backup.snapshot_instances.get(self._snapshot)
        if found is None:
            text = "there is no configuration of the instance"
            raise BuildError(diagnose("backup-incomplete", text, source=self._file.name))
        return found

    # ---- members ------------------------------------------------------------------------------------------------

    def _parts(self, members: Iterator[Member | Shared]) -> Iterator[Part]:
        wanted = None if self._snapshot is None else os.fsencode(self._snapshot)
        empty = True
        for member in members:
            if isinstance(member, Shared):
                yield member
                continue
            place = backup_place(member.name)
            if place is not None and (place.type, place.snapshot) == (self._backup.type, wanted):
                empty = False
                yield from self._part(place, member)
            elif place is None and control_path(member.name) in _STREAMS:
                raise self._optimized()
        if empty:
            text = "no files of the instance follow the index"
            raise BuildError(diagnose("backup-incomplete", text, source=self._file.name))

    def _part(self, place: BackupPlace, member: Member) -> Iterator[Part]:
        path = place.path
        if b".." in path.split(b"/"):
            text = f"{os.fsdecode(member.name)!r} contains '..'"
            raise InvalidImageError(diagnose("dotdot-member", text, source=self._file.name))
        if path == b"rootfs" and member.type is not EntryType.DIRECTORY:
            text = f"{shown(member.name)} is a {member.type.title}, expected a directory"
            raise InvalidImageError(diagnose("root-not-directory", text, source=self._file.name))
        if path == b"rootfs" or path.startswith(ROOT):
            yield from self._root(path[len(ROOT) :], place, member)
        elif path == b"backup.yaml" and self._backup.instance is None:
            data, _ = peek(member.chunks(), INDEX_SIZE + 1)
            source = f"{self._file.name}:{os.fsdecode(member.name)}"
            self._backup = index_of_backup_yaml(self._backup, data, source=source)
        elif path in _FILES or path in self._extra or path.startswith(b"templates/"):
            target = _inside(place, member)
            if target is None and member.type is EntryType.HARD_LINK:
                text = f"{shown(member.name)} is a hard link to something that is not in the instance"
                raise InvalidImageError(diagnose("dangling-hard-link", text, source=self._file.name))
            yield Control(path, member, target)

    def _root(self, path: bytes, place: BackupPlace, member: Member) -> Iterator[Root]:
        if self._idmap is None:
            text = self.instance.config.get(_IDMAP, "")
            self._idmap = parse_idmap(text, source=f"{self._file.name}:{INDEX_NAME.decode()}")
        target = _target(place, member)
        owner = None
        if self._idmap.ranges:
            entry = member.entry
            owner = self._idmap.unshift(entry.uid, entry.gid)
            if owner is None or (target is not None and path_digest(target) in self._dropped):
                self._drop(path, entry)
                return
        slash = b"/" if path and member.type is EntryType.DIRECTORY else b""
        yield Root(path + slash, member, target, owner)

    def _drop(self, path: bytes, entry: Entry) -> None:
        """Leave out a file that belongs to nobody in the instance, and later what is linked to it."""
        if entry.type is not EntryType.DIRECTORY and len(self._dropped) < _REMEMBERED:
            self._dropped.add(path_digest(path))
        self._outside += 1
        self._first_outside = self._first_outside or f"{shown(path)} of {entry.uid}:{entry.gid}"

    def notes(self) -> Iterator[Diagnostic]:
        """Yield what was left out."""
        if self._outside:
            others = f" and {self._outside - 1:,} more" if self._outside > 1 else ""
            text = f"{self._first_outside}{others} left out: the owner is not in the id map"
            yield diagnose("owner-outside-map", text, source=self._file.name)


_IDMAP = "volatile.last_state.idmap"
_FILES = frozenset({b"metadata.yaml", b"templates"})
_INCUS_FILES = frozenset({b"config.json"})
_STREAMS = frozenset({b"backup/container.bin", b"backup/virtual-machine.bin"})
_REMEMBERED = 100_000


def _target(place: BackupPlace, member: Member) -> bytes | None:
    """Return where the target of a hard link is in the root; None where it is not in it."""
    found = _inside(place, member)
    return found[len(ROOT) :] if found and found.startswith(ROOT) else None


def _inside(place: BackupPlace, member: Member) -> bytes | None:
    """Return where the target of a hard link is in the instance's own directory; None where it is not in it."""
    if member.type is not EntryType.HARD_LINK:
        return None
    found = backup_place(link_target(member))
    if found is None or (found.type, found.snapshot) != (place.type, place.snapshot):
        return None
    return None if b".." in found.path.split(b"/") else found.path


@attrs.frozen(kw_only=True)
class _Published:
    """The metadata of the image, as ``publish`` of the target makes it."""

    reader: _BackupReader
    properties: Mapping[str, str] | None
    expiry: datetime | int | None
    creation_date: datetime | int | None
    target: Target

    def revision(self) -> Revision:
        """Return what is to change beside the root."""
        renews = self.target.traits.renews_metadata
        return Revision(
            metadata=self._renewed if renews else self._kept,
            dump=dump_text if renews else None,
            fallback=self._made,
            target=self.target,
        )

    def _now(self) -> datetime | int:
        return int(time.time()) if self.creation_date is None else self.creation_date

    def _kept(self, old: Metadata) -> Metadata:
        return old.evolve(
            properties=old.properties if self.properties is None else self.properties,
            expiry_date=old.expiry_timestamp if self.expiry is None else self.expiry,
        )

    def _renewed(self, old: Metadata) -> Metadata:
        return old.evolve(
            allow_immutable=True,
            architecture=self.reader.instance.architecture,
            creation_date=self._now(),
            properties={**old.properties, **(self.properties or {})},
            expiry_date=old.expiry_timestamp if self.expiry is None else self.expiry,
        )

    def _made(self) -> Metadata:
        """Return the metadata of an instance that has none."""
        instance = self.reader.instance
        properties = {
            key.removeprefix("image."): value
            for key, value in sorted(instance.config.items())
            if key.startswith("image.")
        }
        created = self._now() if instance.created is None else instance.created
        return Metadata(architecture=instance.architecture, creation_date=created, properties=properties)
