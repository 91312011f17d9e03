"""
What the daemons with the other generation of YAML make of the same text.

Whatever they refuse or read differently makes an image that works for one and not for the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from lxdimage.diagnostics import Diagnostic
from lxdimage.metadata._decode import Path, Record, RuleRecord
from lxdimage.metadata._problems import problem_code, problem_finding
from lxdimage.metadata._reading import Reading
from lxdimage.metadata._show import shown, shown_path
from lxdimage.metadata._subject import Subject
from lxdimage.rules import diagnose

__all__ = ["differences"]

_READERS = {2: "LXD and Incus 6.0", 4: "today's Incus"}


def differences(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of what other daemons refuse or read differently, unless another rule does."""
    if subject.other is None or subject.reading.refused:
        return
    if subject.other.refused:
        yield from _refused(subject.other)
    else:
        yield from _different(subject)


def _refused(other: Reading) -> Iterator[Diagnostic]:
    who = _READERS[other.generation.number]
    for notes in other.notes:
        for problem in notes.problems:
            code = problem_code(problem)
            if code != "unquoted-date":
                code = code if code == "fractional-date" else "not-portable"
                yield problem_finding(notes.document, problem, None, code=code, who=who)
    if failure := other.failure:
        yield diagnose(
            "not-portable",
            f"{failure.message} (refused by {who})",
            source=failure.source,
            span=failure.span,
            excerpt=failure.excerpt,
            hint=failure.hint,
        )


def _different(subject: Subject) -> Iterator[Diagnostic]:
    assert subject.other is not None
    ours, theirs = _flat(subject.record), _flat(subject.other.record)
    who = _READERS[subject.other.generation.number]
    for path in dict.fromkeys((*ours, *theirs)):
        here, there = ours.get(path), theirs.get(path)
        if here != there:
            message = f"{shown_path(path)} is {_shown(here)} here, and {_shown(there)} for {who}"
            place = subject.other.record.places.get(path) if here is None else None
            yield (place or subject.place(*path)).finding("reads-differently", message)


def _shown(value: object) -> str:
    return "missing" if value is None else shown(value)


def _flat(record: Record) -> dict[Path, object]:
    """Return every value by its path."""
    flat: dict[Path, object] = {
        ("architecture",): record.architecture,
        ("creation_date",): record.creation_date,
        ("expiry_date",): record.expiry_date,
    }
    flat |= {("properties", key): value for key, value in (record.properties or {}).items()}
    for target, rule in (record.templates or {}).items():
        path = ("templates", target)
        flat[path] = "null" if rule is None else "a rule"
        if rule:
            flat |= {(*path, name): value for name, value in _fields(rule).items()}
    return flat


def _fields(rule: RuleRecord) -> dict[str, object]:
    return {name: value or None for name, value in attrs.asdict(rule, recurse=False).items()}
