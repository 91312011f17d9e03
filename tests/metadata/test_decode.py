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
from lxdimage.metadata._reading import DocumentReader, Reading

CORPUS = Path(__file__).parent.parent / "corpus" / "metadata"
ROWS: list[dict[str, Any]] = json.loads((CORPUS / "decoding.json").read_text(encoding="utf-8"))["rows"]
SCALARS: list[dict[str, str]] = json.loads((CORPUS / "yaml-scalars.json").read_text(encoding="utf-8"))["rows"]
HEAD = "architecture: x86_64\ncreation_date: 1\n"


def read(*texts: str, generation: int = 2) -> Reading:
    data = [text.encode("utf-8", "surrogateescape") for text in texts]
    return read_documents(data, generation)


def read_documents(texts: list[bytes], generation: int, *, file_permissions: bool = True) -> Reading:
    reader = DocumentReader(generation, name="m", file_permissions=file_permissions)
    for text in texts:
        reader.read(text)
    return reader.reading


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


@pytest.mark.parametrize(
    "permissions",
    ["mode: [7], uid: 5", "mode: {}", "uid: !!int x", "gid: !!binary '?'", "mode: !!null 0", "uid: &a [*a]"],
)
def test_permissions_that_are_no_text_matter_only_where_they_are_read(permissions: str) -> None:
    text = f"{HEAD}templates: {{/x: {{{permissions}}}}}\n".encode()
    assert read_documents([text], 2).refused
    assert not read_documents([text], 2, file_permissions=False).refused


@pytest.mark.parametrize(
    ("offset", "refused"), [("+01:30", True), ("-24:60", True), ("+25:00", False), ("+01:61", False)]
)
def test_a_time_zone_of_more_than_a_day_makes_no_date(offset: str, refused: bool) -> None:
    """The daemons' Go checks offsets; Go 1.19, with which the texts were recorded, did not."""
    text = f"{HEAD}properties: {{a: 2020-01-01T10:00:00{offset}}}\n"
    assert refused == read(text, generation=4).refused


# ── blocks of 512 bytes ──────────────────────────────────────────────────────────────────────────────────────────────

BLOCK = 512
END = f"{HEAD}...\n".encode()
_FILL = b"[" * (BLOCK - len(END))
BEHIND: dict[str, tuple[bytes, set[int]]] = {
    "a bad byte in the block that is read": (END + b"\xff" + _FILL, {2, 4}),
    "a bad byte in the next block": (END + _FILL + b"\xff", set()),
    "a bad character that the boundary cuts": (END + _FILL[1:] + b"\xc3A", set()),
    "a bad character before the boundary": (END + _FILL[2:] + b"\xc3A", {2, 4}),
    "a control character that the boundary cuts": (END + _FILL[1:] + "\ufffe".encode(), set()),
    "a control character before the boundary": (END + _FILL[3:] + "\ufffe".encode(), {2, 4}),
    "a byte that begins no character at the boundary": (END + _FILL[1:] + b"\xf8AAA", {2, 4}),
    "a character that the end of the file cuts": (END + b"[" * 9 + b"\xf0\x9f\x98", {2}),
    "one that the end cuts and the boundary as well": (END + _FILL[1:] + b"\xc3", {2}),
    "one that the end cuts in the next block": (END + _FILL + b"\xc3", set()),
}


@pytest.mark.parametrize(("text", "refusing"), BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("generation", [2, 4])
def test_what_is_no_text_behind_the_document_counts_in_the_block_in_which_it_shows(
    text: bytes, refusing: set[int], generation: int
) -> None:
    """The end of the file comes with the last block, but to the newer generation, which has all of it before."""
    assert (generation in refusing) == read_documents([text], generation).refused


@pytest.mark.parametrize(
    ("second", "refused"),
    [("\udc00", True), ("\ud800", False), ("\ud800\udc00", False), ("\x01", True)],
    ids=ascii,
)
@pytest.mark.parametrize("order", ["le", "be"])
def test_half_a_pair_of_surrogates_is_seen_with_its_other_half(
    order: str, second: str, refused: bool
) -> None:
    """The last two bytes of the block that is read may begin a pair."""
    text = f"\ufeff{HEAD}...\n"
    text = f"{text:#<255}{second}####"
    data = text.encode(f"utf-16-{order}", "surrogatepass")
    assert refused == read_documents([data], 2).refused


TWO_MARKS = "\ufeff\ufeff"
A, C = HEAD.splitlines()


@pytest.mark.parametrize("generation", [2, 4])
@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (f"\ufeff{A}\n{C}", False),
        (f"{TWO_MARKS}{A}\nx{C}", False),
        (f"{TWO_MARKS}\nx{A}\nx{C}", False),
        (f"{TWO_MARKS}{A}\n{'#' * BLOCK}\n {C}", False),
        (f"{TWO_MARKS}{A}\n{'#' * BLOCK}\nx{C}", True),
    ],
    ids=range(5),
)
def test_behind_two_byte_order_marks_each_line_of_the_first_block_loses_a_character(
    text: str, refused: bool, generation: int
) -> None:
    """The first line loses the second mark; the other lines are indented like it then."""
    reading = read(text, generation=generation)
    decoded = reading.record.architecture, reading.record.creation_date
    assert refused == (reading.refused or decoded != ("x86_64", 1))
