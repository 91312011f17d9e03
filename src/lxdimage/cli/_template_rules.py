"""Options for template rules: which template is rendered to which file, and when."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from lxdimage.cli._options import parse_keys
from lxdimage.errors import BuildError
from lxdimage.metadata import TemplateRule, Trigger
from lxdimage.rules import diagnose

__all__ = ["RuleChange", "add_rules", "rules_of"]

_PROPERTY = "properties."
_FLAGS = {"true": True, "false": False}
_TRIGGERS = tuple(trigger.value for trigger in Trigger)


@attrs.frozen
class RuleChange:
    """
    What an option says about one rule: called with the rule as it is, it returns the new one.

    Attributes:
        target: The path that the rule writes.
        fields: New values of its fields.
        properties: Properties to set.
    """

    target: str
    fields: Mapping[str, Any]
    properties: Mapping[str, str]

    def __call__(self, old: TemplateRule | None) -> TemplateRule:
        """
        Return the rule with the changes, a new one where there was none.

        Raises:
            BuildError: A new rule does not say which template it renders, or when.
        """
        base = TemplateRule() if old is None or old.null else old
        rule = attrs.evolve(base, properties={**base.properties, **self.properties}, **self.fields)
        if lacking := [name for name in ("template", "when") if not getattr(rule, name)]:
            text = f"the rule for {self.target!r} says nothing of {' and '.join(map(repr, lacking))}"
            raise BuildError(diagnose("incomplete-template-rule", text))
        return rule

    def followed_by(self, other: RuleChange) -> RuleChange:
        """Return both changes of one rule as one."""
        fields, properties = {**self.fields, **other.fields}, {**self.properties, **other.properties}
        return RuleChange(self.target, fields, properties)


def add_rules(group: argparse._ArgumentGroup) -> None:
    """Add ``--rule``."""
    group.add_argument(
        "--rule",
        dest="rules",
        metavar="TARGET,KEY=VALUE...",
        action="append",
        default=[],
        type=_rule,
        help="a template rule, such as /etc/motd,template=motd.tpl,when=create+copy; further keys are create_only, "
        "properties.NAME, and for Incus uid, gid and mode (may be repeated)",
    )


def rules_of(arguments: argparse.Namespace) -> dict[str, RuleChange]:
    """Return the changes of rules by target."""
    changes: dict[str, RuleChange] = {}
    for change in arguments.rules:
        earlier = changes.get(change.target)
        changes[change.target] = change if earlier is None else earlier.followed_by(change)
    return changes


def _rule(text: str) -> RuleChange:
    target, keys = parse_keys(text, "TARGET")
    fields: dict[str, Any] = {}
    properties = {}
    for key, value in keys.items():
        if key.startswith(_PROPERTY):
            properties[key.removeprefix(_PROPERTY)] = value
        elif key in _FIELDS:
            fields[key] = _FIELDS[key](value)
        else:
            known = ", ".join([*_FIELDS, "properties.NAME"])
            message = f"a rule has no {key!r}, only {known}"
            raise argparse.ArgumentTypeError(message)
    return RuleChange(target, fields, properties)


def _triggers(text: str) -> tuple[str, ...]:
    triggers = tuple(text.split("+"))
    for name in triggers:
        if name not in _TRIGGERS:
            message = f"expected triggers of {', '.join(_TRIGGERS)} with '+' between them, found {name!r}"
            raise argparse.ArgumentTypeError(message)
    return triggers


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        message = f"create_only is true or false, found {text!r}"
        raise argparse.ArgumentTypeError(message)
    return _FLAGS[text]


_FIELDS: Mapping[str, Callable[[str], object]] = {
    "template": str,
    "when": _triggers,
    "create_only": _flag,
    "uid": str,
    "gid": str,
    "mode": str,
}
