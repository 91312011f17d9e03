"""
What is wrong with an image, as data.

A `Diagnostic` is one finding: a stable code, one sentence that names what was claimed and what was found, the
place, and the stage at which a daemon refuses because of it.  Functions named ``check_`` and ``scan_`` return
diagnostics; exceptions carry them; `render` is the one function that turns them into text.
"""

from __future__ import annotations

import re
from enum import Enum

import attrs

__all__ = ["Diagnostic", "Position", "Severity", "Span", "Stage", "escape", "render"]


class Severity(Enum):
    """
    How bad a finding is.

    An error means that the target refuses or misreads the image at some stage.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Stage(Enum):
    """The moment at which a daemon notices and refuses."""

    IMPORT = "import"
    CREATE = "create"
    START = "start"


@attrs.frozen(order=True)
class Position:
    """
    A place in a text.

    Attributes:
        line: Counted from 1.
        column: Counted from 1, in characters for metadata and in bytes for templates.
        character: Counted from 1 in characters; 0 where it is the column.
    """

    line: int
    column: int
    character: int = attrs.field(default=0, eq=False, order=False, repr=False)


@attrs.frozen
class Span:
    """A stretch of text from *start* up to, not including, *end*."""

    start: Position
    end: Position


@attrs.frozen(kw_only=True)
class Diagnostic:
    """
    One finding.

    Attributes:
        code: Kebab-case, stable, one of `lxdimage.rules.RULES`.
        message: One sentence, lower-case start, no final stop.
        severity: How bad it is.
        stage: Where the target refuses because of it; None when it does not.
        source: What it is about: a file name, or a file name and the member in it, joined by a colon.
        span: The place in a text, for metadata and templates.
        offset: The byte offset in the (decompressed) stream, for archives.
        hint: What to do about it.
        excerpt: The line of text at the start of *span*.
    """

    code: str
    message: str
    severity: Severity
    stage: Stage | None = None
    source: str = ""
    span: Span | None = None
    offset: int | None = None
    hint: str | None = None
    excerpt: str | None = attrs.field(default=None, repr=False)

    @property
    def line(self) -> int | None:
        """The line of the finding, from 1, or None."""
        return self.span.start.line if self.span else None

    @property
    def column(self) -> int | None:
        """The column of the finding, from 1, or None."""
        return self.span.start.column if self.span else None

    def __str__(self) -> str:
        return _headline(self, f"{self.severity.value}:")


def _headline(diagnostic: Diagnostic, severity: str) -> str:
    """Return a finding in one line, with *severity* as the word for how bad it is."""
    place = escape(diagnostic.source)
    if diagnostic.span:
        place += f":{diagnostic.span.start.line}:{diagnostic.span.start.column}"
    text = f"{place.lstrip(':')}: " if place else ""
    text += f"{severity} {escape(diagnostic.message)}"
    if diagnostic.offset is not None:
        text += f", at byte {diagnostic.offset}"
    text += f" [{diagnostic.code}]"
    if diagnostic.stage:
        text += f" refused at {diagnostic.stage.value}"
    return text


# C0 and C1 controls, line and paragraph separators, bidirectional overrides, lone surrogates: all that could
# forge or garble a line of output.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


def _escape_one(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is not UTF-8, as os.fsdecode carries it
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def escape(text: str) -> str:
    """
    Return *text* with every character escaped that could forge or garble a line on a terminal.

    Names in hostile archives may hold control characters; no output of this package prints one.
    """
    # All that is escaped is unprintable, and nearly no text holds anything that is.
    return text if text.isprintable() else _UNPRINTABLE.sub(_escape_one, text)


_COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.INFO: "1;36"}


def render(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """
    Return *diagnostic* as a person reads it: the headline, the line of text with a marker, and the hint.

    Args:
        diagnostic: The finding.
        colour: Whether to colour the severity with terminal sequences.

    Returns:
        One to four lines without a final newline.
    """
    word = f"{diagnostic.severity.value}:"
    if colour:
        word = f"\x1b[{_COLOURS[diagnostic.severity]}m{word}\x1b[0m"
    lines = [_headline(diagnostic, word), *_excerpt(diagnostic)]
    if diagnostic.hint:
        lines.append(f"     = hint: {escape(diagnostic.hint)}")
    return "\n".join(lines)


_EXCERPT_WIDTH = 160


def _excerpt(diagnostic: Diagnostic) -> list[str]:
    """Return the line of text and the marker below the span, cut around the span when it is long."""
    span, text = diagnostic.span, diagnostic.excerpt
    if span is None or text is None:
        return []
    first = (span.start.character or span.start.column) - 1
    last = (span.end.character or span.end.column) - 1 if span.end.line == span.start.line else len(text)
    cut = max(0, first - _EXCERPT_WIDTH // 2)
    lead = escape(text[cut:first].replace("\t", " "))
    marked = escape(text[first : min(last, cut + _EXCERPT_WIDTH)].replace("\t", " "))
    rest = escape(text[max(first, last) : cut + _EXCERPT_WIDTH].replace("\t", " "))
    marker = " " * len(lead) + "^" * max(1, len(marked))
    return [f"{span.start.line:4} | {lead}{marked}{rest}".rstrip(), f"     | {marker}"]
