"""A root file system in an archive: its members with the names and owners that they have in an image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import attrs

from lxdimage._chunks import Chunks, drain, read_ahead
from lxdimage._findings import shown
from lxdimage._tar import DUMPED_DIRECTORY, VOLUME_LABEL
from lxdimage.archive import (
    NANO,
    NO_RECORDS,
    Entry,
    EntryType,
    Item,
    Member,
    Renaming,
    RunReader,
    SparseContent,
    TarMember,
    TarReader,
    dump_global,
    dump_member,
    xattr_record,
)
from lxdimage.build._facts import RootFacts, archive_facts
from lxdimage.build._options import Place, RootOptions
from lxdimage.build._owners import OwnerMap
from lxdimage.build._parts import link_target
from lxdimage.build._reading import IMAGE_STARTS, ImageGuard
from lxdimage.build._squashfs import read_squashfs_root
from lxdimage.compression import Compression, decode_named
from lxdimage.diagnostics import escape
from lxdimage.errors import BuildError
from lxdimage.formats import SQUASHFS, FileFormat
from lxdimage.rules import diagnose

__all__ = ["ArchiveRoot", "RootInput"]

_INCOMPLETE = frozenset(b"MN")  # flags of what only other volumes of the archive can complete


@attrs.frozen(kw_only=True)
class RootInput:
    """
    An open file that a root file system is read from.

    Attributes:
        name: What findings call it.
        format: What its first bytes say it is.
        size: Its bytes, None where a stream does not tell.
        is_large: Whether decompressing it is worth a thread.
        open: Gives its bytes from the beginning; more than once where *stream* is there.
        stream: The file itself, where it is seekable.
    """

    name: str
    format: FileFormat
    size: int | None
    is_large: bool
    open: Callable[[], Chunks]
    stream: BinaryIO | None


class ArchiveRoot:
    """
    A root file system in a tar, compressed or not, or in a SquashFS.

    The headers of a tar are copied as they are but for names and what is asked of them.
    """

    def __init__(self, source: RootInput, options: RootOptions) -> None:
        self._source = source
        self._options = options

    def facts(self) -> RootFacts:
        """Return what it says about itself; the file is read a second time for that."""
        return archive_facts(self._named())

    def _named(self) -> Iterator[tuple[str, Member]]:
        guard = ImageGuard(self._source.name)
        for member in self._reader():
            path = self._path(member)
            if path is not None:
                guard.see(path)
                yield os.fsdecode(path), member

    def items(self, place: Place) -> Iterator[Item]:
        """
        Yield its members for a tar.

        Raises:
            BuildError: When a member cannot be one of an image.
            InvalidImageError: When the archive cannot be read.
        """
        reader = self._reader(ahead=True)
        shared = NO_RECORDS
        for path, member in self._placed(reader, self._renamed(reader, place)):
            if path is None:
                yield self._top(place), ()
                continue
            if isinstance(reader, TarReader) and reader.global_records is not shared:
                shared = reader.global_records
                yield dump_global(shared), ()
            if isinstance(member, bytes):
                yield member, ()
            elif isinstance(member, TarMember) and member.flag != DUMPED_DIRECTORY:
                yield self._blocks(path, member, place), member.stored_chunks()
            else:
                yield self._entry(path, member, place)

    def _renamed(self, reader: Iterable[Member], place: Place) -> Iterable[bytes | Member]:
        """Return the members, most of them as blocks where nothing but names is to change."""
        options = self._options
        changes = (options.latest, options.owners, options.excluded, options.strip or None)
        if not isinstance(reader, RunReader) or any(change is not None for change in changes):
            return reader
        return reader.runs(Renaming(b"", os.fsencode(place.prefix), apart=IMAGE_STARTS))

    def entries(self, place: Place) -> Iterator[tuple[Entry, Chunks]]:
        """Yield its members as entries; raises as `items` does."""
        reader = self._reader(ahead=True)
        for path, member in self._placed(reader, reader):
            assert not isinstance(member, bytes)
            yield (self._top(place), iter(())) if path is None else self._entry(path, member, place)

    # ---- reading -------------------------------------------------------------------------------------------------

    def _reader(self, *, ahead: bool = False) -> Iterable[Member]:
        """Return a reader; *ahead* of what is asked for where it will be read to its end."""
        source = self._source
        if source.format == SQUASHFS:
            assert source.stream is not None
            return read_squashfs_root(source.stream, limits=self._options.limits, source=source.name)
        assert source.format.compression is not None
        limits = self._options.limits
        decoded = decode_named(source.format.compression, source.open(), source.name, limits)
        if ahead and source.format.compression is not Compression.NONE and source.is_large:
            decoded = read_ahead(decoded, 2)
        return RunReader(decoded, source=source.name, limits=limits)

    def _placed(
        self, reader: Iterable[Member], members: Iterable[bytes | Member]
    ) -> Iterator[tuple[bytes | None, bytes | Member]]:
        """
        Yield the members that go into the image and their paths, of the top directory an empty one.

        Where the archive lacks that, a pair without a path comes first.
        """
        empty = True
        guard = ImageGuard(self._source.name)
        for member in members:
            path = b"blocks" if isinstance(member, bytes) else self._path(member)
            if path is None:
                continue
            guard.see(path)
            if empty and path:
                yield None, member
            empty = False
            yield path, member
        if empty:
            text = "there is nothing in it, or nothing is left of it"
            raise BuildError(diagnose("root-empty", text, source=self._source.name))
        if isinstance(reader, TarReader):
            drain(reader.rest())
            if not reader.ended:
                text = "no end-of-archive blocks follow the last member, so that members may be missing"
                self._options.note(diagnose("no-end-of-archive", text, source=self._source.name))

    def _path(self, member: Member) -> bytes | None:
        """Return the path of a member below the root, of a directory with a slash at its end; None to skip it."""
        flag = member.flag if isinstance(member, TarMember) else None
        if flag == VOLUME_LABEL:
            return None
        if flag in _INCOMPLETE:
            text = (
                f"{shown(member.name)} is only part of a file; the rest is in another volume of the archive"
            )
            raise BuildError(diagnose("unstorable-entry", text, source=self._source.name))
        if member.type is EntryType.SOCKET:
            text = f"{shown(member.name)} is a socket, which only the process that made it can use; it is left out"
            self._options.note(diagnose("socket-skipped", text, source=self._source.name))
            return None
        directory = member.type is EntryType.DIRECTORY or flag == DUMPED_DIRECTORY
        path = self._below(member.name)
        if path is None or (not path and not directory):
            return None
        if path and directory:
            path += b"/"
        excluded = self._options.excluded
        return None if path and excluded is not None and excluded(os.fsdecode(path)) else path

    def _below(self, name: bytes) -> bytes | None:
        """Return *name* as a path below the root, or None when it is above what is left of the names."""
        parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
        if b".." in parts:
            text = f"{shown(name)} contains '..'"
            raise BuildError(diagnose("dotdot-member", text, source=self._source.name))
        strip = self._options.strip
        return b"/".join(parts[strip:]) if len(parts) >= strip else None

    # ---- members ---------------------------------------------------------------------------------------------------

    def _target(self, member: Member, place: Place) -> bytes:
        """Return where the target of a hard link goes."""
        target = link_target(member)
        path, excluded = self._below(target), self._options.excluded
        if not path or (excluded is not None and excluded(os.fsdecode(path))):
            text = f"{shown(member.name)} is a hard link to {shown(target)}, which is left out"
            raise BuildError(diagnose("dangling-hard-link", text, source=self._source.name))
        return os.fsencode(place.prefix) + path

    def _blocks(self, path: bytes, member: TarMember, place: Place) -> bytes:
        """Return the blocks of a member's headers, changed in nothing but what was asked for."""
        options, name = self._options, _named(path, place)
        changes: dict[str, Any] = {} if name == member.name else {"name": name}
        if member.type is EntryType.HARD_LINK:
            changes["target"] = self._target(member, place)
        if options.owners is not None:
            entry = member.entry
            owned = self._owned(entry, options.owners)
            changes |= {"uid": owned["uid"], "gid": owned["gid"]}
            mapped = {key: value for key, value in owned["xattrs"].items() if value != entry.xattrs[key]}
            changes["records"] = {xattr_record(key): value for key, value in mapped.items()}
        return dump_member(member, latest=options.latest, **changes)

    def _top(self, place: Place) -> Entry:
        """Return the top directory that the archive lacks."""
        return Entry(path=place.top, type=EntryType.DIRECTORY, mode=0o755, mtime_ns=place.made * NANO)

    def _entry(self, path: bytes, member: Member, place: Place) -> tuple[Entry, Chunks]:
        """Return a member as an entry."""
        options = self._options
        entry = member.entry
        changes: dict[str, Any] = {"path": os.fsdecode(_named(path, place))}
        if isinstance(member, TarMember) and member.flag == DUMPED_DIRECTORY:
            changes |= {"type": EntryType.DIRECTORY, "size": 0}
        if options.latest is not None:
            changes["mtime_ns"] = min(entry.mtime_ns, options.latest * NANO)
        if entry.type is EntryType.HARD_LINK:
            changes["target"] = os.fsdecode(self._target(member, place))
        if options.owners is not None:
            changes |= self._owned(entry, options.owners)
        return attrs.evolve(entry, **changes), self._content(member, changes.get("type", entry.type))

    def _owned(self, entry: Entry, owners: OwnerMap) -> dict[str, Any]:
        try:
            uid, gid = owners.owner(entry.uid, entry.gid)
            return {"uid": uid, "gid": gid, "xattrs": owners.xattrs(entry.xattrs)}
        except LookupError as error:
            text = f"{escape(entry.path)!r} is outside the id map: its owner is {entry.uid}:{entry.gid}"
            raise BuildError(diagnose("unmapped-owner", text, source=self._source.name)) from error

    def _content(self, member: Member, kind: EntryType) -> Chunks:
        if kind is not EntryType.FILE:
            return iter(())
        if isinstance(member, TarMember) and member.sparse is not None:
            return SparseContent(member.stored_chunks(), member.sparse, member.size)
        return member.chunks()


def _named(path: bytes, place: Place) -> bytes:
    return os.fsencode(place.prefix) + path if path else os.fsencode(place.top)
