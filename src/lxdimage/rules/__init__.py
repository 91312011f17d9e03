"""
The table of codes: every finding that this package can report, with its explanation.

`diagnose` is the only way to make a `Diagnostic`: the table gives its severity, and a stage makes it an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lxdimage.diagnostics import Diagnostic, Severity, Span, Stage
from lxdimage.rules import _build, _disks, _files, _images, _lifecycle, _metadata, _templates
from lxdimage.rules._rule import Rule

__all__ = ["RULES", "Rule", "diagnose"]

RULES: Mapping[str, Rule] = MappingProxyType(
    {
        rule.code: rule
        for family in (_files, _images, _disks, _metadata, _templates, _lifecycle, _build)
        for rule in family.RULES
    }
)


def diagnose(
    code: str,
    message: str,
    *,
    stage: Stage | None = None,
    source: str = "",
    span: Span | None = None,
    offset: int | None = None,
    hint: str | None = None,
    excerpt: str | None = None,
) -> Diagnostic:
    """
    Return a finding of kind *code*.

    Args:
        code: A key of `RULES`.
        message: One sentence that names what was claimed and what was found.
        stage: Where the target refuses because of it: this makes the finding an error whatever the table says.
        source: File name, or file name and member joined by a colon.
        span: Place in a text.
        offset: Byte offset in a stream.
        hint: What to do; the rule's own hint unless given.
        excerpt: The line of text at the start of *span*.

    Returns:
        The finding.
    """
    rule = RULES[code]
    return Diagnostic(
        code=code,
        message=message,
        severity=Severity.ERROR if stage else rule.severity,
        stage=stage,
        source=source,
        span=span,
        offset=offset,
        hint=rule.hint if hint is None else hint,
        excerpt=excerpt,
    )
