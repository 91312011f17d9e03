"""One row of the table of codes."""

from __future__ import annotations

from typing import NamedTuple

from lxdimage.diagnostics import Severity

__all__ = ["Rule"]


class Rule(NamedTuple):
    """
    What a code means.

    Attributes:
        code: Kebab-case, stable, never reused.
        title: One line.
        severity: The severity of a finding that no stage makes an error.
        explanation: What it is, why it matters, what to do: a paragraph or more of Markdown, one sentence a line.
        hint: The hint that findings carry unless they bring their own.
    """

    code: str
    title: str
    severity: Severity
    explanation: str
    hint: str | None = None
