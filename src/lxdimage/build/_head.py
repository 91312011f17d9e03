"""
What stands beside the root of an image: metadata.yaml, the templates, and whatever else was put there.

It is collected until the root begins, changed as asked, and written in front of the root, the metadata first: so
whoever opens the image finds it at once (image format, section 14).
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import BinaryIO, cast

import attrs

from lxdimage._chunks import READ_SIZE, Chunks, peek
from lxdimage.archive import NANO, Entry, EntryType, Item, TarMember, write_archive
from lxdimage.build._parts import (
    Control,
    Disk,
    Part,
    Root,
    RootFile,
    RootRun,
    RootTar,
    Shared,
    control_item,
    path_digest,
)
from lxdimage.build._settle import check_usable, dump_text
from lxdimage.diagnostics import Diagnostic, Severity, escape
from lxdimage.errors import BuildError, InvalidImageError, InvalidMetadataError
from lxdimage.formats import METADATA_SIZE
from lxdimage.metadata import Metadata, MetadataFiles, TemplateRule, accepted_metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["Head", "Revision", "absent"]

_METADATA = b"metadata.yaml"
_TEMPLATES = b"templates/"
_IN_MEMORY = 8 << 20
_REMEMBERED = 100_000
_NAMED, _LONGEST = 1_000, 255  # templates, and bytes of the path of one, that a hint may name


def _same(metadata: Metadata) -> Metadata:
    return metadata


def absent(what: str, name: str, names: Collection[str]) -> Diagnostic:
    """
    Return what to say of something that is to be removed and is not there.

    Args:
        what: What it would be.
        name: Its name.
        names: What is there.
    """
    near = difflib.get_close_matches(name[:200], list(islice(names, 1000)), 1)
    hint = f"did you mean {escape(near[0])!r}?" if near else None
    return diagnose("nothing-to-remove", f"there is no {what} {name!r} to be removed", hint=hint)


@attrs.frozen(kw_only=True)
class Revision:
    """
    What is to change beside the root.

    Attributes:
        metadata: Returns the new metadata for the old; the file is rewritten only when they differ, or when
            *dump* is given.
        dump: Returns the new metadata.yaml.
        fallback: Returns the metadata of an image that has none.
        templates: New content of templates by name, None for those that are to go.
        target: The daemon that the image is meant for.
    """

    metadata: Callable[[Metadata], Metadata] = _same
    dump: Callable[[Metadata], bytes] | None = None
    fallback: Callable[[], Metadata] | None = None
    templates: Mapping[str, bytes | None] = attrs.field(factory=lambda: MappingProxyType({}))
    target: Target = Target.LXD


class Head:
    """
    Everything beside the root, in the order in which it will be written.

    Attributes:
        shared: What holds for all members of the root, from global headers before it.
        count: Members taken in.
        notes: What had to be decided.
    """

    def __init__(self, revision: Revision, source: str, *, keep_names: bool = False) -> None:
        """
        Args:
            revision: What is to change.
            source: The file with metadata.yaml, for findings.
            keep_names: Leave the spelling of names alone.
        """
        self.shared: Shared | None = None
        self.count = 0
        self._root_began = False
        self.notes: list[Diagnostic] = []
        self._revision = revision
        self._source = source
        self._keep = keep_names
        self._files = MetadataFiles(name=f"{source}:{_METADATA.decode()}", target=revision.target)
        self._texts = 0
        self._found: Entry | None = None  # metadata.yaml as it was
        self._item: Item | None = None
        self._metadata: Metadata | None = None
        self._rules: Mapping[str, TemplateRule] = {}  # as they were
        self._seen: set[bytes] = set()  # templates, by what stands for their paths
        self._named: list[str] = []  # some of them, for hints
        self._spool = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - see close
        self._replaced = frozenset(_TEMPLATES + os.fsencode(name) for name in revision.templates)

    def close(self) -> None:
        """Let go of what was kept."""
        self._spool.close()

    # ---- collecting ---------------------------------------------------------------------------------------------

    def collect(self, parts: Iterator[Part]) -> Root | RootRun | Disk | RootTar | RootFile | None:
        """Take parts up to the first one of the root and return that; None when there is none."""
        for part in parts:
            match part:
                case Control():
                    self.add(part)
                case Shared():
                    self.shared = part
                case _:
                    self._root_began = True
                    return part
        return None

    def add(self, control: Control) -> None:
        """
        Take in a member.

        Raises:
            InvalidImageError: It is a metadata.yaml that is no file.
        """
        path = control.path
        self.count += 1
        if path == _METADATA:
            self._add_metadata(control)
        elif self.takes(path):
            item = control_item(control, keep=self._keep)
            self._spool.seek(0, os.SEEK_END)
            self._spool.writelines(write_archive([item], end=False))

    def takes(self, path: bytes) -> bool:
        """Tell whether a member beside the root stays, and take note that it is there."""
        if path.startswith(_TEMPLATES[:-1]) and len(self._seen) < _REMEMBERED:
            self._seen.add(path_digest(path))
            if len(self._named) < _NAMED and len(_TEMPLATES) < len(path) <= _LONGEST:
                self._named.append(os.fsdecode(path.removeprefix(_TEMPLATES)))
        return path not in self._replaced and path != _METADATA

    def _add_metadata(self, control: Control) -> None:
        member = control.member
        if self._root_began and self._texts:
            # A daemon stops reading once it has seen both.
            message = "a further 'metadata.yaml' behind the beginning of the root was left out"
            self.notes.append(diagnose("metadata-after-root", message, source=self._source))
            return
        if member.type is not EntryType.FILE:
            message = f"'metadata.yaml' is a {member.type.title}"
            raise InvalidImageError(diagnose("metadata-not-regular", message, source=self._source))
        self._found = entry = attrs.evolve(member.entry, path=_METADATA.decode(), data=None)
        # Without the magic the daemons take a tar that is not compressed for nothing that they know.
        plain = (
            isinstance(member, TarMember)
            and member.flag in b"0\0"
            and member.sparse is None
            and member.header[257:262] == b"ustar"
        )
        head = control_item(control, keep=self._keep)[0] if plain else entry
        text, _ = peek(member.chunks(), METADATA_SIZE + 1)
        self._files.read(text)
        self._texts += 1
        self._item = (head, (text,))

    # ---- deciding -----------------------------------------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether the metadata is known, and every template that it names: nothing needed is still to come."""
        if not self._texts:
            return False
        names = {os.fsencode(rule.template) for rule in self.metadata.templates.values() if not rule.null}
        return all(self._saw(_TEMPLATES + name) or _TEMPLATES + name in self._replaced for name in names)

    def has_templates(self, names: Iterable[str]) -> bool:
        """Tell whether all these template files were there."""
        return all(self._saw(_TEMPLATES + os.fsencode(name)) for name in names)

    def _saw(self, path: bytes) -> bool:
        return path_digest(path) in self._seen

    @property
    def metadata(self) -> Metadata:
        """
        The metadata that is written.

        Raises:
            InvalidMetadataError: There is none, or the target cannot use it.
        """
        if self._metadata is None:
            self._metadata = self._settle()
        return self._metadata

    def _settle(self) -> Metadata:
        """Decide about metadata.yaml: as it was, or written anew where it was changed or there were several."""
        old = self._read()
        self._rules = old.templates
        new = self._revision.metadata(old)
        if self._texts > 1:
            text = f"{self._texts} members are 'metadata.yaml'; one with what they say together takes their place"
            self.notes.append(diagnose("metadata-merged", text, source=self._source))
        if new != old or self._texts != 1 or self._revision.dump:
            self._item = self._dumped(new)
        if new != old or not self._texts:
            check_usable(new, self._revision.target)
        return new

    def check_templates(self) -> None:
        """
        Check that the revision leaves no rule without its file; what lacked one before is not its business.

        Raises:
            BuildError: A new rule, or one whose file is to go, has none.
        """
        missing = [
            diagnose(
                "template-missing",
                f"the rule for {target!r} names the template {rule.template!r}, which will not be there",
                source=self._source,
            )
            for target, rule in self.metadata.templates.items()
            if not rule.null and self._is_broken(target, rule)
        ]
        if missing:
            raise BuildError(*(attrs.evolve(found, severity=Severity.ERROR) for found in missing))

    def absent_templates(self) -> Iterator[Diagnostic]:
        """Yield a finding for each template that was to be removed and was not there."""
        if len(self._seen) >= _REMEMBERED:  # what came after so many is not known
            return
        for name, text in self._revision.templates.items():
            if text is None and not self.has_templates([name]):
                yield absent("template", name, self._named)

    def _is_broken(self, target: str, rule: TemplateRule) -> bool:
        given, name = self._revision.templates, rule.template
        if name in given:
            return given[name] is None
        return rule != self._rules.get(target) and not self.has_templates([name])

    def _read(self) -> Metadata:
        if not self._texts:
            if self._revision.fallback is not None:
                return self._revision.fallback()
            text = "no member is called 'metadata.yaml'"
            raise InvalidMetadataError(diagnose("metadata-missing", text, source=self._source))
        return accepted_metadata(self._files.check())

    def _dumped(self, metadata: Metadata) -> Item:
        text = (self._revision.dump or dump_text)(metadata)
        created = max(0, metadata.creation_timestamp) * NANO
        mtime = self._found.mtime_ns if self._found else created
        entry = Entry(path=_METADATA.decode(), type=EntryType.FILE, size=len(text), mtime_ns=mtime)
        return entry, (text,)

    # ---- writing ------------------------------------------------------------------------------------------------

    def items(self) -> Iterator[Item]:
        """Yield everything for `write_archive`, the metadata first."""
        metadata = self.metadata
        assert self._item is not None
        yield self._item
        self._spool.seek(0)
        yield b"", iter(lambda: self._spool.read(READ_SIZE), b"")
        yield from self._new_templates(max(0, metadata.creation_timestamp) * NANO)

    def _new_templates(self, mtime: int) -> Iterator[Item]:
        added = {name: text for name, text in self._revision.templates.items() if text is not None}
        if added and not self._saw(_TEMPLATES[:-1]):
            yield Entry(path="templates/", type=EntryType.DIRECTORY, mode=0o755, mtime_ns=mtime), ()
        for name in sorted(added):
            text = added[name]
            path = f"{_TEMPLATES.decode()}{name}"
            yield Entry(path=path, type=EntryType.FILE, size=len(text), mtime_ns=mtime), (text,)

    def chunks(self) -> Chunks:
        """Yield the beginning of a tar that the root may follow."""
        return write_archive(self.items(), end=False)
