"""Pages that the package itself can tell: every finding, and every verb's help."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from lxdimage import rules
from lxdimage.cli import VERBS
from lxdimage.rules import Rule


def write(directory: Path) -> None:
    """Write the generated pages below *directory*."""
    directory.mkdir(exist_ok=True)
    for name, text in (("diagnostics.md", diagnostics()), ("cli.md", cli())):
        path = directory / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def diagnostics() -> str:
    """Return a section for each code, alphabetically within its family."""
    names = sorted(module.name for module in pkgutil.iter_modules(rules.__path__))
    modules = [import_module(f"lxdimage.rules.{name}") for name in names]
    return "\n".join(_family(module) for module in modules if hasattr(module, "RULES"))


def _family(module: ModuleType) -> str:
    own: list[Rule] = sorted(module.RULES, key=lambda rule: rule.code)
    title = (module.__doc__ or "").strip().removeprefix("Codes of findings about ").rstrip(".")
    return f"## {title[:1].upper()}{title[1:]}\n\n" + "\n".join(map(_section, own))


def _section(rule: Rule) -> str:
    severity = f"*{rule.severity.value}*, an error where the target refuses because of it."
    if rule.severity.value == "error":
        severity = "*error*"
    hint = f"\n\nHint: {rule.hint}." if rule.hint else ""
    return f"({rule.code})=\n### `{rule.code}`\n\n{rule.title}.\n\n{severity}\n\n{rule.explanation.strip()}{hint}\n"


def cli() -> str:
    """Return each verb's help."""
    return "\n".join(f"## {verb}\n\n```text\n{_help(verb)}```\n" for verb in VERBS)


def _help(verb: str) -> str:
    environment = {**os.environ, "COLUMNS": "96", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "lxdimage", verb, "--help"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return done.stdout
