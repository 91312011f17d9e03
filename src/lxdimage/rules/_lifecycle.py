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
When a rule fires, the daemon must be able to write its target: a file within the root file system, not a directory, not below another file, and not along a symbolic link that leads out of the root or needs a directory that is not there.
Absolute links are refused even when their target exists in the instance (CVE-2026-23954).
Where the target cannot be written the daemon gives up, the instance does not start, and the trigger stays recorded for the next attempt.
Choose another target, or change what the root has in its way.
""",
        hint="choose another target, or change what the root has in its way",
    ),
)
