"""
Regular expressions mean the same on every Python from 3.11.0 on.

Before 3.11.5 a possessive group keeps what its last, failed repetition took.  A possessive repetition of a single
character is sound.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimage

_POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[0-9]*(?:,[0-9]*)?\})\+|\(\?>")


@pytest.mark.parametrize("text", ["(?:ab)++", "(?:ab|c)*+", "(a)?+", "(?:ab){2}+", "(?:ab){2,3}+", "(?>ab)"])
def test_possessive_groups_are_found(text: str) -> None:
    """The pattern of this test knows all forms."""
    assert _POSSESSIVE_GROUP.search(text)


def _patterns() -> Iterator[tuple[str, str]]:
    """Yield every regular expression that a module holds, with where it stands."""
    for module in pkgutil.walk_packages(lxdimage.__path__, "lxdimage."):
        if module.name != "lxdimage.__main__":
            for name, value in vars(importlib.import_module(module.name)).items():
                for pattern in value.values() if isinstance(value, dict) else (value,):
                    if isinstance(pattern, re.Pattern):
                        text = pattern.pattern
                        yield (
                            f"{module.name}.{name}",
                            text if isinstance(text, str) else text.decode("latin-1"),
                        )


def test_no_pattern_has_a_possessive_group() -> None:
    """Of all patterns that are made when a module is loaded."""
    found = dict(_patterns())
    assert len(found) > 50
    assert [name for name, pattern in found.items() if _POSSESSIVE_GROUP.search(pattern)] == []


def test_no_source_makes_a_group_possessive() -> None:
    """Of those that are made later, the text of the module tells."""
    sources = sorted(Path(lxdimage.__file__).parent.rglob("*.py"))
    assert [str(path) for path in sources if _POSSESSIVE_GROUP.search(path.read_text(encoding="utf-8"))] == []
