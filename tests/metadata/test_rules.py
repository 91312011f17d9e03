"""
Findings about metadata.yaml: each file of ``tests/corpus/metadata/findings`` with what is said for every target.

``LXDIMAGE_UPDATE_CORPUS=1`` writes the expected texts anew, for review.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lxdimage import Severity, Stage, Target, check_metadata
from lxdimage.diagnostics import render
from lxdimage.rules import RULES
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
