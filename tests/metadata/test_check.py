"""The verdict of each daemon, what it decodes, and where findings point."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lxdimage import (
    Architecture,
    Diagnostic,
    InvalidMetadataError,
    Metadata,
    Severity,
    Stage,
    Target,
    TemplateRule,
    check_metadata,
    parse_metadata,
)
from lxdimage.diagnostics import Position, Span
from lxdimage.metadata import CheckedMetadata, check_documents

IMAGES = Path(__file__).parent.parent / "corpus" / "images"
HEAD = "architecture: x86_64\ncreation_date: 1600000000\nproperties:\n  os: debian\n"
RULE = "templates:\n  /etc/x:\n    when: [create]\n    template: x.tpl\n"


def codes(checked: CheckedMetadata, stage: Stage | None = None) -> list[str]:
    return [found.code for found in checked.diagnostics if stage is None or found.stage is stage]


# ── recorded images ──────────────────────────────────────────────────────────────────────────────────────────────────


def metadata_of(case: dict[str, Any]) -> bytes | None:
    """Return the metadata.yaml of an image that is an uncompressed tar with just one in front of its root."""
    try:
        with tarfile.open(IMAGES / case["id"] / case["args"][0], "r:") as tar:
            members = tar.getmembers()
            found = [member for member in members if member.name.removeprefix("./") == "metadata.yaml"]
            if len(found) != 1 or not found[0].isreg() or not any("rootfs" in m.name for m in members):
                return None
            content = tar.extractfile(found[0])
            assert content is not None
            return content.read()
    except tarfile.TarError:
        return None


def recorded() -> Iterator[Any]:
    cases = json.loads((IMAGES / "cases.json").read_text(encoding="utf-8"))
    for case in cases:
        if case["id"].startswith(("yaml-", "cdate-", "edate-", "prop-", "arch-", "tpl-")):
            text = metadata_of(case)
            if text is not None and not {"form", "poison", "props"} & case.keys():
                yield pytest.param(text, case["verdicts"], id=case["id"])


RECORDED = list(recorded())


def test_there_are_recorded_images() -> None:
    assert len(RECORDED) > 150


@pytest.mark.parametrize(("text", "verdicts"), RECORDED)
def test_the_verdict_and_the_values_are_those_of_the_daemon(text: bytes, verdicts: dict[str, Any]) -> None:
    for target in Target:
        verdict = verdicts.get(target.value)
        if verdict is None:
            continue
        checked = check_metadata(text, target=target)
        assert verdict["accepted"] == (Stage.IMPORT not in {f.stage for f in checked.diagnostics}), target
        if verdict["accepted"]:
            assert checked.metadata is not None
            assert (verdict["architecture"], verdict.get("properties") or {}) == (
                str(checked.metadata.architecture),
                {key: value.split("\0")[0] for key, value in checked.metadata.properties.items()}
                if "created_at" in verdict  # read back from a daemon's database
                else checked.metadata.properties,
            )


@pytest.mark.parametrize(("text", "verdicts"), RECORDED)
def test_what_metadata_alone_says_of_the_start_is_true(text: bytes, verdicts: dict[str, Any]) -> None:
    """Other reasons to fail are in the archive; but no image that starts is said not to."""
    for target in Target:
        if verdicts.get(target.value, {}).get("starts"):
            assert [] == codes(check_metadata(text, target=target), Stage.START)


# ── several files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_several_files_make_one_record() -> None:
    checked = check_documents(
        [HEAD.encode(), b"properties: {release: '12'}\n", RULE.encode()], target=Target.INCUS
    )
    assert checked.metadata == Metadata(
        architecture=Architecture.X86_64,
        creation_date=1600000000,
        properties={"os": "debian", "release": "12"},
        templates={"/etc/x": TemplateRule(template="x.tpl", when=["create"])},
    )


def test_a_value_of_a_later_file_points_into_that_file() -> None:
    checked = check_documents([HEAD.encode(), b"\n\nproperties: {os: ''}\n"])
    (finding,) = checked.diagnostics
    assert ("empty-property", 3, "properties: {os: ''}") == (finding.code, finding.line, finding.excerpt)
    assert checked.excerpt(checked.spans["properties", "os"]) == "properties: {os: ''}"
    assert checked.excerpt(checked.spans["architecture",]) == "architecture: x86_64"


@pytest.mark.parametrize("target", Target)
def test_a_broken_file_is_fatal_wherever_it_stands(target: Target) -> None:
    for texts in ([b"[", HEAD.encode()], [HEAD.encode(), b"["], [HEAD.encode(), b""]):
        checked = check_documents(texts, target=target)
        assert checked.metadata is None
        assert codes(checked, Stage.IMPORT)


def test_no_file_at_all_is_no_metadata() -> None:
    assert CheckedMetadata(None, ()) == check_documents([])


# ── spans ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_spans_tell_where_values_and_rules_are() -> None:
    checked = check_metadata(HEAD + RULE)
    line = "    template: x.tpl"
    span = checked.spans["templates", "/etc/x", "template"]
    assert (Span(Position(8, 15), Position(8, 20)), line) == (span, checked.excerpt(span))
    assert Span(Position(6, 3), Position(6, 9)) == checked.spans["templates", "/etc/x"]
    assert Span(Position(7, 12), Position(7, 18)) == checked.spans["templates", "/etc/x", "when", "0"]
    assert ("templates", "/etc/y") not in checked.spans
    assert len(checked.spans) == len(list(checked.spans))
    assert CheckedMetadata(None, ()).excerpt(span) is None


def test_columns_count_characters() -> None:
    (finding,) = check_metadata(HEAD + "  \u00e9\U0001f600: ''\n").diagnostics
    assert (5, 7) == (finding.line, finding.column)


def test_findings_stand_in_the_order_of_the_text() -> None:
    checked = check_metadata("os: a\nproperties: {a: ''}\narchitecture: amd64\ncreation_date: 1\nx: y\n")
    places = [(found.line, found.column) for found in checked.diagnostics]
    assert sorted(places, key=str) == places
    assert all(found.excerpt is not None and found.source == "metadata.yaml" for found in checked.diagnostics)


# ── limits of the report ─────────────────────────────────────────────────────────────────────────────────────────────


def test_findings_of_one_kind_are_bounded() -> None:
    text = HEAD + "".join(f"  k{number}: ''\n" for number in range(150))
    found = check_metadata(text, name="m").diagnostics
    assert ["empty-property"] * 101 == [finding.code for finding in found]
    assert ("50 more findings of this kind are left out", "m", None) == (
        found[-1].message,
        found[-1].source,
        found[-1].span,
    )


def test_a_bound_never_hides_a_refusal() -> None:
    rules = "".join(f"  /x{number}: {{template: ''}}\n" for number in range(150))
    checked = check_metadata(f"{HEAD}templates:\n{rules}  /y: {{when: [start]}}\n")
    assert ["template-without-file"] == codes(checked, Stage.START)


# ── expiry ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (None, []),
        (datetime(2023, 11, 14, 22, 13, 19, tzinfo=UTC), []),
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), ["expired"]),
        (datetime(2023, 11, 14, 22, 13, 20), ["expired"]),
    ],
)
def test_an_image_expires_at_its_expiry_date(now: datetime | None, expected: list[str]) -> None:
    assert expected == codes(check_metadata(HEAD + "expiry_date: 1700000000\n", now=now))


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

MIB = 1 << 20


def padded(size: int) -> bytes:
    text = HEAD.encode()
    return text + b"#" * (size - len(text) - 1) + b"\n"


@pytest.mark.parametrize("target", Target)
def test_one_mebibyte_is_fine_and_a_byte_more_is_not(target: Target) -> None:
    assert [] == codes(check_metadata(padded(MIB), target=target))
    assert ["yaml-too-large"] == codes(check_metadata(padded(MIB + 1), target=target), Stage.IMPORT)
    assert ["yaml-too-large"] == codes(check_metadata(padded(3 * MIB), target=target), Stage.IMPORT)


@pytest.mark.parametrize(
    ("target", "expected"),
    [(Target.LXD_5_0, []), (Target.LXD, []), (Target.INCUS_6_0, []), (Target.INCUS, ["yaml-too-large"])],
)
def test_only_the_newer_generation_reads_beyond_the_first_document(
    target: Target, expected: list[str]
) -> None:
    text = HEAD.encode() + b"---\n" + b"x: y\n" * 300_000
    assert expected == codes(check_metadata(text[: MIB + 1], target=target), Stage.IMPORT)


# ── parse ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parse_gives_the_metadata_that_check_gives() -> None:
    assert check_metadata(HEAD + RULE).metadata == parse_metadata((HEAD + RULE).encode())


def test_parse_raises_with_every_reason() -> None:
    with pytest.raises(InvalidMetadataError) as caught:
        parse_metadata("architecture: vax\nos: a\nproperties: [a]\n", name="m.yaml", target=Target.INCUS)
    found: tuple[Diagnostic, ...] = caught.value.diagnostics
    assert ["missing-creation-date", "unknown-architecture", "wrong-type"] == [f.code for f in found]
    assert all(
        f.stage is Stage.IMPORT and f.severity is Severity.ERROR and f.source == "m.yaml" for f in found
    )


def test_a_date_that_cannot_be_read_back_is_refused_though_it_decodes() -> None:
    text = HEAD.replace("1600000000", "1600000000000")
    checked = check_metadata(text)
    assert checked.metadata is not None
    assert 1600000000000 == checked.metadata.creation_timestamp
    with pytest.raises(InvalidMetadataError, match="beyond the year 9999"):
        parse_metadata(text)


def test_lone_surrogates_in_text_are_not_utf_8() -> None:
    assert ["yaml-characters"] == codes(check_metadata(HEAD + "  a: \ud800\n"))


@pytest.mark.parametrize("tag", ["!<!!null>", "!<!!int>", "!%21null", "!foo"])
def test_a_short_tag_that_is_written_out_means_nothing(tag: str) -> None:
    head = "architecture: x86_64\ncreation_date: 1600000000\n"
    checked = check_metadata(f"{head}properties: {{k: {tag} ~}}\n")
    assert checked.metadata is not None
    assert dict(checked.metadata.properties) == {"k": "~"}
    date = check_metadata(f"architecture: x86_64\ncreation_date: {tag} 1\n")
    assert "wrong-type" in codes(date, Stage.IMPORT)
