"""``lxdimage rule``."""

from __future__ import annotations

import argparse
import difflib

from lxdimage.cli._output import table
from lxdimage.cli._usage import UsageError
from lxdimage.diagnostics import escape
from lxdimage.rules import RULES

__all__ = ["configure", "run", "unknown_code"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "codes", metavar="CODE", nargs="*", help="a finding's code; without one, all are listed"
    )


def run(arguments: argparse.Namespace) -> int:
    """Explain codes, or list them."""
    if not arguments.codes:
        print("\n".join(table(((code, RULES[code].title) for code in sorted(RULES)), 0)))
        return 0
    for code in arguments.codes:
        rule = RULES.get(code)
        if rule is None:
            raise unknown_code(code)
        print(f"{rule.code}: {rule.title} ({rule.severity.value})\n\n{rule.explanation.strip()}")
        if rule.hint:
            print(f"\nHint: {rule.hint}")
    return 0


def unknown_code(code: str) -> UsageError:
    """Return what to say of a finding's code that is none."""
    near = difflib.get_close_matches(code, RULES, 1)
    hint = f", did you mean {near[0]!r}?" if near else "; 'lxdimage rule' lists them"
    return UsageError(f"no finding has the code {escape(code)!r}{hint}")
