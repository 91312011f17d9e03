"""
Lint rules: what is odd about a metadata.yaml that decodes.

Each rule is a function from a `Subject` to findings; `LINTS` lists them all.  Those about template rules are in
`lxdimage.metadata._template_rules`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeAlias

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._architectures import Architecture
from lxdimage.metadata._decode import Path, Unknown, Unquoted
from lxdimage.metadata._document import Document
from lxdimage.metadata._model import MAX_DATE
from lxdimage.metadata._portability import differences
from lxdimage.metadata._problems import repeat_findings, unquoted_date_hint
from lxdimage.metadata._show import listed, shown, shown_path
from lxdimage.metadata._subject import Subject
from lxdimage.metadata._template_rules import RULE_LINTS, duplicate_targets
from lxdimage.targets import Target

__all__ = ["COMPARED", "LINTS", "Lint", "near_key"]

Lint: TypeAlias = Callable[[Subject], Iterator[Diagnostic]]

# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def encoding(subject: Subject) -> Iterator[Diagnostic]:
    """Tell of a byte order mark or UTF-16, which the daemons read and other programs may not."""
    for document in subject.documents:
        text = document.text
        if text.marked:
            kind = "begins with a byte order mark" if text.encoding == "utf-8" else "is in UTF-16"
            yield document.at(0).finding("yaml-encoding", f"the file {kind}")


def features(subject: Subject) -> Iterator[Diagnostic]:
    """Tell of directives, anchors and tags, which the daemons read and simple readers do not."""
    for document in subject.documents:
        usage = document.usage
        uses = (("a directive", usage.directive), ("an anchor", usage.anchor), ("a tag", usage.tag))
        for what, token in uses:
            if token:
                yield document.at(token.start, token.end).finding("yaml-feature", f"the file uses {what}")


def several_documents(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of what follows the first document; the newer generation cannot start an instance with it."""
    for document in subject.documents:
        if document.rest is None:
            continue
        if subject.reading.generation.single_document:
            message, stage = "something follows the first document, and instances do not start", Stage.START
        else:
            message, stage = "what follows the first document is not read", None
        yield document.at(document.rest, document.rest + 3).finding("several-documents", message, stage=stage)


def duplicate_keys(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of keys given twice where the last one counts; elsewhere they are refused."""
    if not subject.reading.generation.unique_keys:
        for notes in subject.reading.notes:
            yield from repeat_findings(notes)


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_RECORD_KEYS = ("architecture", "creation_date", "expiry_date", "properties", "templates")
_RULE_KEYS = ("when", "create_only", "template", "properties", "uid", "gid", "mode")
_RECORD_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "arch": "architecture",
        "created": "creation_date",
        "createdat": "creation_date",
        "date": "creation_date",
        "expires": "expiry_date",
        "expiresat": "expiry_date",
        "expiry": "expiry_date",
        "expirationdate": "expiry_date",
    }
)
_RULE_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {"trigger": "when", "triggers": "when", "file": "template", "source": "template", "permissions": "mode"}
)
_PROPERTIES = frozenset(
    ("description", "label", "name", "os", "release", "serial", "type", "variant", "version")
)


def unknown_keys(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of keys that no daemon reads."""
    for notes in subject.reading.notes:
        for number, unknown in enumerate(notes.unknown):
            owner = f" of {shown_path(unknown.path)}" if unknown.path else ""
            message = f"the key {shown(unknown.name)}{owner} is not known and not read"
            hint = _key_hint(unknown) if number < COMPARED else None
            yield notes.document.place(unknown.key).finding("unknown-key", message, hint=hint)


def _key_hint(unknown: Unknown) -> str | None:
    if near := near_key(unknown):
        return f"did you mean {near!r}?"
    if not unknown.path and unknown.name in _PROPERTIES:
        return f"{unknown.name!r} belongs below 'properties'"
    return None


COMPARED = 1000
"""Unknown keys that are compared with the known ones; there may be a hundred thousand."""


def near_key(unknown: Unknown) -> str | None:
    """Return the key that was probably meant."""
    keys, synonyms = (_RULE_KEYS, _RULE_SYNONYMS) if unknown.path else (_RECORD_KEYS, _RECORD_SYNONYMS)
    plain = "".join(filter(str.isalnum, unknown.name[:40])).casefold()
    squeezed = {key.replace("_", ""): key for key in keys}
    if found := squeezed.get(plain) or synonyms.get(plain):
        return found
    close = difflib.get_close_matches(plain, squeezed, n=1, cutoff=0.75)
    return squeezed[close[0]] if close else None


# ── architecture and dates ───────────────────────────────────────────────────────────────────────────────────────────


def architecture(subject: Subject) -> Iterator[Diagnostic]:
    """Tell of aliases, and warn of names that other daemons do not know."""
    name = subject.record.architecture
    try:
        meant = Architecture.parse(name, subject.target)
    except InvalidMetadataError:
        return
    place = subject.place("architecture")
    hint = f"write {meant.value!r}"
    if others := [target.traits.title for target in Target if not _knows(target, name)]:
        if meant.value == name:
            hint = ""
        message = f"the architecture {shown(name)} is not known to {listed(others)}"
        yield place.finding("architecture-not-portable", message, hint=hint or None)
    elif name != meant.value:
        yield place.finding("architecture-alias", f"{shown(name)} is an alias of {meant.value!r}", hint=hint)


def _knows(target: Target, name: str) -> bool:
    try:
        Architecture.parse(name, target)
    except InvalidMetadataError:
        return False
    return True


_FIRST_DATE = -62_167_219_200  # the year 0
_YEAR_1990 = 631_152_000
_DIVISORS = ((1_000, "milliseconds"), (1_000_000, "microseconds"), (1_000_000_000, "nanoseconds"))


def date_range(subject: Subject) -> Iterator[Diagnostic]:
    """Refuse dates that cannot be read back from a database, and warn of those before 1970."""
    for name in ("creation_date", "expiry_date"):
        date: int = getattr(subject.record, name)
        place = subject.place(name)
        signed = subject.target.traits.signed_dates
        if date > MAX_DATE:
            message = f"{name} {date} lies beyond the year 9999"
            yield place.finding("date-out-of-range", message, stage=Stage.IMPORT, hint=_unit_hint(date))
        elif date < _FIRST_DATE and signed:
            message = f"{name} {date} lies before the year 0"
            yield place.finding("date-out-of-range", message, stage=Stage.IMPORT)
        elif date < 0:
            what = (
                "lies before 1970" if signed else f"is negative, and {subject.target.traits.title} ignores it"
            )
            yield place.finding("negative-date", f"{name} {date} {what}")


def _unit_hint(date: int) -> str | None:
    """Return the date in seconds if that makes sense for another unit."""
    for divisor, unit in _DIVISORS:
        if _YEAR_1990 < date // divisor <= MAX_DATE:
            return f"write {date // divisor} if that is in {unit}; dates are in seconds"
    return None


def expiry(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of an image that has expired, or did so before it was made."""
    created, expires = subject.record.creation_date, subject.record.expiry_date
    if not 0 < expires <= MAX_DATE:
        return
    place = subject.place("expiry_date")
    date = datetime.fromtimestamp(expires, UTC)
    if expires < created <= MAX_DATE:
        yield place.finding(
            "expiry-before-creation", f"expiry_date {expires} lies before creation_date {created}"
        )
    if subject.now is not None and date <= _aware(subject.now):
        yield place.finding("expired", f"the image expired at {date:%Y-%m-%d %H:%M:%S} UTC")


def _aware(now: datetime) -> datetime:
    return now if now.tzinfo else now.replace(tzinfo=UTC)


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


def missing_properties(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of an image without properties: giving it one at import ends the daemon."""
    if subject.record.properties is None and not subject.is_wrong("properties"):
        yield subject.place("properties").finding("missing-properties", "there is no map of properties")


def property_values(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of properties that are empty or hold a NUL."""
    for key, value in (subject.record.properties or {}).items():
        place = subject.place("properties", key)
        if not value:
            yield place.finding("empty-property", f"properties[{shown(key)}] is empty")
        if "\0" in key + value:
            yield place.finding("nul-in-property", f"properties[{shown(key)}] contains a NUL")


def unquoted_dates(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of texts that are dates to YAML: the newer generation refuses them."""
    for document, unquoted in _unquoted(subject):
        if unquoted.found.tag == "!!timestamp":
            what = f"{_what(unquoted.path)} is the unquoted date {unquoted.node.value[:40]}"
            message = f"{what}, refused by today's Incus"
            hint = unquoted_date_hint(unquoted.node)
            yield document.place(unquoted.node).finding("unquoted-date", message, hint=hint)


def unquoted_values(subject: Subject) -> Iterator[Diagnostic]:
    """Tell of properties that are text to the daemons and numbers to others, which may write them differently."""
    for document, unquoted in _unquoted(subject):
        path, node, found = unquoted.path, unquoted.node, unquoted.found
        if path[:1] != ("properties",) or len(path) != 2 or found.tag == "!!timestamp":
            continue
        if found.tag != "!!int" or str(found.value) != node.value:
            kind = "number" if found.tag in {"!!int", "!!float"} else "truth value"
            message = (
                f"{shown_path(path)} is the text {shown(node.value)} to the daemons and a {kind} to others"
            )
            hint = f'write "{node.value}", with quotes'
            yield document.place(node).finding("unquoted-value", message, hint=hint)


def _unquoted(subject: Subject) -> Iterator[tuple[Document, Unquoted]]:
    return ((notes.document, unquoted) for notes in subject.reading.notes for unquoted in notes.unquoted)


def _what(path: Path) -> str:
    """Return what a text at *path* is: keys have the path of what they are keys of."""
    match path:
        case () | ("properties" | "templates",) | ("templates", _) | ("templates", _, "properties"):
            return f"a key of {shown_path(path)}" if path else "a key"
        case _:
            return shown_path(path)


# ── template rules and other daemons ─────────────────────────────────────────────────────────────────────────────────


def template_rules(subject: Subject) -> Iterator[Diagnostic]:
    """Look at each template rule."""
    for path, rule in subject.rules.items():
        for lint in RULE_LINTS:
            yield from lint(subject, path, rule)


LINTS: tuple[Lint, ...] = (
    encoding,
    features,
    several_documents,
    duplicate_keys,
    unknown_keys,
    architecture,
    date_range,
    expiry,
    missing_properties,
    property_values,
    unquoted_dates,
    unquoted_values,
    template_rules,
    duplicate_targets,
    differences,
)
"""Every lint rule."""
