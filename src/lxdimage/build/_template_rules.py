"""Template rules that are set, changed or removed beside the rest of the metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from lxdimage.metadata import TemplateRule

__all__ = ["RuleEdit", "edited_rules"]

RuleEdit: TypeAlias = TemplateRule | Callable[[TemplateRule | None], TemplateRule | None] | None
"""A rule to set, None to remove it, or what makes the new rule of the old one, which is None where there is none."""


def edited_rules(rules: Mapping[str, TemplateRule], edits: Mapping[str, RuleEdit]) -> dict[str, TemplateRule]:
    """Return *rules* with *edits* by target applied."""
    edited = dict(rules)
    for target, edit in edits.items():
        new = edit if edit is None or isinstance(edit, TemplateRule) else edit(rules.get(target))
        if new is None:
            edited.pop(target, None)
        else:
            edited[target] = new
    return edited
