"""Findings about what a decoder refuses: values of wrong types, and keys given twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.metadata._decode import Notes, Problem, Repeat
from lxdimage.metadata._document import Document
from lxdimage.metadata._reading import Reading
from lxdimage.metadata._show import shown
from lxdimage.metadata._yaml import Alias, Mapping, Node, Scalar, Sequence

__all__ = ["decoder_refusals", "problem_code", "problem_finding", "repeat_findings", "unquoted_date_hint"]

_DATES = (("creation_date",), ("expiry_date",))


def decoder_refusals(reading: Reading) -> Iterator[Diagnostic]:
    """Yield why the daemon's decoder refuses, beginning with what it could decode."""
    for notes in reading.notes:
        for problem in notes.problems:
            yield problem_finding(notes.document, problem, Stage.IMPORT)
        if reading.generation.unique_keys:
            yield from repeat_findings(notes, Stage.IMPORT)
    if reading.failure:
        yield reading.failure


# ── values of wrong types ────────────────────────────────────────────────────────────────────────────────────────────


def problem_code(problem: Problem) -> str:
    """Return the code of the finding about *problem*."""
    tag = problem.found.tag if problem.found else ""
    if tag == "!!timestamp" and problem.path not in _DATES:
        return "unquoted-date"
    if tag == "!!float" and problem.path in _DATES and _is_finite(problem.node):
        return "fractional-date"
    return "wrong-type"


def _is_finite(node: Node) -> bool:
    return isinstance(node, Scalar) and any(char.isdigit() for char in node.value)


def problem_finding(
    document: Document, problem: Problem, stage: Stage | None, *, code: str | None = None, who: str = ""
) -> Diagnostic:
    """
    Return the finding about *problem*.

    Args:
        document: Where the value stands.
        problem: What is wrong.
        stage: When the target refuses because of it, if it does.
        code: The code, if it is not the problem's own.
        who: Which daemon refuses, if it is not the target.
    """
    message = f"{problem.message} (refused by {who})" if who else problem.message
    return document.place(problem.node).finding(
        code or problem_code(problem), message, stage=stage, hint=_hint(problem)
    )


def _hint(problem: Problem) -> str | None:
    """Return how to write what was probably meant."""
    node = problem.node
    if problem.is_key:
        return _text_hint(problem)
    match problem.path:
        case ("creation_date" | "expiry_date",):
            return _date_hint(node)
        case ("templates", _, "create_only"):
            return _flag_hint(node)
        case ("templates", _, "when"):
            return _list_hint(node)
        case () | ("properties" | "templates",) | ("templates", _, "properties"):
            return "write 'key: value' pairs, one a line"
        case ("templates", _):
            return "write a map with 'when' and 'template'"
    return _text_hint(problem)


def _text_hint(problem: Problem) -> str | None:
    """Return how to write a value that should have been a text."""
    match problem.node:
        case Sequence(items=[]) | Mapping(pairs=[]):
            return "write '' for an empty text"
        case Sequence() | Mapping():
            return "put quotes around the whole value if it is meant as a text"
        case node:
            return unquoted_date_hint(node)


def unquoted_date_hint(node: Node) -> str | None:
    """Return the hint to quote *node*."""
    target = node.target if isinstance(node, Alias) else node
    return f'write "{target.value}", with quotes' if isinstance(target, Scalar) else None


_TRIGGER = re.compile("[a-z_]{1,20}")


def _list_hint(node: Node) -> str:
    if isinstance(node, Scalar) and _TRIGGER.fullmatch(node.value):
        return f"write a list: [{node.value}]"
    return "write a list, such as [create, copy]"


def _flag_hint(node: Node) -> str:
    plain = node.value.strip().casefold() if isinstance(node, Scalar) else ""
    if plain in {"true", "yes", "on", "y", "1"}:
        return "write true, without quotes"
    if plain in {"false", "no", "off", "n", "0"}:
        return "write false, without quotes"
    return "write true or false"


def _date_hint(node: Node) -> str | None:
    if not isinstance(node, Scalar):
        return None
    text = node.value.strip()
    if re.fullmatch("[0-9]{1,18}", text):
        return f"write {text}, without quotes"
    if re.fullmatch(r"[0-9]{1,18}\.[0-9]*", text):
        return f"write {text.partition('.')[0]}"
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    seconds = int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    return f"write {seconds}, which is that date in seconds since 1970"


# ── keys given twice ─────────────────────────────────────────────────────────────────────────────────────────────────


def repeat_findings(notes: Notes, stage: Stage | None = None) -> Iterator[Diagnostic]:
    """Yield a finding for each key that is given a second time."""
    seen: set[int] = set()
    for repeat in notes.repeats:
        if id(repeat.key) not in seen:
            seen.add(id(repeat.key))
            yield _repeat_finding(notes.document, repeat, stage)


def _repeat_finding(document: Document, repeat: Repeat, stage: Stage | None) -> Diagnostic:
    line = document.place(repeat.first).span.start.line
    name = _name(repeat.key)
    message = f"{name} is given twice, first in line {line}"
    if not stage:
        # Maps are the one exception: the second adds to the first.
        merged = isinstance(repeat.value, Mapping) and name in _MERGED
        message = f"{name} is given twice; " + ("the two are merged" if merged else "the last one counts")
    return document.place(repeat.key).finding("duplicate-key", message, stage=stage)


_MERGED = (shown("properties"), shown("templates"))


def _name(key: Node) -> str:
    match key:
        case Scalar():
            return shown(key.value)
        case Alias():
            return f"the alias {shown(key.name)}"
        case _:
            return "a key"
