"""What people and programs read: sizes, dates, tables, colour, progress, JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Self, TextIO

from lxdimage.diagnostics import Diagnostic, escape, render
from lxdimage.metadata import Metadata, TemplateRule

__all__ = [
    "Meter",
    "bold",
    "coloured",
    "date_text",
    "metadata_json",
    "print_json",
    "print_notes",
    "rule_json",
    "say",
    "size_text",
    "table",
    "wants_colour",
]


def size_text(size: int) -> str:
    """Return *size* with a binary unit: ``588 B``, ``39.1 MiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date_text(timestamp: int) -> str:
    """Return a time in UTC; the number itself where no calendar holds it."""
    try:
        return (_EPOCH + timedelta(seconds=timestamp)).strftime("%Y-%m-%d %H:%M:%S UTC")
    except OverflowError:
        return f"{timestamp} s"


def wants_colour(stream: TextIO) -> bool:
    """Tell whether *stream* is a terminal that may be coloured (no ``NO_COLOR``, no dumb terminal)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """Print words to standard error; that nobody can read them does not undo what was done."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def print_notes(notes: Iterable[Diagnostic]) -> None:
    """Print findings to standard error."""
    for note in notes:
        say(render(note, colour=wants_colour(sys.stderr)))


def bold(text: str, *, colour: bool) -> str:
    """Return *text*, emphasised on a terminal."""
    return coloured(text, "1", colour=colour)


def coloured(text: str, code: str, *, colour: bool) -> str:
    """Return *text* with a terminal's attributes, ``31`` for red, when there is to be *colour*."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def table(rows: Iterable[tuple[str, str]], indent: int = 2) -> list[str]:
    """Return lines with the second column aligned; names and values are escaped."""
    pairs = [(escape(name), escape(value)) for name, value in rows]
    width = min(40, max((len(name) for name, _ in pairs), default=0))
    return [f"{'':{indent}}{name:{width}}  {value}".rstrip() for name, value in pairs]


def print_json(value: object) -> None:
    """Write *value* as JSON in ASCII: names that are not UTF-8 can only be written escaped."""
    print(json.dumps(value, indent=2))


def metadata_json(metadata: Metadata) -> Mapping[str, object]:
    """Return metadata as JSON has it: the fields of metadata.yaml, dates as Unix seconds."""
    return {
        "architecture": str(metadata.architecture),
        "creation_date": metadata.creation_timestamp,
        "expiry_date": metadata.expiry_timestamp,
        "properties": dict(metadata.properties),
        "templates": {path: rule_json(rule) for path, rule in metadata.templates.items()},
    }


def rule_json(rule: TemplateRule) -> Mapping[str, object] | None:
    """Return a template rule as JSON has it."""
    if rule.null:
        return None
    return {
        "when": list(rule.when),
        "create_only": rule.create_only,
        "template": rule.template,
        "properties": dict(rule.properties),
        "uid": rule.uid,
        "gid": rule.gid,
        "mode": rule.mode,
    }


class Meter:
    """A line of progress on standard error, when that is a terminal and the work takes longer than a blink."""

    _FIRST = 0.5
    _EVERY = 0.1

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._next = time.monotonic() + self._FIRST
        self._start = time.monotonic()
        self._shown = False
        self._active = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, done: int, total: int | None) -> None:
        """Show how far the work is."""
        now = time.monotonic()
        if not self._active or now < self._next:
            return
        self._next = now + self._EVERY
        self._shown = True
        rate = size_text(int(done / (now - self._start)))
        part = f"{done * 100 // total:3d} % of {size_text(total)}" if total else size_text(done)
        print(f"\r\x1b[K{self._verb} {part}, {rate}/s", end="", file=sys.stderr, flush=True)
