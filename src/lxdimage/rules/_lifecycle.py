"""Codes of findings about what happens around templates when an instance starts."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    Rule(
        code="rule-fails",
        title="a template rule makes the instance fail to start",
        severity=Severity.ERROR,
        explanation="""
A rule that fires must name a file below ``templates/``, and a target within the root file system that is no directory.
Where one does not, or is null, the daemon gives up, the instance does not start, and the trigger stays recorded for the next attempt.
""",
    ),
)
