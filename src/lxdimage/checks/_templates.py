"""Whether the template rules of an image can work: their files, their targets in the root, their syntax."""

from __future__ import annotations

import difflib
import os
import posixpath
from collections.abc import Iterator, Mapping

import attrs

from lxdimage.archive import Entry, EntryType
from lxdimage.checks._control import Judged, described
from lxdimage.diagnostics import Diagnostic, Stage, escape
from lxdimage.formats import Layout
from lxdimage.metadata import CheckedMetadata, Metadata, TemplateRule, Trigger
from lxdimage.rules import diagnose

__all__ = ["TemplatesCheck"]

_TRIGGERS = frozenset(trigger.value for trigger in Trigger)
_TEMPLATES = b"templates/"


@attrs.frozen
class _Rules:
    """What an image has of rules and templates."""

    metadata: Metadata
    templates: Mapping[str, bytes]


class TemplatesCheck:
    """
    The rules of metadata.yaml against what the archive holds.

    Attributes:
        files: Content of the template files, by name below templates/.
        wanted: Names of root members to show to `see_target`: the targets of rules and their parents, as an archive
            may spell them.
    """

    def __init__(self, source: str) -> None:
        self.files: dict[str, bytes] = {}
        self.wanted: dict[bytes, str] = {}
        self._source = source
        self._entries: dict[str, Entry] = {}

    def expect(self, metadata: Metadata, layout: Layout) -> None:
        """Learn from metadata which members of the root matter."""
        prefix = "rootfs/" if layout is Layout.UNIFIED else ""
        for target in metadata.templates:
            parts = posixpath.normpath(target.lstrip("/") or ".").split("/")
            for end in range(1, len(parts) + 1):
                path = "/".join(parts[:end])
                name = os.fsencode(prefix + path) if path.isprintable() else b""
                for spelled in (name, name + b"/", b"./" + name, b"./" + name + b"/"):
                    self.wanted[spelled] = path

    def see_target(self, name: bytes, entry: Entry) -> None:
        """Take a member whose name is wanted."""
        self._entries[self.wanted[name]] = entry

    def finish(self, judged: Judged, kinds: Mapping[bytes, EntryType]) -> Iterator[Diagnostic]:
        """Yield what one daemon makes of the rules, *kinds* being the members beside the root."""
        checked = judged.checked
        if checked is None or checked.metadata is None:
            return
        yield from self._unused(checked.metadata, kinds)
        if not checked.metadata.templates:
            return
        # The language is a third of the package, and few images have rules.
        from lxdimage.templates._lifecycle import check_rules

        for path, rule in checked.metadata.templates.items():
            yield from self._file(path, rule, judged, kinds)
        known = {d.span.start.line for d in checked.diagnostics if d.stage is Stage.START and d.span}
        kind = judged.type.value if judged.type else "container"
        rules = _Rules(checked.metadata, self.files)
        for path, finding in check_rules(rules, kind=kind, exists=self._entries.get, target=judged.target):
            placed = _placed(finding, ("templates", path), checked, self._source)
            # What metadata.yaml alone tells about a rule is not said again.
            if not (placed.span and known & set(range(placed.span.start.line, placed.span.start.line + 8))):
                yield placed

    def _file(
        self, path: str, rule: TemplateRule, judged: Judged, kinds: Mapping[bytes, EntryType]
    ) -> Iterator[Diagnostic]:
        """Yield what is wrong with the file that a rule names; what is wrong with the name is not said twice."""
        if rule.null or not rule.template or ".." in rule.template.split("/"):
            return
        if "/" in rule.template and not judged.target.traits.template_directories:
            return
        kind = kinds.get(_TEMPLATES + os.fsencode(posixpath.normpath(rule.template)))
        if kind in {EntryType.FILE, EntryType.HARD_LINK}:
            return
        name = "templates/" + rule.template
        if kind is None:
            code, text = "template-missing", f"no member is called {name!r}"
        else:
            code, text = "template-not-regular", f"{name!r} is a {described(kind)}"
        assert judged.checked is not None
        stage = Stage.START if _TRIGGERS.intersection(rule.when) else None
        finding = diagnose(code, text, stage=stage, hint=_near(rule.template, kinds))
        yield _placed(finding, ("templates", path, "template"), judged.checked, self._source)

    def _unused(self, metadata: Metadata, kinds: Mapping[bytes, EntryType]) -> Iterator[Diagnostic]:
        used = {os.fsencode(rule.template) for rule in metadata.templates.values()}
        for path, kind in kinds.items():
            if path.startswith(_TEMPLATES) and kind is EntryType.FILE and path[len(_TEMPLATES) :] not in used:
                yield diagnose("template-unused", f"no rule uses {os.fsdecode(path)!r}", source=self._source)


def _near(template: str, kinds: Mapping[bytes, EntryType]) -> str | None:
    names = [os.fsdecode(path[len(_TEMPLATES) :]) for path in kinds if path.startswith(_TEMPLATES)]
    near = difflib.get_close_matches(template[:200], names[:1000], 1)
    return f"did you mean {escape(near[0])!r}?" if near else None


def _placed(finding: Diagnostic, key: tuple[str, ...], checked: CheckedMetadata, source: str) -> Diagnostic:
    """Return *finding* with its place in metadata.yaml."""
    span = checked.spans.get(key)
    excerpt = checked.excerpt(span) if span else None
    return attrs.evolve(finding, source=f"{source}:metadata.yaml", span=span, excerpt=excerpt)
