"""
Lint rules for template rules: what metadata.yaml alone tells about them.

A rule that cannot work does no harm until something triggers it.  Then the instance does not start, so such
findings have a stage only when a new instance triggers the rule (image format, section 6).
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TypeAlias

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.metadata._model import FIRST_START, TemplateRule, Trigger
from lxdimage.metadata._show import listed, shown, shown_path
from lxdimage.metadata._subject import Subject

__all__ = ["RULE_LINTS", "RuleLint", "duplicate_targets", "parse_mode"]

RuleLint: TypeAlias = Callable[[Subject, str, TemplateRule], Iterator[Diagnostic]]

_TRIGGERS = tuple(trigger.value for trigger in Trigger)
_NAME_MAX = 255
_OCTAL = 3  # bytes of a mode that needs no leading zero


def _failing(
    subject: Subject, code: str, path: tuple[str, ...], problem: str, rule: TemplateRule
) -> Diagnostic:
    """Return the finding about a rule that fails whenever it fires."""
    triggers = [trigger for trigger in _TRIGGERS if trigger in rule.when]
    effect = f": the rule fails on {listed(triggers)}" if triggers else "; nothing triggers the rule"
    stage = Stage.START if any(map(rule.fires_on, FIRST_START)) else None
    return subject.place(*path).finding(code, problem + effect, stage=stage)


# ── when ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def null_rule(subject: Subject, path: str, rule: TemplateRule) -> Iterator[Diagnostic]:
    """Refuse ``null`` in place of a rule: the daemon trips over it at every start, whatever the trigger."""
    if rule.null:
        message = f"{shown_path(('templates', path))} is null: no instance starts"
        yield subject.place("templates", path).finding("null-template-rule", message, stage=Stage.START)


def triggers(subject: Subject, path: str, rule: TemplateRule) -> Iterator[Diagnostic]:
    """Warn of names in ``when`` that are no triggers, and of a rule without any."""
    if not (rule.when or rule.null or subject.is_wrong("templates", path, "when")):
        message = f"the rule for {shown(path)} has no trigger and never runs"
        yield subject.place("templates", path, "when").finding("template-never-fires", message)
    for number, name in enumerate(rule.when):
        if name not in _TRIGGERS:
            place = subject.place("templates", path, "when", str(number))
            message = f"{shown(name)} is no trigger and never fires"
            yield place.finding("unknown-trigger", message, hint=_trigger_hint(name))


def _trigger_hint(name: str) -> str | None:
    plain = name.strip().casefold()[:20]
    close = [plain] if plain in _TRIGGERS else difflib.get_close_matches(plain, _TRIGGERS, n=1, cutoff=0.7)
    return f"did you mean {close[0]!r}?" if close else None


def twice(subject: Subject, path: str, rule: TemplateRule) -> Iterator[Diagnostic]:
    """Tell of a rule that runs twice at one start: for the recorded trigger, then for ``start``."""
    if Trigger.START.value in rule.when and not rule.create_only and len({*rule.when} & {*_TRIGGERS}) > 1:
        message = f"the rule for {shown(path)} runs twice at the first start, and the second result stays"
        yield subject.place("templates", path, "when").finding("template-runs-twice", message)


# ── template ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def template_name(subject: Subject, path: str, rule: TemplateRule) -> Iterator[Diagnostic]:
    """Refuse a template name that no file below ``templates/`` can have."""
    if rule.null or subject.is_wrong("templates", path, "template"):
        return
    name = rule.template
    place = ("templates", path, "template")
    if not name:
        missing = f"the rule for {shown(path)} names no template"
        yield _failing(subject, "template-without-file", place, missing, rule)
    elif problem := _name_problem(name, nested=subject.target.traits.template_directories):
        yield _failing(subject, "template-outside", place, f"template {shown(name)} {problem}", rule)
    elif "/" in name:
        message = f"template {shown(name)} is not directly in templates/, which only LXD allows"
        yield subject.place(*place).finding("template-outside", message)


def _name_problem(name: str, *, nested: bool) -> str | None:
    parts = name.split("/")
    if name.startswith("/") or posixpath.normpath(name).split("/")[0] == "..":
        return "leads out of templates/"
    if "/" in name and not nested:
        return "is not directly in templates/"
    if parts[-1] in {"", "."}:
        return "is a directory"
    return _unnameable(parts)


def _unnameable(parts: list[str]) -> str | None:
    """Return why no file can be called so."""
    if any("\0" in part for part in parts):
        return "contains a NUL"
    if any(len(part.encode("utf-8", "surrogateescape")) > _NAME_MAX for part in parts):
        return f"has a part of more than {_NAME_MAX} bytes"
    return None


# ── target ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def target_path(subject: Subject, path: str, rule: TemplateRule) -> Iterator[Diagnostic]:
    """Refuse a target that no file below the root can have; warn of one that daemons take differently."""
    if rule.null:
        return
    place = ("templates", path)
    relative = path.lstrip("/")
    parts = relative.split("/")
    plain = posixpath.normpath(relative)
    if plain.split("/")[0] == "..":
        yield _failing(subject, "template-target", place, f"target {shown(path)} lies outside the root", rule)
    elif plain == "." or not relative:
        yield _taken(subject, place, f"target {shown(path)} is the root itself", rule, exists=True)
    elif bad := _unnameable(parts):
        # What keeps a daemon from looking counts as existing, but for today's Incus.
        exists = not subject.target.traits.exclusive_targets
        yield _taken(subject, place, f"target {shown(path)} {bad}", rule, exists=exists)
    elif ".." in parts or path.endswith("/"):
        message = f"target {shown(path)} is taken for {shown('/' + plain)} by some daemons only"
        yield subject.place(*place).finding("template-target", message, hint=f"write {shown('/' + plain)}")


def _taken(
    subject: Subject, place: tuple[str, ...], problem: str, rule: TemplateRule, *, exists: bool
) -> Diagnostic:
    """Return the finding about a target that no file can be: with ``create_only``, one that *exists* is left alone."""
    if exists and rule.create_only:
        message = f"{problem}, which counts as existing: the rule does nothing"
        return subject.place(*place).finding("template-target", message)
    return _failing(subject, "template-target", place, problem, rule)


def duplicate_targets(subject: Subject) -> Iterator[Diagnostic]:
    """Warn of two spellings of one target: which result stays is left to chance."""
    spellings: dict[str, list[str]] = {}
    for path in subject.rules:
        spellings.setdefault(posixpath.normpath(path.lstrip("/")), []).append(path)
    for paths in spellings.values():
        for first, second in combinations(paths[:10], 2):
            if {*subject.rules[first].when} & {*subject.rules[second].when} & {*_TRIGGERS}:
                message = (
                    f"{shown(first)} and {shown(second)} are one target, and which result stays is random"
                )
                yield subject.place("templates", second).finding("duplicate-target", message)


# ── uid, gid and mode ────────────────────────────────────────────────────────────────────────────────────────────────


def permissions(subject: Subject, path: str, rule: TemplateRule) -> Iterator[Diagnostic]:
    """Check uid, gid and mode where they are read, and tell of them where they are not."""
    given = [name for name in ("uid", "gid", "mode") if getattr(rule, name) is not None]
    if not given:
        return
    if not subject.target.traits.file_permissions:
        message = f"{listed(given)} of the rule for {shown(path)}: only Incus reads that"
        yield subject.place("templates", path, given[0]).finding("permissions-ignored", message)
        return
    if rule.mode is not None:
        yield from _mode(subject, path, rule, rule.mode)
    for name, value in (("uid", rule.uid), ("gid", rule.gid)):
        if value is not None:
            yield from _owner(subject, ("templates", path, name), rule, value)


def _mode(subject: Subject, path: str, rule: TemplateRule, text: str) -> Iterator[Diagnostic]:
    place = ("templates", path, "mode")
    mode = parse_mode(text)
    if mode is None:
        yield _failing(subject, "bad-mode", place, f"mode {shown(text)} is no number", rule)
    elif re.fullmatch("[1-9][0-9_]+|[89]", text) and len(text) != _OCTAL:
        message = f"mode {shown(text)} is read as a decimal number and becomes {mode & 0o777:04o}"
        yield subject.place(*place).finding("bad-mode", message)
    elif mode & ~0o777:
        message = f"mode {shown(text)} loses its upper bits and becomes {mode & 0o777:04o}"
        yield subject.place(*place).finding("bad-mode", message)


def parse_mode(text: str) -> int | None:
    """
    Return the number that Incus reads from *text*, or None.

    Three characters are taken for octal digits; all else goes by Go's prefixes (image format, section 6.4).
    """
    digits = f"0{text}" if len(text.encode("utf-8", "surrogateescape")) == _OCTAL else text
    if not re.fullmatch("[-+]?[0-9A-Za-z_]{1,70}", digits):
        return None
    try:
        number = int(re.sub("^([-+]?)0(?=[0-9_])", r"\g<1>0o", digits), 0)
    except ValueError:
        return None
    return number if -(1 << 63) <= number < 1 << 63 else None


def _owner(subject: Subject, place: tuple[str, ...], rule: TemplateRule, text: str) -> Iterator[Diagnostic]:
    name = place[-1]
    number = int(text) if re.fullmatch("[-+]?[0-9]{1,40}", text) else None
    if number is None or not -(1 << 63) <= number < 1 << 63:
        yield _failing(subject, "bad-owner", place, f"{name} {shown(text)} is no decimal number", rule)
    elif not 0 <= number < (1 << 32) - 1:
        yield subject.place(*place).finding("bad-owner", f"{name} {shown(text)} is none that a file can have")


RULE_LINTS: tuple[RuleLint, ...] = (null_rule, triggers, twice, template_name, target_path, permissions)
"""Every lint rule for one template rule."""
