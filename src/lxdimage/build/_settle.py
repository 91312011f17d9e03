"""The metadata of a new image: what was given, what was asked for beside it, and what the root says about itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

import attrs

from lxdimage._chunks import peek
from lxdimage._sources import FileArgument, open_sources
from lxdimage.build._facts import RootFacts
from lxdimage.build._template_rules import RuleEdit, edited_rules
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError, InvalidMetadataError
from lxdimage.formats import METADATA_SIZE
from lxdimage.metadata import (
    CheckedMetadata,
    Metadata,
    accepted_metadata,
    check_documents,
    dump_metadata,
    refusals_at_import,
)
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["MetadataArgument", "Wishes", "check_usable", "dump_text", "settle_metadata"]

MetadataArgument: TypeAlias = Metadata | FileArgument | None
"""Metadata, or the file that holds it; without either it is derived from the root."""

# Template rules may have owners and modes there, and whatever LXD reads Incus 6.0 reads alike.
_TARGET = Target.INCUS_6_0


@attrs.frozen(kw_only=True)
class Wishes:
    """
    What was asked for beside the metadata.

    Attributes:
        architecture: In place of the one given or found.
        creation_date: In place of the one given.
        expiry_date: In place of the one given.
        properties: Added to the others, or in their place.
        rules: What happens to template rules, by target.
    """

    architecture: str | None = None
    creation_date: datetime | int | None = None
    expiry_date: datetime | int | None = None
    properties: Mapping[str, str] = attrs.field(factory=dict)
    rules: Mapping[str, RuleEdit] = attrs.field(factory=dict)

    def document(self) -> bytes:
        """Return a metadata.yaml of the values that were asked for and can be none of the image's own."""
        names = ("architecture", "creation_date", "expiry_date")
        wished = Metadata(
            architecture=self.architecture or "x86_64",
            creation_date=self.creation_date or 1,
            expiry_date=self.expiry_date or 0,
        )
        lines = (line.partition(":") for line in dump_metadata(wished).splitlines())
        given = {name for name in names if getattr(self, name) is not None}
        return "".join(f"{name}:{value}\n" for name, _, value in lines if name in given).encode()

    def applied(self, metadata: Metadata) -> Metadata:
        """Return *metadata* as asked for."""
        changes = {
            "architecture": self.architecture,
            "creation_date": self.creation_date,
            "expiry_date": self.expiry_date,
            "properties": {**metadata.properties, **self.properties} if self.properties else None,
            "templates": edited_rules(metadata.templates, self.rules) if self.rules else None,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        return metadata.evolve(allow_immutable=True, **given) if given else metadata  # type: ignore[arg-type]


def settle_metadata(
    given: MetadataArgument,
    wishes: Wishes,
    *,
    facts: Callable[[], RootFacts],
    now: int | None,
    note: Callable[[Diagnostic], None],
) -> Metadata:
    """
    Return the metadata of a new image.

    Args:
        given: What the caller has.
        wishes: What else was asked for.
        facts: Looks at the root; called when nothing was given.
        now: The creation date of an image that has no other, in seconds since 1970; the present time unless given.
        note: Is told what was derived, and what looks wrong.

    Raises:
        BuildError: When the architecture or the creation date is missing.
        InvalidMetadataError: When the metadata cannot be used.
        OSError: When its file cannot be read.
    """
    if isinstance(given, Metadata):
        settled = wishes.applied(given)
    elif given is not None:
        settled = wishes.applied(_read(given, wishes, note))
    else:
        settled = _derived(wishes, facts(), now, note)
    check_usable(settled, _TARGET)
    return settled


def dump_text(metadata: Metadata) -> bytes:
    """
    Return the bytes of a metadata.yaml.

    Raises:
        InvalidMetadataError: They would be more than the daemons read.
    """
    return dump_metadata(metadata).encode("utf-8", "surrogateescape")


def check_usable(metadata: Metadata, target: Target) -> None:
    """
    Check that *target* can use metadata that did not come from a file as they are.

    Raises:
        InvalidMetadataError: It would refuse the image.
    """
    if refusals := refusals_at_import(check_documents([dump_text(metadata)], target=target)):
        raise InvalidMetadataError(*(attrs.evolve(found, span=None) for found in refusals))


def _read(file: FileArgument, wishes: Wishes, note: Callable[[Diagnostic], None]) -> Metadata:
    """Return what a file says, with what it lacks taken from *wishes*."""
    with open_sources([file]) as (source,):
        text, _ = peek(source.chunks(), METADATA_SIZE + 1)
        name = source.name
    checked = check_documents([text], name=name, target=_TARGET)
    for repaired in (_supplied, _overridden):
        if refusals := refusals_at_import(checked):
            checked = repaired(checked, refusals, text, name, wishes)
    metadata = accepted_metadata(checked)
    for finding in checked.diagnostics:
        note(finding)
    return metadata


def _supplied(
    checked: CheckedMetadata, refusals: Sequence[Diagnostic], text: bytes, name: str, wishes: Wishes
) -> CheckedMetadata:
    """
    Return what the daemon says where a document in front of *text* has what it lacks, where that is all it lacks.

    The later document overrides all else (image format, section 2.3).

    Raises:
        BuildError: What it lacks is not among the *wishes*.
    """
    supplied = {
        "missing-architecture": wishes.architecture,
        "missing-creation-date": wishes.creation_date,
    }
    if not {finding.code for finding in refusals} <= supplied.keys():
        return checked
    unsupplied = [finding for finding in refusals if supplied[finding.code] is None]
    if unsupplied:
        raise BuildError(*unsupplied)
    base = Metadata(architecture=wishes.architecture or "x86_64", creation_date=wishes.creation_date or 1)
    return check_documents([dump_text(base), text], name=name, target=_TARGET)


def _overridden(
    checked: CheckedMetadata, _refusals: Sequence[Diagnostic], text: bytes, name: str, wishes: Wishes
) -> CheckedMetadata:
    """Return what the daemon says where a document behind *text* overrides it, if only then it is accepted."""
    override = wishes.document()
    if not override:
        return checked
    overridden = check_documents([text, override], name=name, target=_TARGET)
    return checked if refusals_at_import(overridden) or overridden.metadata is None else overridden


def _derived(
    wishes: Wishes, facts: RootFacts, now: int | None, note: Callable[[Diagnostic], None]
) -> Metadata:
    """Return metadata made from what the root says about itself."""
    architecture = wishes.architecture
    if architecture is None:
        if facts.architecture is None:
            text = "the architecture is not given, and no program was found that tells it"
            raise BuildError(
                diagnose("missing-architecture", text, hint="name it, such as --architecture x86_64")
            )
        found, path = facts.architecture
        architecture = found.value
        note(diagnose("derived-metadata", f"the architecture {architecture!r} was taken from {path!r}"))
    derived = {key: value for key, value in facts.properties.items() if key not in wishes.properties}
    if derived:
        values = ", ".join(f"{key}={value!r}" for key, value in derived.items())
        verb = "was" if len(derived) == 1 else "were"
        note(diagnose("derived-metadata", f"{values} {verb} taken from the os-release file"))
    created = wishes.creation_date
    if created is None:
        created = max(1, int(time.time()) if now is None else now)
        what = "the present time" if now is None else "that of the source date epoch"
        note(diagnose("derived-metadata", f"the creation date is {what}, {created}"))
    return Metadata(
        architecture=architecture,
        creation_date=created,
        expiry_date=wishes.expiry_date,
        properties={**derived, **wishes.properties},
        templates=edited_rules({}, wishes.rules),
    )
