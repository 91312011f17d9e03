"""What two inventories differ in."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import attrs

from lxdimage.archive import EntryType
from lxdimage.diff._inventory import DISK, METADATA, ROOT, TEMPLATES, Inventory
from lxdimage.diff._model import (
    FieldChange,
    FieldValue,
    ImageDiff,
    MemberChange,
    MemberField,
    MemberState,
    TemplateChange,
)
from lxdimage.formats import Layout
from lxdimage.metadata import Metadata, TemplateRule

__all__ = ["compare"]


def compare(before: Inventory, after: Inventory, ignored: Collection[MemberField]) -> ImageDiff:
    """
    Return what two images differ in.

    Args:
        before: The first image.
        after: The second one.
        ignored: What is no difference between two members.
    """
    comparison = _Comparison(before, after, ignored)
    return ImageDiff(
        before=before.image,
        after=after.image,
        metadata=tuple(_metadata(before.metadata, after.metadata)),
        templates=tuple(comparison.templates()),
        disk=tuple(_facts(before.disk, after.disk)),
        members=tuple(comparison.members()),
        diagnostics=before.diagnostics + after.diagnostics,
    )


# ---- metadata.yaml -------------------------------------------------------------------------------------------------


def _metadata(before: Metadata | None, after: Metadata | None) -> Iterator[FieldChange]:
    yield from _changed(_values(before), _values(after))
    old, new = ({} if one is None else one.templates for one in (before, after))
    for target in sorted(old.keys() | new.keys()):
        yield from _rule(("templates", target), old.get(target), new.get(target))


def _rule(
    path: tuple[str, ...], before: TemplateRule | None, after: TemplateRule | None
) -> Iterator[FieldChange]:
    """Yield what two rules differ in; a rule that is not there, or null, differs as a whole."""
    if before is None or after is None or before.null or after.null:
        if before != after:
            yield FieldChange(path=path, before=before, after=after)
        return
    yield from _changed(_rule_values(path, before), _rule_values(path, after))


_Values = Mapping[tuple[str, ...], FieldValue]


def _changed(before: _Values, after: _Values) -> Iterator[FieldChange]:
    """Yield what differs, in the order of the values."""
    for path in dict.fromkeys((*before, *after)):
        old, new = before.get(path), after.get(path)
        if old != new:
            yield FieldChange(path=path, before=old, after=new)


def _values(metadata: Metadata | None) -> _Values:
    if metadata is None:
        return {}
    return {
        ("architecture",): str(metadata.architecture),
        ("creation_date",): metadata.creation_timestamp,
        ("expiry_date",): metadata.expiry_timestamp,
        **{("properties", key): metadata.properties[key] for key in sorted(metadata.properties)},
    }


def _rule_values(path: tuple[str, ...], rule: TemplateRule) -> _Values:
    return {
        (*path, "template"): rule.template,
        (*path, "when"): tuple(sorted(set(rule.when))),
        (*path, "create_only"): rule.create_only,
        **{(*path, "properties", key): rule.properties[key] for key in sorted(rule.properties)},
        (*path, "uid"): rule.uid,
        (*path, "gid"): rule.gid,
        (*path, "mode"): rule.mode,
    }


def _facts(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[FieldChange]:
    if before and after:
        yield from _changed(_named(before), _named(after))


def _named(facts: Mapping[str, str]) -> _Values:
    return {(name,): value for name, value in facts.items()}


# ---- members -------------------------------------------------------------------------------------------------------

_VALUES: Mapping[MemberField, Callable[[MemberState], object]] = {
    MemberField.MODE: lambda state: state.mode,
    MemberField.OWNER: lambda state: (state.uid, state.gid),
    MemberField.SIZE: lambda state: state.size,
    MemberField.CONTENT: lambda state: state.digest,
    MemberField.TARGET: lambda state: state.target,
    MemberField.DEVICE: lambda state: state.device,
    MemberField.LINK: lambda state: state.link,
    MemberField.XATTRS: lambda state: state.xattrs,
    MemberField.MTIME: lambda state: state.mtime,
}
# What says nothing about a member: Linux has no modes of symbolic links, and what is no file at all has a name only.
_MEANINGLESS = {
    EntryType.SYMLINK: frozenset({MemberField.MODE}),
    EntryType.HARD_LINK: frozenset(MemberField) - {MemberField.TARGET},
}
_OF_DISKS = frozenset({MemberField.SIZE, MemberField.CONTENT})
# A directory that an archive leaves out is made like this; nobody knows when.
_IMPLIED = MemberState(type=EntryType.DIRECTORY, mode=0o755)


class _Comparison:
    """The members of two images, by path."""

    def __init__(self, before: Inventory, after: Inventory, ignored: Collection[MemberField]) -> None:
        self._before = before
        self._after = after
        self._paths = sorted(before.members.keys() | after.members.keys())
        self._fields = [(field, value) for field, value in _VALUES.items() if field not in ignored]
        self._links = _Links(before, after), _Links(after, before)
        self._implied = _Implied(before), _Implied(after)

    def templates(self) -> Iterator[TemplateChange]:
        """Yield the templates that differ."""
        contents = self._before.templates, self._after.templates
        for path in self._paths:
            if not path.startswith(TEMPLATES):
                continue
            old, new = self._before.members.get(path), self._after.members.get(path)
            if not _are_files(old, new) or (old and old.digest) == (new and new.digest):
                continue
            yield TemplateChange(
                name=os.fsdecode(path[len(TEMPLATES) :]),
                before=old,
                after=new,
                before_content=contents[0].get(old.digest) if old and old.digest else None,
                after_content=contents[1].get(new.digest) if new and new.digest else None,
            )

    def members(self) -> Iterator[MemberChange]:
        """Yield all other members that differ."""
        for path in self._paths:
            old, new = self._before.members.get(path), self._after.members.get(path)
            if old == new is not None and not self._linked(path):
                continue
            if not self._is_elsewhere(path, old, new):
                yield from self._member(path, old, new)

    def _is_elsewhere(self, path: bytes, *states: MemberState | None) -> bool:
        """Tell whether a member is compared as metadata or a template, or is a directory for those alone."""
        kinds = {state.type for state in states if state}
        if kinds == {EntryType.DIRECTORY} and (self._before.metadata or self._after.metadata):
            return not path or (path + b"/").startswith(TEMPLATES)
        if kinds != {EntryType.FILE}:
            return False
        if path == METADATA:
            return not (self._before.repeated or self._after.repeated)
        return path.startswith(TEMPLATES)

    def _linked(self, path: bytes) -> bool:
        return any(path in links for links in self._links)

    def _member(
        self, path: bytes, old: MemberState | None, new: MemberState | None
    ) -> Iterator[MemberChange]:
        without = frozenset[MemberField]()
        if old is None or new is None:
            implied = self._implied[old is not None]
            found = old or new
            if found and found.type is EntryType.DIRECTORY and path in implied:
                old, new, without = old or _IMPLIED, new or _IMPLIED, frozenset({MemberField.MTIME})
        shown = os.fsdecode(path)
        old, new = (
            state and self._with_link(state, path, links)
            for state, links in zip((old, new), self._links, strict=True)
        )
        if old is None or new is None:
            yield MemberChange(path=shown, before=old, after=new)
            return
        fields = self._differing(path, old, new, without)
        if fields:
            yield MemberChange(path=shown, before=old, after=new, fields=fields)

    def _with_link(self, state: MemberState, path: bytes, links: _Links) -> MemberState:
        link = links.get(path)
        return state if link is None else attrs.evolve(state, link=os.fsdecode(link))

    def _differing(
        self, path: bytes, old: MemberState, new: MemberState, without: Collection[MemberField]
    ) -> tuple[MemberField, ...]:
        if old.type is not new.type:
            return (MemberField.TYPE,)
        differing = [field for field, value in self._fields if value(old) != value(new)]
        if not differing:
            return ()
        without = {*without, *_MEANINGLESS.get(old.type, ())}
        return tuple(
            field for field in differing if field not in without and (path != DISK or field in _OF_DISKS)
        )


def _are_files(*states: MemberState | None) -> bool:
    return all(state is None or state.type is EntryType.FILE for state in states)


class _Links:
    """For the names of files with several names, the first of them; names that both images have go first."""

    def __init__(self, inventory: Inventory, other: Inventory) -> None:
        self._first: dict[bytes, bytes] = {}
        wanted = {id(inventory.members[path]) for path in inventory.linked}
        if not wanted:
            return
        groups: dict[int, list[bytes]] = {}
        for path, state in inventory.members.items():
            if id(state) in wanted and state.type is not EntryType.HARD_LINK:
                groups.setdefault(id(state), []).append(path)
        for names in groups.values():
            common = [name for name in names if name in other.members]
            first = min(common or names)
            for name in names:
                self._first[name] = first if name in other.members else min(names)

    def get(self, path: bytes) -> bytes | None:
        """Return the first name of the file that has the name *path*, None where that is *path* itself."""
        first = self._first.get(path)
        return None if first == path else first

    def __contains__(self, path: bytes) -> bool:
        return path in self._first


class _Implied:
    """Directories that an archive does not mention but needs."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._sorted: Sequence[bytes] | None = None

    def __contains__(self, path: bytes) -> bool:
        if not path or (path == ROOT and self._inventory.image.layout is Layout.SPLIT):
            return True
        if self._sorted is None:
            self._sorted = sorted(self._inventory.members)
        start = path + b"/"
        at = bisect_left(self._sorted, start)
        return self._sorted[at : at + 1] != [] and self._sorted[at].startswith(start)
