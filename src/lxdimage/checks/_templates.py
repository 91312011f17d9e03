"""Whether the template rules of an image can work: their files, their targets in the root, their text."""

from __future__ import annotations

import difflib
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

import attrs

from lxdimage._chunks import peek
from lxdimage._findings import Findings, shown
from lxdimage.archive import Entry, EntryType, Member
from lxdimage.checks._control import Judged, described
from lxdimage.diagnostics import Diagnostic, Span, Stage, escape
from lxdimage.formats import Layout, control_path
from lxdimage.limits import Limits
from lxdimage.metadata import FIRST_START, CheckedMetadata, Metadata, TemplateRule
from lxdimage.rules import RULES, diagnose
from lxdimage.targets import Target

__all__ = ["TemplatesCheck"]

_TEMPLATES = b"templates/"
# What metadata.yaml alone cannot decide.
_DOUBTFUL = frozenset({"bad-mode", "bad-owner", "template-target"})
_PLACES: tuple[tuple[str, ...], ...] = ((), ("template",), ("mode",), ("uid",), ("gid",))

# Bounds on what looking at the rules of a hostile image may cost; an honest one comes nowhere near.
_WANTED = 8 << 20  # bytes of names of root members to look out for
_READ = 128 << 10  # bytes of templates that are looked at
_LARGEST = 32 << 10  # bytes of one of them
_STEPS = 20_000  # of one rendering
_TRIED = 50  # rules
_FINDINGS = 50  # in one template
_HINTS = 20
_NAMED = 1_000  # templates that are larger than the limits allow
_LONGEST = 4096  # characters of the name of one


class _Rules(NamedTuple):
    """What an image has of rules and templates."""

    metadata: Metadata
    templates: Mapping[str, bytes]


class TemplatesCheck:
    """
    The rules of metadata.yaml against what the archive holds.

    Attributes:
        files: Content of the template files, by name below templates/.
        larger: Names of those that are larger than the limits allow.
        wanted: Names of root members to show to `see_target`: the targets of rules and their parents, as an archive
            may spell them.
        metadata: Content of metadata.yaml, which a template may be a hard link to.
    """

    def __init__(self, source: str, limits: Limits) -> None:
        self.files: dict[str, bytes] = {}
        self.larger: list[str] = []
        self.wanted: dict[bytes, str] = {}
        self.metadata = b""
        self._source = source
        self._limits = limits
        self._size = 0  # bytes of templates and their names
        self._room = _WANTED
        self._awaited: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._mistakes: dict[tuple[str, int], tuple[Diagnostic, ...]] = {}

    def expect(self, metadata: Metadata, layout: Layout) -> None:
        """Learn from metadata which members of the root matter."""
        prefix = "rootfs/" if layout is Layout.UNIFIED else ""
        for target in metadata.templates:
            path = posixpath.normpath(target.lstrip("/") or ".")
            while path and path not in self._awaited and self._room > 0:
                name = os.fsencode(prefix + path)
                self._room -= 4 * len(name)
                self._awaited.add(path)
                for spelled in (name, name + b"/", b"./" + name, b"./" + name + b"/"):
                    self.wanted[spelled] = path
                path = posixpath.dirname(path)

    def see_target(self, name: bytes, entry: Entry) -> None:
        """Take a member whose name is wanted."""
        self._entries[self.wanted[name]] = entry

    def see(self, name: bytes, member: Member) -> Iterator[Diagnostic]:
        """Take a member below templates/, and yield what is wrong with its size."""
        path, limits = os.fsdecode(name.removeprefix(_TEMPLATES)), self._limits
        content: bytes | None = None
        if member.type is EntryType.FILE:
            content, _ = peek(member.chunks(), limits.template_size + 1)
        elif member.type is EntryType.HARD_LINK:
            content = self._repeated(member.entry)
        if content is None:
            return
        self._size += len(name) + (len(content) if member.type is EntryType.FILE else 0)
        if len(content) <= limits.template_size and self._size <= limits.templates_size:
            self.files[path] = content
            return
        if len(self.larger) < _NAMED and len(path) <= _LONGEST:
            self.larger.append(path)
        text = f"template {shown(name)} has more than {limits.template_size} bytes, or all have too many"
        yield diagnose("template-too-large", text, source=self._source)

    def _repeated(self, link: Entry) -> bytes | None:
        """Return the content of the file that a hard link repeats, None where that is no template."""
        repeated = control_path(os.fsencode(link.target))
        if repeated == b"metadata.yaml":
            return self.metadata
        return self.files.get(os.fsdecode(repeated.removeprefix(_TEMPLATES)))

    def finish(self, judged: Judged, kinds: Mapping[bytes, EntryType]) -> Iterator[Diagnostic]:
        """Yield what one daemon makes of the rules, *kinds* being the members beside the root."""
        checked = judged.checked
        if checked is None or checked.metadata is None:
            return
        found = Findings()
        found.add(*self._unused(checked.metadata, kinds))
        found.add(*self._unfit(judged, checked, checked.metadata, kinds))
        if checked.metadata.templates:
            found.add(*self._rules(judged, checked, checked.metadata))
        yield from found.all()

    def reviewed(self, judged: Judged, findings: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """
        Yield what metadata.yaml alone tells as the whole image shows it.

        A daemon reads mode and owner for a file that it creates only, lets ``create_only`` leave alone what is there,
        and has no use for targets in a virtual machine (image format, sections 6.4 and 6.9): such a finding does not
        keep an instance from starting.
        """
        harmless = self._harmless(judged)
        for finding in findings:
            if _is_doubtful(finding) and finding.span in harmless:
                message = f"{finding.message}, but not in this image"
                yield attrs.evolve(_unstaged(finding), message=message)
            else:
                yield finding

    def _harmless(self, judged: Judged) -> set[Span]:
        """Return the places of what seems to make rules fail, in those that work when they are tried."""
        checked = judged.checked
        doubtful = {found.span for found in checked.diagnostics if _is_doubtful(found)} if checked else ()
        if not doubtful or checked is None or checked.metadata is None:
            return set()
        rules = {
            path: rule
            for path, rule in checked.metadata.templates.items()
            if not _spans(checked, path).isdisjoint(doubtful)
        }
        rules = dict(islice(rules.items(), _TRIED))
        # What their templates do is another matter.
        empty = {posixpath.normpath(rule.template): b"" for rule in rules.values()}
        failing = {path for path, _ in self._failures(judged, checked.metadata, rules, empty)}
        return {span for path in rules.keys() - failing for span in _spans(checked, path)}

    # ---- files -----------------------------------------------------------------------------------------------

    def _unfit(
        self, judged: Judged, checked: CheckedMetadata, metadata: Metadata, kinds: Mapping[bytes, EntryType]
    ) -> Iterator[Diagnostic]:
        """Yield what is wrong with the files that rules name; what is wrong with a name is not said twice."""
        hints = _HINTS
        for path, rule in metadata.templates.items():
            if rule.null or not _is_name(rule.template, judged.target):
                continue
            kind = kinds.get(_TEMPLATES + os.fsencode(posixpath.normpath(rule.template)))
            if kind in {EntryType.FILE, EntryType.HARD_LINK} or (kind is None and judged.templates_unread):
                continue
            name = "templates/" + rule.template
            if kind is None:
                code, text = "template-missing", f"no member is called {name!r}"
            else:
                code, text = "template-not-regular", f"{name!r} is a {described(kind)}"
            stage = Stage.START if any(map(rule.fires_on, FIRST_START)) else None
            hint = _near(rule.template, kinds) if hints > 0 else None
            hints -= 1
            finding = diagnose(code, text, stage=stage, hint=hint)
            yield _placed(finding, ("templates", path, "template"), checked, self._source)

    def _unused(self, metadata: Metadata, kinds: Mapping[bytes, EntryType]) -> Iterator[Diagnostic]:
        used = {os.fsencode(posixpath.normpath(rule.template)) for rule in metadata.templates.values()}
        for path, kind in kinds.items():
            if path.startswith(_TEMPLATES) and kind is EntryType.FILE and path[len(_TEMPLATES) :] not in used:
                yield diagnose("template-unused", f"no rule uses {os.fsdecode(path)!r}", source=self._source)

    # ---- targets and texts -----------------------------------------------------------------------------------

    def _rules(self, judged: Judged, checked: CheckedMetadata, metadata: Metadata) -> Iterator[Diagnostic]:
        """Yield what is wrong with templates, and what keeps the files of rules from being written."""
        doomed = _doomed(checked, metadata, self._harmless(judged))
        rules = {path: rule for path, rule in metadata.templates.items() if path not in doomed and rule.fires}
        texts = self._texts(posixpath.normpath(rule.template) for rule in rules.values())
        failing: dict[str, Diagnostic] = {}
        tried, others = dict(islice(rules.items(), _TRIED)), dict(islice(rules.items(), _TRIED, None))
        for path, finding in chain(
            self._failures(judged, metadata, tried, texts), self._failures(judged, metadata, others, {})
        ):
            if finding.source.startswith("templates/"):
                failing.setdefault(posixpath.normpath(finding.source.removeprefix("templates/")), finding)
            else:
                yield _placed(finding, ("templates", path), checked, self._source)
        for name in texts:
            yield from self._text(name, texts[name], judged, failing.get(name))

    def _failures(
        self,
        judged: Judged,
        metadata: Metadata,
        rules: Mapping[str, TemplateRule],
        templates: Mapping[str, bytes],
    ) -> Iterator[tuple[str, Diagnostic]]:
        """Yield what goes wrong when some of the rules of *metadata* are tried with some of the templates."""
        # The language is a third of the package, and few images have rules.
        from lxdimage.templates import Instance, check_rules

        return check_rules(
            _Rules(metadata.evolve(templates=rules), templates),
            Instance.of(metadata, type=judged.type.value if judged.type else "container"),
            exists=self._root_of(judged),
            target=judged.target,
            limits=Limits(steps=_STEPS),
        )

    def _text(
        self, name: str, text: bytes, judged: Judged, failure: Diagnostic | None
    ) -> Iterator[Diagnostic]:
        """Yield the mistakes in a template; they are errors where it fails when an instance is first started."""
        dialect = judged.target.traits.dialect
        key = (name, dialect)
        if key not in self._mistakes:
            self._mistakes[key] = _mistakes(text, f"{self._source}:templates/{name}", dialect)
        found = self._mistakes[key]
        if failure is None:
            yield from map(_unstaged, found)
        else:
            yield from found
            if not any(finding.stage for finding in found):
                yield attrs.evolve(failure, source=f"{self._source}:{failure.source}")

    def _texts(self, names: Iterator[str]) -> dict[str, bytes]:
        """Return those of the named templates that are looked at."""
        texts: dict[str, bytes] = {}
        room = _READ
        for name in names:
            text = self.files.get(name)
            if text is not None and name not in texts and len(text) <= min(room, _LARGEST):
                texts[name] = text
                room -= len(text)
        return texts

    def _root_of(self, judged: Judged) -> _Root:
        known = () if judged.unread else self._awaited
        return _Root(self._entries, known, has_dev=judged.target.traits.unpacks_dev)


class _Root:
    """What an instance has at the targets of rules."""

    def __init__(self, entries: Mapping[str, Entry], awaited: Collection[str], *, has_dev: bool) -> None:
        self._entries = entries
        self._awaited = awaited
        self._has_dev = has_dev

    def __call__(self, path: str) -> Entry | bool | None:
        if not self._has_dev and path.startswith("dev/"):
            return None
        # What was not looked out for may be there, so nothing is said against it.
        return self._entries.get(path) or path not in self._awaited


def _mistakes(text: bytes, source: str, dialect: int) -> tuple[Diagnostic, ...]:
    from lxdimage.templates import Dialect, check_template

    found = check_template(text, name=source, dialect=Dialect.V6 if dialect == 6 else Dialect.V4)
    return found[:_FINDINGS]


def _unstaged(finding: Diagnostic) -> Diagnostic:
    return attrs.evolve(finding, stage=None, severity=RULES[finding.code].severity)


def _is_name(template: str, target: Target) -> bool:
    if not template or ".." in template.split("/"):
        return False
    return "/" not in template or target.traits.template_directories


def _is_doubtful(finding: Diagnostic) -> bool:
    """Tell whether *finding* says that a rule fails, of which metadata.yaml alone cannot be sure."""
    return finding.stage is Stage.START and finding.code in _DOUBTFUL


def _spans(checked: CheckedMetadata, path: str) -> set[Span]:
    """Return the places of a rule, and of what can be wrong in it."""
    found = (checked.spans.get(("templates", path, *place)) for place in _PLACES)
    return {span for span in found if span}


def _doomed(checked: CheckedMetadata, metadata: Metadata, harmless: Collection[Span]) -> set[str]:
    """Return the rules that cannot work as metadata.yaml alone tells, which was said."""
    said = {found.span for found in checked.diagnostics if found.stage is Stage.START} - {None, *harmless}
    return {
        path for path in (metadata.templates if said else ()) if not said.isdisjoint(_spans(checked, path))
    }


def _near(template: str, kinds: Mapping[bytes, EntryType]) -> str | None:
    names = [os.fsdecode(path[len(_TEMPLATES) :]) for path in kinds if path.startswith(_TEMPLATES)]
    near = difflib.get_close_matches(template[:200], names[:1000], 1)
    return f"did you mean {escape(near[0])!r}?" if near else None


def _placed(finding: Diagnostic, key: tuple[str, ...], checked: CheckedMetadata, source: str) -> Diagnostic:
    """Return *finding* with its place in metadata.yaml."""
    span = checked.spans.get(key)
    excerpt = checked.excerpt(span) if span else None
    return attrs.evolve(finding, source=f"{source}:metadata.yaml", span=span, excerpt=excerpt)
