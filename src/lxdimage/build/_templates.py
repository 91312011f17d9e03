"""The template files of a new image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import attrs

from lxdimage._arguments import check_bytes
from lxdimage._tree import TreeOptions, read_tree
from lxdimage.archive import NANO, Entry, EntryType, Item
from lxdimage.build._settle import dump_text
from lxdimage.diagnostics import Diagnostic, Severity
from lxdimage.errors import BuildError, LimitExceededError
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata
from lxdimage.rules import diagnose

__all__ = ["TemplatesArgument", "check_template_name", "check_templates", "control_items", "read_templates"]

TemplatesArgument: TypeAlias = str | os.PathLike[str] | Mapping[str, bytes] | None
"""A directory with template files, or their content by name."""


def read_templates(given: TemplatesArgument, limits: Limits) -> dict[str, bytes]:
    """
    Return template files by name.

    Raises:
        BuildError: When something in the directory is no regular file, or cannot be read, or a name is none of a file.
        LimitExceededError: When they have more bytes than anybody would render.
        OSError: When the directory cannot be read.
    """
    if given is None:
        return {}
    templates = dict(given) if isinstance(given, Mapping) else dict(_files(given, limits.template_size))
    for name, content in templates.items():
        check_template_name(name)
        check_bytes(content, f"templates[{name!r}]")
        if len(content) > limits.template_size:
            text = f"'templates/{name}' has more than {limits.template_size} bytes, which the limits allow"
            raise LimitExceededError(diagnose("template-too-large", text))
    return templates


_NO_NAMES = frozenset({"", ".", ".."})


def check_template_name(name: str) -> None:
    """
    Check that a file below templates/ can have this name.

    Raises:
        BuildError: It cannot.
    """
    if "\0" in name or not _NO_NAMES.isdisjoint(name.split("/")):
        raise BuildError(diagnose("template-name", f"{name!r} is no name of a file in templates/"))


def _files(directory: str | os.PathLike[str], largest: int) -> Iterator[tuple[str, bytes]]:
    for entry, content in read_tree(directory, TreeOptions(note=_refuse)):
        if entry.type is EntryType.FILE:
            yield entry.path, b"".join(content) if entry.size <= largest else bytes(largest + 1)
        elif entry.type is not EntryType.DIRECTORY:
            kind = entry.type.title
            text = f"{entry.path!r} is a {kind}; a daemon takes regular files only"
            raise BuildError(diagnose("template-not-regular", text, source=os.fsdecode(directory)))


def _refuse(finding: Diagnostic) -> None:
    raise BuildError(finding)


def check_templates(
    metadata: Metadata, templates: Mapping[str, bytes], note: Callable[[Diagnostic], None]
) -> None:
    """
    Check that every rule has its file; files without a rule are worth a note.

    Raises:
        BuildError: When a rule has none.
    """
    rules = {target: rule for target, rule in metadata.templates.items() if not rule.null}
    missing = [
        diagnose(
            "template-missing",
            f"the rule for {target!r} names the template {rule.template!r}, which is not there",
            source="metadata.yaml",
        )
        for target, rule in rules.items()
        if rule.template not in templates
    ]
    if missing:
        raise BuildError(*(attrs.evolve(found, severity=Severity.ERROR) for found in missing))
    for name in sorted(set(templates) - {rule.template for rule in rules.values()}):
        note(diagnose("template-unused", f"no rule names 'templates/{name}'"))


def control_items(metadata: Metadata, templates: Mapping[str, bytes], made: int) -> Iterator[Item]:
    """Yield what stands in front of the root: metadata.yaml, then the templates, all of one time."""
    made_ns = made * NANO
    text = dump_text(metadata)
    yield Entry(path="metadata.yaml", type=EntryType.FILE, size=len(text), mtime_ns=made_ns), (text,)
    directories = {""} if templates else set()
    for name in templates:
        parents = name.split("/")[:-1]
        directories.update("/".join(parents[: depth + 1]) + "/" for depth in range(len(parents)))
    for name in sorted({*templates, *directories}, key=os.fsencode):
        path, content = f"templates/{name}", templates.get(name, b"")
        if name in directories:
            yield Entry(path=path, type=EntryType.DIRECTORY, mode=0o755, mtime_ns=made_ns), ()
        else:
            yield Entry(path=path, type=EntryType.FILE, size=len(content), mtime_ns=made_ns), (content,)
