"""
What lies beside the root file system: metadata.yaml, backup.yaml, templates/, and what else an image brings.

The daemons read and write these after unpacking, as root on the host, so a link in the place of one of them is
an attack on daemons that do not look (image format, section 12.2).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator

import attrs

from lxdimage.archive import EntryType, Member
from lxdimage.diagnostics import Diagnostic, Stage, escape
from lxdimage.formats import ImageType, Layout, control_path
from lxdimage.metadata import CheckedMetadata, TemplateRule, Trigger
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["ControlCheck", "Judged"]

_TRIGGERS = frozenset(trigger.value for trigger in Trigger)
_TEMPLATES = b"templates/"
_REMEMBERED = 10_000


@attrs.frozen(kw_only=True)
class Judged:
    """
    What a daemon made of an image at import, for the checks at its end.

    Attributes:
        target: The daemon.
        layout: One file or two.
        type: Container or virtual machine, None where there is no root.
        checked: What metadata.yaml says, None where there is none.
    """

    target: Target
    layout: Layout
    type: ImageType | None
    checked: CheckedMetadata | None


class ControlCheck:
    """
    The members of the archive with metadata.yaml, but for those below rootfs/.

    Attributes:
        root_count: Members of the root file system but for its own entry; None where they were not read.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._kinds: dict[bytes, EntryType] = {}
        self._metadata_members = 0
        self._late_metadata = False
        self.root_count: int | None = 0

    def see(self, member: Member, *, decided: bool) -> None:
        """
        Take a member that is not below rootfs/.

        Args:
            member: The member.
            decided: Whether the daemons have stopped reading before it.
        """
        path = control_path(member.name)
        if len(self._kinds) < _REMEMBERED:
            self._kinds[path] = member.type
        if path == b"metadata.yaml":
            self._metadata_members += 1
            self._late_metadata = self._late_metadata or decided

    def finish(self, judged: Judged) -> Iterator[Diagnostic]:
        """Yield what one daemon makes of it."""
        yield from self._links(judged)
        yield from self._root(judged)
        if self._late_metadata:
            yield self._report(
                "metadata-after-root",
                "a further 'metadata.yaml' comes after the first member of the root file system",
            )
        elif self._metadata_members > 1:
            yield self._report("metadata-merged", f"{self._metadata_members} members are 'metadata.yaml'")
        if judged.checked and judged.checked.metadata:
            for path, rule in judged.checked.metadata.templates.items():
                yield from self._rule(path, rule, judged, judged.checked)
            yield from self._unused(judged.checked)

    def _report(self, code: str, message: str, stage: Stage | None = None) -> Diagnostic:
        return diagnose(code, message, stage=stage, source=self._source)

    # ---- what daemons open as root ---------------------------------------------------------------------------

    def _links(self, judged: Judged) -> Iterator[Diagnostic]:
        for name in ("metadata.yaml", "backup.yaml", "exec-output", "templates"):
            kind = self._kinds.get(name.encode())
            expected = EntryType.DIRECTORY if name in {"exec-output", "templates"} else EntryType.FILE
            if kind in {None, expected, EntryType.HARD_LINK} or (
                kind is EntryType.FILE and name != "templates"
            ):
                continue
            refused = judged.target.traits.regular_control_files and name.endswith(".yaml")
            yield self._report(
                "control-file-link",
                f"{name!r} is a {_described(kind)}, expected a {_described(expected)}",
                Stage.CREATE if refused else None,
            )

        if self._kinds.get(b"backup.yaml") is EntryType.DIRECTORY:
            text = "'backup.yaml' is a directory, so the daemon cannot write its own"
            yield self._report("control-file-directory", text, Stage.CREATE)

    def _root(self, judged: Judged) -> Iterator[Diagnostic]:
        kind = self._kinds.get(b"rootfs")
        traits = judged.target.traits
        if judged.layout is Layout.SPLIT and kind not in {None, EntryType.DIRECTORY, EntryType.SYMLINK}:
            text = (
                f"'rootfs' in the metadata archive is a {_described(kind)}, so no directory can be made there"
            )
            yield self._report("root-not-directory", text, Stage.CREATE)
        elif kind not in {None, EntryType.DIRECTORY}:
            yield self._report(
                "root-not-directory",
                f"'rootfs' is a {_described(kind)}, expected a directory",
                Stage.CREATE if traits.needs_root_directory else None,
            )
        if judged.type is ImageType.CONTAINER and self.root_count == 0:
            stage = Stage.CREATE if traits.needs_root_content else None
            yield self._report("root-empty", "the root file system has no files", stage)

    # ---- templates -------------------------------------------------------------------------------------------

    def _rule(
        self, path: str, rule: TemplateRule, judged: Judged, checked: CheckedMetadata
    ) -> Iterator[Diagnostic]:
        """Yield what is wrong with the file that a rule names; what is wrong with the name is not said twice."""
        if rule.null or not rule.template or ".." in rule.template.split("/"):
            return
        nested = "/" in rule.template
        if nested and not judged.target.traits.template_directories:
            return
        kind = self._kinds.get(_TEMPLATES + control_path(os.fsencode(rule.template)))
        if kind is EntryType.FILE or kind is EntryType.HARD_LINK:
            return
        if kind is None:
            code, text = "template-missing", f"no member is called {'templates/' + rule.template!r}"
        else:
            code, text = "template-not-regular", f"{'templates/' + rule.template!r} is a {_described(kind)}"
        span = checked.spans.get(("templates", path, "template"))
        yield diagnose(
            code,
            text,
            stage=Stage.START if _TRIGGERS.intersection(rule.when) else None,
            source=f"{self._source}:metadata.yaml",
            span=span,
            hint=self._near(rule.template),
            excerpt=checked.excerpt(span) if span else None,
        )

    def _near(self, template: str) -> str | None:
        names = [os.fsdecode(path[len(_TEMPLATES) :]) for path in self._kinds if path.startswith(_TEMPLATES)]
        near = difflib.get_close_matches(template[:200], names[:1000], 1)
        return f"did you mean {escape(near[0])!r}?" if near else None

    def _unused(self, checked: CheckedMetadata) -> Iterator[Diagnostic]:
        assert checked.metadata is not None
        used = {os.fsencode(rule.template) for rule in checked.metadata.templates.values()}
        for path, kind in self._kinds.items():
            name = path[len(_TEMPLATES) :]
            if path.startswith(_TEMPLATES) and kind is EntryType.FILE and name not in used:
                yield self._report("template-unused", f"no rule uses {os.fsdecode(path)!r}")


def _described(kind: EntryType | None) -> str:
    assert kind is not None
    return "regular file" if kind is EntryType.FILE else kind.name.lower().replace("_", " ")
