"""
Decoding equals that of the daemons' YAML libraries.

``tests/corpus/metadata/decoding.json`` and ``yaml-scalars.json`` hold what the libraries themselves made of each text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from lxdimage.metadata._decode import Record
from lxdimage.metadata._reading import Reading, read_documents

CORPUS = Path(__file__).parent.parent / "corpus" / "metadata"
ROWS: list[dict[str, Any]] = json.loads((CORPUS / "decoding.json").read_text(encoding="utf-8"))["rows"]
SCALARS: list[dict[str, str]] = json.loads((CORPUS / "yaml-scalars.json").read_text(encoding="utf-8"))["rows"]
HEAD = "architecture: x86_64\ncreation_date: 1\n"


def read(*texts: str, generation: int = 2) -> Reading:
    data = [text.encode("utf-8", "surrogateescape") for text in texts]
    return read_documents(data, generation, name="metadata.yaml")


def shown(reading: Reading) -> dict[str, Any] | None:
    """Return what was decoded as the corpus has it: None for a refused text."""
    if reading.refused:
        return None
    return attrs.asdict(reading.record, filter=attrs.filters.exclude(attrs.fields(Record).places))


@pytest.mark.parametrize("generation", [2, 4])
def test_every_recorded_text_decodes_alike(generation: int) -> None:
    different = [
        (row["text"], row[f"v{generation}"], shown(read(row["text"], generation=generation)))
        for row in ROWS
        if row[f"v{generation}"] != shown(read(row["text"], generation=generation))
    ]
    assert [] == different


# ── scalars ──────────────────────────────────────────────────────────────────────────────────────────────────────────

PLACES = {
    "as_string": "architecture: x\ncreation_date: 1\nproperties:\n  x: {}\n",
    "as_int64": "architecture: x\ncreation_date: {}\n",
    "as_bool": "architecture: x\n\ntemplates: {{/x: {{create_only: {}}}}}\n",
    "as_architecture": "architecture: {}\n",
}


def decoded(place: str, record: Record) -> object:
    match place:
        case "as_string":
            return (record.properties or {})["x"]
        case "as_int64":
            return record.creation_date
        case "as_bool":
            rule = (record.templates or {})["/x"]
            return rule is not None and rule.create_only
        case _:
            return record.architecture


def recorded(cell: str, generation: int) -> str:
    """Return what the corpus says about one generation."""
    both = re.fullmatch(r"v2 (.*?) / v4 (.*)", cell, re.DOTALL)
    return both[{2: 1, 4: 2}[generation]] if both else cell


@pytest.mark.parametrize("generation", [2, 4])
@pytest.mark.parametrize("place", PLACES)
def test_every_recorded_scalar_decodes_alike(place: str, generation: int) -> None:
    different = []
    for row in SCALARS:
        reading = read(PLACES[place].format(row["yaml"]), generation=generation)
        expected = recorded(row[place], generation)
        ours = "ERR" if reading.refused else repr(decoded(place, reading.record))
        if ours not in {expected[:3], expected, expected.capitalize()}:
            different.append((row["yaml"], expected, ours))
    assert [] == different


# ── several files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_later_files_replace_values_and_add_to_maps() -> None:
    reading = read(
        HEAD + "properties: {os: a, release: b}\ntemplates: {/x: {when: [create], template: t}}\n",
        "creation_date: 2\nproperties: {os: c, variant: d}\ntemplates: {/x: {template: u}, /y: ~}\n",
    )
    record = reading.record
    assert ("x86_64", 2) == (record.architecture, record.creation_date)
    assert {"os": "c", "release": "b", "variant": "d"} == record.properties
    assert record.templates is not None
    rule = record.templates["/x"]
    assert rule is not None
    assert ([], "u") == (rule.when, rule.template)  # rules are replaced as a whole
    assert record.templates["/y"] is None


@pytest.mark.parametrize("bad", ["[", "", "properties: x\n", "%YAML 1.2\n---\n"])
def test_a_file_that_is_refused_ends_the_reading(bad: str) -> None:
    assert read(bad, HEAD).refused
    assert read(HEAD, bad).refused


@pytest.mark.parametrize(("generation", "architecture"), [(2, ""), (4, "x86_64")])
def test_a_null_document_clears_the_record_of_the_older_generation(
    generation: int, architecture: str
) -> None:
    assert architecture == read(HEAD, "~\n", generation=generation).record.architecture


# ── what only some daemons read ──────────────────────────────────────────────────────────────────────────────────────


def test_permissions_of_a_wrong_type_matter_only_where_they_are_read() -> None:
    text = (HEAD + "templates: {/x: {mode: [7], uid: 5}}\n").encode()
    assert read_documents([text], 2, name="m").refused
    reading = read_documents([text], 2, name="m", file_permissions=False)
    assert not reading.refused
    assert ["templates['/x'].mode must be text, but is a list"] == [
        problem.message for problem in reading.notes[0].ignored
    ]


@pytest.mark.parametrize(
    ("offset", "refused"), [("+01:30", True), ("-24:60", True), ("+25:00", False), ("+01:61", False)]
)
def test_a_time_zone_of_more_than_a_day_makes_no_date(offset: str, refused: bool) -> None:
    """The daemons' Go checks offsets; Go 1.19, with which the texts were recorded, did not."""
    text = f"{HEAD}properties: {{a: 2020-01-01T10:00:00{offset}}}\n"
    assert refused == read(text, generation=4).refused
