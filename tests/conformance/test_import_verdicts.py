"""`scan_image` says of an image what a real daemon says of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.daemons import Daemon, DaemonError, Verdict
from conformance.samples import FIXED, Sample, random_sample
from lxdimage import Scan, Stage, scan_image

# LXDIMAGE_CONFORMANCE_SEED=N tries other random images than the usual ones, LXDIMAGE_CONFORMANCE_COUNT more of them.
_SEED = int(os.environ.get("LXDIMAGE_CONFORMANCE_SEED", "0"))
_COUNT = int(os.environ.get("LXDIMAGE_CONFORMANCE_COUNT", "120"))
RANDOM = [random_sample(_SEED * 1_000_000 + number) for number in range(_COUNT)]


def _write(sample: Sample, directory: Path) -> list[Path]:
    """Write an image's files under names that tell nothing."""
    files = sample.make()
    paths = [directory / f"part{number}" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    return paths


def _instant(timestamp: int | None) -> str:
    """Return Unix seconds as the daemons print them; Go's zero time stands for none."""
    if timestamp is None:
        return "0001-01-01T00:00:00Z"
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _record_of(scan: Scan) -> dict[str, Any]:
    """Return what the library knows of an image in the daemon's words."""
    assert scan.image is not None
    metadata = scan.image.metadata
    return {
        "type": scan.image.type.value,
        "architecture": str(metadata.architecture),
        "creation_timestamp": metadata.creation_timestamp,
        "properties": {key: value.split("\0")[0] for key, value in metadata.properties.items()},
        "size": scan.size,
    }


def _record_told(verdict: Verdict) -> dict[str, Any]:
    """Return the same of what the daemon told."""
    told = {key: verdict.record[key] for key in ("type", "architecture", "properties", "size")}
    return {**told, "created_at": verdict.record["created_at"], "expires_at": verdict.record["expires_at"]}


def _difference(daemon: Daemon, scan: Scan, verdict: Verdict) -> str | None:
    """Return what the library and the daemon do not agree on, or None."""
    findings = "\n".join(map(str, scan.diagnostics))
    if scan.accepted != verdict.accepted:
        return f"accepted: ours {scan.accepted}, theirs {verdict.accepted} ({verdict.error})\n{findings}"
    if not verdict.accepted:
        return None
    if scan.fingerprint.hex != verdict.fingerprint:
        return f"fingerprint: ours {scan.fingerprint.hex}, theirs {verdict.fingerprint}"
    ours, theirs = _record_of(scan), _record_told(verdict)
    signed = daemon.target.traits.signed_dates
    created = ours.pop("creation_timestamp")
    ours["created_at"] = _instant(created if signed or created > 0 else None)
    expiry = scan.image.metadata.expiry_timestamp if scan.image else None
    ours["expires_at"] = _instant(expiry if expiry and (signed or expiry > 0) else (0 if signed else None))
    return None if ours == theirs else f"record: ours {ours}, theirs {theirs}\n{findings}"


@pytest.mark.parametrize("sample", [*FIXED, *RANDOM], ids=lambda sample: sample.name)
def test_import_and_creation_are_foretold(daemon: Daemon, sample: Sample, tmp_path: Path) -> None:
    """Verdict, fingerprint, type, architecture, dates and properties at import; then whether it unpacks."""
    paths = _write(sample, tmp_path)
    scan = scan_image(*paths, target=daemon.target)
    verdict = daemon.import_image(*paths)
    assert _difference(daemon, scan, verdict) is None
    if verdict.fingerprint is None:
        return
    try:
        if verdict.record["type"] == "container" and verdict.record["architecture"] in ("x86_64", "i686"):
            _compare_creation(daemon, scan, verdict.fingerprint)
    finally:
        daemon.delete_image(verdict.fingerprint)


def _compare_creation(daemon: Daemon, scan: Scan, fingerprint: str) -> None:
    foretold = [str(finding) for finding in scan.diagnostics if finding.stage is Stage.CREATE]
    refusal = None
    try:
        daemon.create("sample", fingerprint)
    except DaemonError as error:
        refusal = str(error)
    else:
        daemon.delete("sample")
    assert bool(foretold) == bool(refusal), f"foretold {foretold}, happened {refusal}"
