"""The differences of two images as people read them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import attrs

from lxdimage.archive import EntryType
from lxdimage.cli._output import bold, coloured, date_text
from lxdimage.cli._rendered import text_lines
from lxdimage.diagnostics import escape
from lxdimage.diff import (
    ComparedImage,
    FieldChange,
    FieldValue,
    ImageDiff,
    MemberChange,
    MemberField,
    MemberState,
    TemplateChange,
)
from lxdimage.metadata import TemplateRule

__all__ = ["diff_text", "template_hunks"]

_COLOURS = {"+": "32", "-": "31", "~": "33", "@": "36"}
_WIDEST = 48
# Lines that difflib may compare, of one template and of all: it takes cubic time at worst.
_MOST_AT_ONCE = 1000
_MOST_LINES = 20_000
_CONTEXT = 3
_HUNK = re.compile(r"([-+])([0-9]+)")


def diff_text(diff: ImageDiff, *, colour: bool) -> Iterator[str]:
    """Yield the lines that tell what differs."""
    if diff.same:
        yield f"{_names(diff.before)} and {_names(diff.after)}: no differences"
        return
    yield bold(f"--- {_names(diff.before)}  ({_form(diff.before)})", colour=colour)
    yield bold(f"+++ {_names(diff.after)}  ({_form(diff.after)})", colour=colour)
    templates = map(_template_text, diff.templates, template_hunks(diff.templates))
    yield from _section(
        "metadata", diff.metadata, _field_name, map(_field_text, diff.metadata), colour=colour
    )
    yield from _section("templates", diff.templates, _template_name, templates, colour=colour)
    yield from _section("disk", diff.disk, _field_name, map(_field_text, diff.disk), colour=colour)
    yield from _section("members", diff.members, _member_name, map(_member_text, diff.members), colour=colour)
    yield _summary(diff)


def _names(image: ComparedImage) -> str:
    return " + ".join(escape(file.name) for file in image.files)


def _form(image: ComparedImage) -> str:
    formats = " + ".join(file.format.name if file.format else "unknown" for file in image.files)
    return ", ".join(filter(None, (image.type and image.type.value, image.layout.value, formats)))


def _summary(diff: ImageDiff) -> str:
    """Return how many differences there are, by what they are about."""
    groups: Mapping[str, Sequence[FieldChange | TemplateChange | MemberChange]] = {
        "metadata": diff.metadata,
        "templates": diff.templates,
        "disk": diff.disk,
        "members": diff.members,
    }
    return "; ".join(f"{name}: {_counts(changes)}" for name, changes in groups.items() if changes)


def _counts(changes: Iterable[FieldChange | TemplateChange | MemberChange]) -> str:
    marks = [_mark(change.before, change.after) for change in changes]
    words = {"+": "added", "-": "removed", "~": "changed"}
    return ", ".join(f"{marks.count(mark)} {word}" for mark, word in words.items() if mark in marks)


# ---- rows ----------------------------------------------------------------------------------------------------------

_Change = TypeVar("_Change", FieldChange, TemplateChange, MemberChange)
_Text = tuple[str, Sequence[str]]
"""What is to say of a change: on its own line, and below it."""


def _section(
    title: str,
    changes: Sequence[_Change],
    name_of: Callable[[_Change], str],
    texts: Iterable[_Text],
    *,
    colour: bool,
) -> Iterator[str]:
    """Yield the lines of *changes*, whose *texts* are made one by one: there may be millions."""
    if not changes:
        return
    yield title
    width = min(_WIDEST, max(map(len, map(name_of, changes))))
    for change, (text, below) in zip(changes, texts, strict=True):
        mark = _mark(change.before, change.after)
        line = f"  {mark} {name_of(change):{width}}  {text}".rstrip()
        yield coloured(line, _COLOURS[mark], colour=colour)
        for inner in below:
            code = _COLOURS.get(inner[:1])
            yield coloured(f"      {inner}", code or "", colour=colour and code is not None)
    yield ""


def _mark(before: object, after: object) -> str:
    return "+" if before is None else "-" if after is None else "~"


def _field_text(change: FieldChange) -> _Text:
    texts = [_value(change.path, value) for value in (change.before, change.after) if value is not None]
    return " -> ".join(texts), ()


def _field_name(change: FieldChange) -> str:
    match change.path:
        case ("templates", target, *rest):
            return f"template of {escape(target)}" + "".join(f": {escape(name)}" for name in rest)
        case ("properties", key):
            return f"property {escape(key)}"
        case _:
            return ": ".join(map(escape, change.path))


def _value(path: tuple[str, ...], value: FieldValue) -> str:
    match value:
        case int() if path in {("creation_date",), ("expiry_date",)}:
            return date_text(value) if value else "never"
        case bool():
            return str(value).lower()
        case TemplateRule(null=True):
            return "null"
        case TemplateRule():
            return f"{escape(value.template)}  ({', '.join(map(escape, value.when)) or 'never'})"
        case tuple():
            return ", ".join(map(escape, value)) or "never"
        case str() if path[0] == "properties" or "properties" in path[2:3]:
            return escape(repr(value))
        case _:
            return escape(str(value))


# ---- templates -----------------------------------------------------------------------------------------------------


def _template_name(change: TemplateChange) -> str:
    return escape(change.name)


def _template_text(change: TemplateChange, hunks: list[str] | None) -> _Text:
    sizes = [str(state.size) for state in (change.before, change.after) if state]
    text = " -> ".join(sizes) + " bytes" + ("" if hunks is not None else ", not shown as text")
    return text, hunks or ()


def template_hunks(changes: Iterable[TemplateChange]) -> Iterator[list[str] | None]:
    """
    Yield for each template the hunks of a unified diff of its lines, escaped.

    Yields:
        The lines; None where one of the two contents is no text or is too large, or where so many lines differ that
        comparing them would take too long.
    """
    room = _MOST_LINES
    for change in changes:
        old, new = (
            [] if state is None else _lines(content)
            for state, content in (
                (change.before, change.before_content),
                (change.after, change.after_content),
            )
        )
        if old is None or new is None:
            yield None
            continue
        lines = _Lines.between(old, new)
        room -= lines.count
        yield lines.hunks() if lines.count <= _MOST_AT_ONCE and room >= 0 else None


def _lines(content: bytes | None) -> list[str] | None:
    """Return the lines of a text, None where it is none."""
    if content is None or b"\0" in content:
        return None
    try:
        content.decode()
    except UnicodeDecodeError:
        return None
    return text_lines(content)


@attrs.frozen
class _Lines:
    """
    What is between the common beginning and end of two texts, with some lines around it.

    Attributes:
        old: Lines of the first text.
        new: Lines of the second one.
        start: Lines before these.
        count: Lines that are not common.
    """

    old: list[str]
    new: list[str]
    start: int
    count: int

    @classmethod
    def between(cls, old: list[str], new: list[str]) -> _Lines:
        """Return what differs at all."""
        first = _common(old, new)
        last = _common(old[first:][::-1], new[first:][::-1])
        start, end = max(0, first - _CONTEXT), max(0, last - _CONTEXT)
        return cls(
            old[start : len(old) - end],
            new[start : len(new) - end],
            start,
            len(old) + len(new) - 2 * (first + last),
        )

    def hunks(self) -> list[str]:
        """Return the hunks of a unified diff."""
        lines = list(difflib.unified_diff(self.old, self.new, lineterm="", n=_CONTEXT))[2:]
        return [_HUNK.sub(self._moved, line) if line.startswith("@@") else line for line in lines]

    def _moved(self, number: re.Match[str]) -> str:
        return f"{number[1]}{int(number[2]) + self.start}"


def _common(old: list[str], new: list[str]) -> int:
    """Return how many lines both begin with."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))


# ---- members -------------------------------------------------------------------------------------------------------


def _member_name(change: MemberChange) -> str:
    kinds = {state.type for state in (change.before, change.after) if state}
    return escape(change.path) + ("/" if kinds == {EntryType.DIRECTORY} else "")


def _member_text(change: MemberChange) -> _Text:
    before, after = change.before, change.after
    if before and after:
        return ", ".join(_differences(change.fields, before, after)), ()
    return ", ".join(_described(state) for state in (before, after) if state), ()


def _described(state: MemberState) -> str:
    """Return what a member is, in a few words."""
    kind = state.type.title
    numbers = " {}:{}".format(*state.device) if state.device else ""
    facts = [kind + numbers]
    if state.target:
        facts[0] += f" to {escape(state.target)}"
    if state.type not in {EntryType.SYMLINK, EntryType.HARD_LINK}:
        facts.append(f"mode {state.mode:04o}")
    if state.type is not EntryType.HARD_LINK:
        facts.append(f"owner {state.uid}:{state.gid}")
    if state.type is EntryType.FILE:
        facts.append(f"{state.size} bytes")
    if state.link is not None:
        facts.append(f"the same file as {escape(state.link)}")
    facts += [f"xattr {escape(name)}" for name in sorted(state.xattrs)]
    return ", ".join(facts)


def _differences(fields: Collection[MemberField], before: MemberState, after: MemberState) -> Iterator[str]:
    if MemberField.TYPE in fields:
        yield f"{_described(before)} -> {_described(after)}"
    for field in fields:
        if show := _SHOWN.get(field):
            yield f"{field.value} {show(before)} -> {show(after)}"
    if MemberField.SIZE in fields:
        what = "content" if MemberField.CONTENT in fields else "size"
        yield f"{what} {before.size} -> {after.size} bytes"
    elif MemberField.CONTENT in fields:
        yield f"content ({after.size} bytes in both)"
    if MemberField.LINK in fields:
        yield from (f"no longer the same file as {escape(state.link)}" for state in [before] if state.link)
        yield from (f"now the same file as {escape(state.link)}" for state in [after] if state.link)
    if MemberField.XATTRS in fields:
        yield from _xattr_differences(before.xattrs, after.xattrs)


_SHOWN: Mapping[MemberField, Callable[[MemberState], str]] = {
    MemberField.MODE: lambda state: f"{state.mode:04o}",
    MemberField.OWNER: lambda state: f"{state.uid}:{state.gid}",
    MemberField.TARGET: lambda state: escape(state.target),
    MemberField.DEVICE: lambda state: "{}:{}".format(*state.device) if state.device else "none",
    MemberField.MTIME: lambda state: date_text(state.mtime),
}


def _xattr_differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            change = "added" if name not in before else "removed" if name not in after else "changed"
            yield f"xattr {escape(name)} {change}"
