"""What one daemon says about a metadata.yaml: its record, and everything that is wrong or odd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

import attrs

from lxdimage._arguments import choice_of
from lxdimage.diagnostics import Diagnostic, Position, Span, Stage
from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._architectures import Architecture
from lxdimage.metadata._decode import Path
from lxdimage.metadata._document import Document, Place
from lxdimage.metadata._model import Metadata
from lxdimage.metadata._problems import decoder_refusals
from lxdimage.metadata._reading import DocumentReader, Reading
from lxdimage.metadata._rules import COMPARED, LINTS, near_key
from lxdimage.metadata._show import shown
from lxdimage.metadata._subject import Subject
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = [
    "CheckedMetadata",
    "MetadataFiles",
    "accepted_metadata",
    "check_documents",
    "check_metadata",
    "parse_metadata",
    "refusals_at_import",
]

_COMPARED = 1 << 18  # bytes; larger texts are not read a second time to compare the daemons
_TOGETHER = 2 << 20  # bytes of several files; one alone may have 1 MiB
_HEADER = 512  # bytes in front of each: a million empty ones are too many as well
_MOST = 100  # findings of one code


class _Spans(Mapping[Path, Span]):
    """Where values are, worked out when somebody asks."""

    def __init__(self, places: Mapping[Path, Place], documents: Sequence[Document]) -> None:
        self.places = places
        self._documents = documents

    def __getitem__(self, path: Path) -> Span:
        return self.places[path].span

    def __iter__(self) -> Iterator[Path]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def excerpt(self, span: Span) -> str | None:
        """Return the line at which *span* begins, in the document that it is from."""
        if len(self._documents) == 1:
            return self._documents[0].text.line(span.start.line)
        return next((place.excerpt for place in self.places.values() if place.span == span), None)


@attrs.frozen
class CheckedMetadata:
    """
    What a daemon makes of a metadata.yaml.

    Attributes:
        metadata: What it says, or None when a daemon cannot make a record of it.
        diagnostics: Everything that was found, in the order of the text; the daemon refuses the image at import
            if any of it has that stage.
        spans: Where values are, by path: ``("properties", "os")``.  ``("templates", "/etc/hostname")`` is where the
            target of a rule stands, ``("templates", "/etc/hostname", "template")`` where one of its values does.
        decoded: Whether it can be decoded; what is missing then may still come with another file of that name.
    """

    metadata: Metadata | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[Path, Span] = attrs.field(factory=dict, repr=False, eq=False)
    decoded: bool = True

    def excerpt(self, span: Span) -> str | None:
        """Return the line of text at which *span*, one of `spans`, begins."""
        return self.spans.excerpt(span) if isinstance(self.spans, _Spans) else None


def check_metadata(
    text: str | bytes,
    *,
    name: str = "metadata.yaml",
    target: Target | str = Target.LXD,
    now: datetime | None = None,
) -> CheckedMetadata:
    """
    Return what *target* makes of a metadata.yaml, and everything that is wrong or odd about it.

    Args:
        text: The file.
        name: What findings call it.
        target: The daemon that it is meant for.
        now: The time, to tell whether the image has expired; expiry is not looked at without it.

    Returns:
        The metadata, None where the daemon refuses it, and the findings in the order of the text.  Nothing in the
        text is raised.
    """
    return check_documents([_encoded(text)], name=name, target=target, now=now)


def check_documents(
    texts: Sequence[bytes],
    *,
    name: str = "metadata.yaml",
    target: Target | str = Target.LXD,
    now: datetime | None = None,
) -> CheckedMetadata:
    """
    Return the same for several files of that name in one image.

    A daemon decodes all that precede the root file system into one record: scalars of a later one replace those of
    an earlier one, maps are merged (image format, section 2.3).

    Args:
        texts: The files; what exceeds 1 MiB by more than a byte may be missing.
        name: What findings call them.
        target: The daemon that they are meant for.
        now: The time, to tell whether the image has expired.
    """
    target = choice_of(Target, target, "target")
    files = MetadataFiles(name=name, target=target)
    for text in texts:
        files.read(text)
    return files.check(now=now)


class MetadataFiles:
    """
    The files called metadata.yaml of one image, which a daemon decodes into one record as it meets them.

    Each is decoded once however many there are, and what they say together is bounded.
    """

    def __init__(self, *, name: str, target: Target) -> None:
        """
        Args:
            name: What findings call them.
            target: The daemon that they are meant for.
        """
        self._name = name
        self._target = target
        self._size = 0
        self._compared: list[bytes] = []
        traits = target.traits
        self._reader = DocumentReader(traits.yaml, name=name, file_permissions=traits.file_permissions)

    def read(self, text: bytes) -> bool:
        """
        Decode the next one and tell whether it can be decoded; whatever follows one that cannot is not looked at.

        Args:
            text: Its content; what exceeds 1 MiB by more than a byte may be missing.
        """
        before, self._size = self._size, self._size + len(text) + _HEADER
        if before and self._size > _TOGETHER:
            message = f"all members called metadata.yaml have more than {_TOGETHER} bytes with their headers"
            finding = diagnose("yaml-too-large", message, stage=Stage.IMPORT, source=self._name)
            self._reader.refuse(finding)
        if self._size <= _COMPARED:
            self._compared.append(text)
        return self._reader.read(text)

    def check(self, *, now: datetime | None = None) -> CheckedMetadata:
        """
        Return what the daemon makes of all that were read.

        Args:
            now: The time, to tell whether the image has expired.
        """
        reading, name = self._reader.reading, self._name
        found = list(_bounded(decoder_refusals(reading), name))
        spans = _Spans(reading.record.places, [notes.document for notes in reading.notes])
        if reading.failure or not reading.notes:
            return CheckedMetadata(None, _ordered(found), spans, decoded=not reading.failure)
        subject = Subject(reading=reading, other=self._other(reading), target=self._target, now=now)
        metadata = _metadata(subject, found)
        for lint in LINTS:
            found.extend(_bounded(lint(subject), name))
        return CheckedMetadata(metadata, _ordered(found), spans, decoded=not reading.refused)

    def _other(self, reading: Reading) -> Reading | None:
        """Return what the daemons with the other generation of YAML decode; None where that is not compared."""
        if reading.refused or self._size > _COMPARED:
            return None
        other = DocumentReader(_OTHER[self._target.traits.yaml], name=self._name)
        for text in self._compared:
            other.read(text)
        return other.reading


def parse_metadata(
    text: str | bytes, *, name: str = "metadata.yaml", target: Target | str = Target.LXD
) -> Metadata:
    """
    Return what a metadata.yaml says.

    Args:
        text: The file.
        name: What findings call it.
        target: The daemon by whose rules it is read.

    Returns:
        The metadata as that daemon stores it.

    Raises:
        InvalidMetadataError: The daemon refuses to import it; the error carries every reason.
    """
    return accepted_metadata(check_metadata(text, name=name, target=target))


def accepted_metadata(checked: CheckedMetadata) -> Metadata:
    """
    Return the metadata that a daemon takes.

    Raises:
        InvalidMetadataError: The daemon refuses to import it; the error carries every reason.
    """
    refusals = refusals_at_import(checked)
    if refusals or checked.metadata is None:
        raise InvalidMetadataError(*refusals)
    return checked.metadata


def refusals_at_import(checked: CheckedMetadata) -> tuple[Diagnostic, ...]:
    """Return why a daemon refuses to import it; nothing where it does not."""
    return tuple(finding for finding in checked.diagnostics if finding.stage is Stage.IMPORT)


_OTHER = {2: 4, 4: 2}


def _encoded(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


# ── what a daemon checks after decoding ──────────────────────────────────────────────────────────────────────────────


def _metadata(subject: Subject, found: list[Diagnostic]) -> Metadata | None:
    """Return the record as a value, or None and add to *found* why a daemon refuses it."""
    record = subject.record
    architecture = _architecture(subject, found)
    if not record.creation_date and not subject.is_wrong("creation_date"):
        found.append(_missing_date(subject))
    if subject.reading.refused or architecture is None or not record.creation_date:
        return None
    return Metadata(
        architecture=architecture,
        creation_date=record.creation_date,
        expiry_date=record.expiry_date,
        properties=record.properties or {},
        templates=subject.rules,
    )


def _architecture(subject: Subject, found: list[Diagnostic]) -> Architecture | None:
    try:
        return Architecture.parse(subject.record.architecture, subject.target)
    except InvalidMetadataError as error:
        if not subject.is_wrong("architecture"):
            (refusal,) = error.diagnostics
            near = None if subject.record.architecture else _near_hint(subject, "architecture")
            place = subject.place("architecture")
            found.append(
                place.finding(refusal.code, refusal.message, stage=Stage.IMPORT, hint=near or refusal.hint)
            )
        return None


def _missing_date(subject: Subject) -> Diagnostic:
    given = ("creation_date",) in subject.record.places
    message = "the creation date is 0, which counts as none" if given else "the creation date is missing"
    hint = _near_hint(subject, "creation_date")
    return subject.place("creation_date").finding(
        "missing-creation-date", message, stage=Stage.IMPORT, hint=hint
    )


def _near_hint(subject: Subject, name: str) -> str | None:
    """Return a hint at a key that may have been meant for *name*."""
    for notes in subject.reading.notes:
        for unknown in islice(notes.unknown, COMPARED):
            if not unknown.path and near_key(unknown) == name:
                return f"the key {shown(unknown.name)} does not count: write {name!r}"
    return None


# ── order and number of findings ─────────────────────────────────────────────────────────────────────────────────────


def _bounded(findings: Iterable[Diagnostic], name: str) -> Iterator[Diagnostic]:
    """Yield *findings* up to a number of each code, with and without a stage; hostile texts have any number."""
    counts: dict[tuple[str, bool], int] = {}
    for finding in findings:
        key = (finding.code, finding.stage is not None)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= _MOST:
            yield finding
    for (code, _), count in counts.items():
        if count > _MOST:
            yield diagnose(code, f"{count - _MOST} more findings of this kind are left out", source=name)


_LAST = Span(Position(1 << 40, 0), Position(1 << 40, 0))


def _ordered(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(findings, key=lambda finding: (finding.span or _LAST).start))
