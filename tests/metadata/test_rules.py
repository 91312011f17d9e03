"""
Findings about metadata.yaml: each file of ``tests/corpus/metadata/findings`` with what is said for every target.

``LXDIMAGE_UPDATE_CORPUS=1`` writes the expected texts anew, for review.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lxdimage import Severity, Stage, Target, check_metadata
from lxdimage.diagnostics import render
from lxdimage.rules import RULES, Rule
from lxdimage.rules import _metadata as family

CORPUS = Path(__file__).parent.parent / "corpus" / "metadata" / "findings"
CASES = sorted(CORPUS.glob("*.yaml"))
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def findings_of(path: Path) -> str:
    """Return the verdict and the findings for every target; targets for which all is the same share them."""
    groups: dict[str, list[str]] = {}
    for target in Target:
        checked = check_metadata(path.read_bytes(), target=target, now=NOW)
        refused = any(finding.stage is Stage.IMPORT for finding in checked.diagnostics)
        lines = ["refused" if refused else "accepted", *map(render, checked.diagnostics)]
        groups.setdefault("\n".join(lines), []).append(target.value)
    return "\n".join(f"== {' '.join(targets)}: {text}\n" for text, targets in groups.items())


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_finding_is_said_where_it_is(path: Path) -> None:
    expected = path.with_suffix(".txt")
    if os.environ.get("LXDIMAGE_UPDATE_CORPUS"):
        expected.write_text(findings_of(path), encoding="utf-8")
    assert expected.read_text(encoding="utf-8") == findings_of(path)


def test_every_code_of_the_family_is_shown_by_a_case() -> None:
    elsewhere = {"immutable-field", "yaml-too-large"}  # a refused change, and a file of a mebibyte
    shown = "".join(path.read_text(encoding="utf-8") for path in CORPUS.glob("*.txt"))
    assert elsewhere == {rule.code for rule in family.RULES if f"[{rule.code}]" not in shown}


def test_every_expectation_belongs_to_a_case() -> None:
    assert {path.stem for path in CASES} == {path.stem for path in CORPUS.glob("*.txt")}


@pytest.mark.parametrize("rule", family.RULES, ids=lambda rule: rule.code)
def test_every_code_is_explained(rule: Rule) -> None:
    assert RULES[rule.code] is rule
    assert not rule.title.endswith(".")
    assert all(line.endswith((".", ":")) for line in rule.explanation.strip().splitlines())
    assert rule.severity is not Severity.ERROR or re.search("refuse|fail|error", rule.explanation)
