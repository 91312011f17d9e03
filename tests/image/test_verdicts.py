"""
Verdicts equal those of real daemons: every recorded case, for all four targets.

``tests/corpus/images/cases.json`` holds what LXD 5.0.2 and Incus 6.0.4 did with each image, and what today's import
code of both makes of its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lxdimage import InvalidImageError, Metadata, Scan, Stage, Target, scan_targets

CORPUS = Path(__file__).parent.parent / "corpus" / "images"
CASES: list[dict[str, Any]] = json.loads((CORPUS / "cases.json").read_text(encoding="utf-8"))
DECIDED = [case for case in CASES if not {"form", "poison", "props"} & case.keys()]
UNDECIDED = [case for case in CASES if {"form", "poison", "props"} & case.keys()]


def scans_of(case: Mapping[str, Any]) -> Mapping[Target, Scan]:
    """Scan the files of a case for all targets."""
    return scan_targets(*(CORPUS / case["id"] / name for name in case["args"]))


def shown_date(timestamp: int, none: str, target: Target) -> str:
    """Return a date as the daemon's API shows it."""
    if timestamp == 0 or (timestamp < 0 and not target.traits.signed_dates):
        return none
    return (datetime(1970, 1, 1) + timedelta(seconds=timestamp)).isoformat() + "Z"


def facts_of(metadata: Metadata, scan: Scan, target: Target) -> dict[str, object]:
    """Return all that a daemon may have recorded of an accepted image."""
    assert scan.image is not None
    return {
        "fingerprint": scan.fingerprint.hex,
        "size": scan.size,
        "type": scan.image.type.value,
        "architecture": str(metadata.architecture),
        "properties": dict(metadata.properties),
        "creation_date": metadata.creation_timestamp,
        "expiry_date": metadata.expiry_timestamp,
        "created_at": shown_date(metadata.creation_timestamp, "0001-01-01T00:00:00Z", target),
        "expires_at": shown_date(metadata.expiry_timestamp, target.traits.no_date, target),
    }


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case["id"])
def test_the_import_verdict_and_every_decoded_value_equal_the_daemons(case: dict[str, Any]) -> None:
    for target, scan in scans_of(case).items():
        recorded = case["verdicts"].get(target.value)
        if recorded is None:
            continue
        assert recorded["accepted"] == scan.accepted, (target, recorded.get("error"), scan.diagnostics)
        assert (scan.image is not None) == scan.accepted
        if scan.image is not None:
            facts = facts_of(scan.image.metadata, scan, target)
            expected = {key: value for key, value in recorded.items() if key in facts}
            assert expected == {key: facts[key] for key in expected}, target


@pytest.mark.parametrize("case", DECIDED, ids=lambda case: case["id"])
def test_the_creation_and_start_verdicts_equal_the_daemons(case: dict[str, Any]) -> None:
    for target, scan in scans_of(case).items():
        recorded = case["verdicts"].get(target.value, {})
        if "creates" in recorded:
            assert recorded["creates"] == scan.creates, (target, scan.diagnostics)
        if "starts" in recorded:
            refused = any(diagnostic.stage is Stage.START for diagnostic in scan.diagnostics)
            assert recorded["starts"] == (scan.creates and not refused), (target, scan.diagnostics)


@pytest.mark.parametrize("case", UNDECIDED, ids=lambda case: case["id"])
def test_what_a_file_alone_does_not_decide_ends_in_a_scan_or_our_error(case: dict[str, Any]) -> None:
    if len(case["args"]) > 2:
        with pytest.raises(InvalidImageError):
            scans_of(case)
        return
    for target, scan in scans_of(case).items():
        assert target is scan.target
        assert scan.accepted == (scan.image is not None)
