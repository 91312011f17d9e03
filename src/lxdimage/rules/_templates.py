"""Codes of findings about templates."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = tuple(
    Rule(code=c, title=c, severity=Severity.ERROR, explanation=c)
    for c in (
        "template-syntax",
        "unknown-tag",
        "unknown-filter",
        "banned-tag",
        "template-panic",
        "template-limit",
        "template-error",
        "template-value",
    )
)
