"""
What is in an image, read once from end to end: a small record for each path, and nothing of the contents but digests.

The records are what unpacking makes: of members with one path the last one stays, and a hard link is one more path of
the record that it repeats.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping

import attrs

from lxdimage._frozen import frozen
from lxdimage._sources import Source, Tracker
from lxdimage._tar import DUMPED_DIRECTORY, VOLUME_LABEL
from lxdimage.archive import NANO, NO_XATTRS, EntryType, Member, TarMember
from lxdimage.diagnostics import Diagnostic
from lxdimage.diff._model import ComparedImage, MemberState
from lxdimage.errors import LimitExceededError
from lxdimage.formats import METADATA_NAMES, METADATA_SIZE, ImageType, Layout, control_path
from lxdimage.image import DISK_HEAD, ContentReader, ImageMember, disk_facts
from lxdimage.limits import RATIO_COUNTS_FROM, Limits
from lxdimage.metadata import Metadata, accepted_metadata, check_documents
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["DISK", "METADATA", "ROOT", "TEMPLATES", "Inventory", "Reading", "read_inventory"]

METADATA = b"metadata.yaml"
TEMPLATES = b"templates/"
ROOT = b"rootfs"
DISK = b"rootfs.img"

_ROOTS = frozenset({ROOT, DISK})
_BELOW_ROOT = ROOT + b"/"
_LONGEST = 4096  # bytes of a path or target that is kept as it is: no system has longer ones
_XATTRS = 1024  # bytes of extended attributes that are kept as they are
_KNOWN_XATTRS = 4096
_EMPTY = hashlib.sha256(b"", usedforsecurity=False).digest()


@attrs.frozen(kw_only=True)
class Reading:
    """
    How images are read.

    Attributes:
        target: The daemon by whose rules metadata.yaml is read.
        limits: Bounds on what an untrusted image may use.
        contents: Whether contents are compared.
    """

    target: Target
    limits: Limits
    contents: bool


@attrs.frozen(kw_only=True)
class Inventory:
    """
    What is in an image.

    Attributes:
        image: Its form.
        metadata: What metadata.yaml says, None where there is none.
        repeated: Whether there are several, so that the one that unpacking leaves is not what was read.
        members: Records by path, those of one file being one object.
        linked: Paths that hard links gave to records.
        templates: Contents of templates by their digest, as far as the limits allow.
        disk: Facts about the disk, by a name for people.
        diagnostics: What is wrong although it could be read.
    """

    image: ComparedImage
    metadata: Metadata | None
    repeated: bool
    members: Mapping[bytes, MemberState]
    linked: Collection[bytes]
    templates: Mapping[bytes, bytes]
    disk: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]


def read_inventory(sources: list[Source], reading: Reading, tracker: Tracker) -> Inventory:
    """
    Read an image completely.

    Args:
        sources: Its files.
        reading: How.
        tracker: Is told of the bytes that pass.

    Raises:
        InvalidImageError: A file cannot be read to its end.
        InvalidMetadataError: The target cannot use metadata.yaml.
        LimitExceededError: It would take more than the limits allow.
        OSError: A file cannot be read.
    """
    reader = ContentReader(sources, reading.limits, tracker)
    collector = _Collector(reader, reading, sources)
    for item in reader:
        collector.see(item)
    return collector.finish()


class _Collector:
    """Makes records of the members that pass."""

    def __init__(self, reader: ContentReader, reading: Reading, sources: list[Source]) -> None:
        self._reader = reader
        self._reading = reading
        self._sources = sources
        self._members: dict[bytes, MemberState] = {}
        self._linked: set[bytes] = set()
        self._templates: dict[bytes, bytes] = {}
        self._templates_size = 0
        self._disk: Mapping[str, str] = {}
        self._texts: list[bytes] = []
        self._rooted = self._repeated = False
        self._xattrs: dict[tuple[tuple[str, bytes], ...], Mapping[str, bytes]] = {}
        self._content_size = 0

    def see(self, item: ImageMember) -> None:
        """Take the next member."""
        member = item.member
        flag = member.flag if isinstance(member, TarMember) else 0
        if flag == VOLUME_LABEL:
            return
        path = control_path(os.fsencode(item.path))
        self._rooted = self._rooted or path in _ROOTS or path.startswith(_BELOW_ROOT)
        key = _bounded(path)
        self._repeated = self._repeated or (key == METADATA and key in self._members)
        if member.type is EntryType.HARD_LINK:
            self._members[key] = self._original(path, member)
            self._linked.add(key)
        else:
            self._members[key] = self._state(path, member, flag)
            self._linked.discard(key)

    def _original(self, path: bytes, member: Member) -> MemberState:
        """Return the record of the file that a hard link repeats; names in it are those of its own archive."""
        own = control_path(member.name)
        inside = path[: len(path) - len(own)] if path.endswith(own) else b""
        target = _bounded(inside + control_path(os.fsencode(member.entry.target)))
        found = self._members.get(target)
        if found is None or found.type is EntryType.DIRECTORY:
            return MemberState(type=EntryType.HARD_LINK, target=os.fsdecode(target))
        return found

    def _state(self, path: bytes, member: Member, flag: int) -> MemberState:
        entry = member.entry
        kind = entry.type
        if flag == DUMPED_DIRECTORY or (
            kind is EntryType.FILE and member.name.endswith(b"/") and not member.size
        ):
            kind = EntryType.DIRECTORY
        is_file = kind is EntryType.FILE
        return MemberState(
            type=kind,
            mode=entry.mode,
            uid=entry.uid,
            gid=entry.gid,
            mtime=entry.mtime_ns // NANO,
            size=entry.size if is_file else 0,
            digest=self._content(path, member) if is_file else None,
            target=os.fsdecode(_bounded(os.fsencode(entry.target))) if entry.target else "",
            device=entry.device,
            xattrs=self._attributes(entry.xattrs) if entry.xattrs else NO_XATTRS,
        )

    def _attributes(self, xattrs: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Return extended attributes, equal ones as one object: a label is often that of all files."""
        pairs = tuple(sorted(xattrs.items()))
        if sum(len(name) + len(value) for name, value in pairs) > _XATTRS:
            digest = hashlib.sha256(usedforsecurity=False)
            for name, value in pairs:
                digest.update(b"%d %d " % (len(os.fsencode(name)), len(value)) + os.fsencode(name) + value)
            pairs = (("sha256", digest.digest()),)
        known = self._xattrs.get(pairs)
        if known is None:
            known = frozen(dict(pairs))
            if len(self._xattrs) < _KNOWN_XATTRS:
                self._xattrs[pairs] = known
        return known

    # ---- contents --------------------------------------------------------------------------------------------------

    def _content(self, path: bytes, member: Member) -> bytes | None:
        """Return the digest of a file, and keep what is more than that."""
        if path == METADATA and member.name in METADATA_NAMES:
            digest, text = self._read(member, METADATA_SIZE + 1)
            self._add_text(text)
            return digest
        if path.startswith(TEMPLATES):
            digest, text = self._read(member, self._reading.limits.template_size)
            self._keep_template(digest, text, member.size)
            return digest
        if path == DISK:
            digest, head = self._read(member, DISK_HEAD, whole=self._reading.contents)
            self._disk = disk_facts(head)
            return digest if self._reading.contents else None
        return self._read(member, 0)[0] if self._reading.contents else None

    def _add_text(self, text: bytes) -> None:
        """Keep a metadata.yaml; a daemon reads those in front of the root, or else the first."""
        if self._rooted and self._texts:
            return
        self._texts.append(text)
        if sum(map(len, self._texts)) > self._reading.limits.templates_size:
            raise self._exceeded(f"{len(self._texts)} files called metadata.yaml have too many bytes")

    def _keep_template(self, digest: bytes, text: bytes, size: int) -> None:
        fits = self._templates_size + size <= self._reading.limits.templates_size
        if len(text) == size and fits and digest not in self._templates:
            self._templates_size += size
            self._templates[digest] = text

    def _read(self, member: Member, keep: int, *, whole: bool = True) -> tuple[bytes, bytes]:
        """Return the digest and the first *keep* bytes of a file, of which no more is read unless the *whole* is."""
        if not member.size:
            return _EMPTY, b""
        limits = self._reading.limits
        if whole and self._content_size + member.size > limits.size:
            raise self._exceeded(f"the files have more than Limits.size, {limits.size} bytes")
        digest = hashlib.sha256(usedforsecurity=False)
        kept = bytearray()
        for chunk in member.chunks():
            self._count(len(chunk))
            digest.update(chunk)
            if len(kept) < keep:
                kept += chunk[: keep - len(kept)]
            elif not whole:
                break
        return digest.digest(), bytes(kept)

    def _count(self, size: int) -> None:
        """Count bytes of content: the holes of sparse files are in no other count, and cost as much as data."""
        self._content_size += size
        limits = self._reading.limits
        if self._content_size > RATIO_COUNTS_FROM and self._content_size > limits.ratio * self._reader.size:
            text = f"the files have more than Limits.ratio, {limits.ratio} times the bytes of the image"
            raise self._exceeded(text)

    def _exceeded(self, text: str) -> LimitExceededError:
        hint = "raise the limit if you trust the image, or ignore contents"
        name = self._sources[-1].name
        return LimitExceededError(
            diagnose("decompression-limit", f"{text}, holes included", source=name, hint=hint)
        )

    # ---- the result ------------------------------------------------------------------------------------------------

    def finish(self) -> Inventory:
        """
        Return what was seen.

        Raises:
            InvalidMetadataError: The target cannot use metadata.yaml.
        """
        split = len(self._sources) == 2
        image = ComparedImage(
            files=tuple(self._reader.files),
            layout=Layout.SPLIT if split else Layout.UNIFIED,
            type=self._type(split=split),
        )
        return Inventory(
            image=image,
            metadata=self._metadata() if self._texts else None,
            repeated=self._repeated,
            members=self._members,
            linked=self._linked,
            templates=self._templates,
            disk=self._disk,
            diagnostics=tuple(self._reader.findings),
        )

    def _type(self, *, split: bool) -> ImageType | None:
        if DISK in self._members:
            return ImageType.VIRTUAL_MACHINE
        return ImageType.CONTAINER if split or self._rooted else None

    def _metadata(self) -> Metadata:
        """Return what the documents say that a daemon reads: those before the root, or else the first."""
        name = f"{self._sources[0].name}:metadata.yaml"
        return accepted_metadata(check_documents(self._texts, name=name, target=self._reading.target))


def _bounded(text: bytes) -> bytes:
    """Return *text*, cut and with a digest behind it where it is too long to be kept."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text, usedforsecurity=False).hexdigest()
    return b"%s...(%d bytes, sha256 %s)" % (text[:64], len(text), digest.encode())
