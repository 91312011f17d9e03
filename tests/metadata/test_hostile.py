"""Hostile text: refused or read in bounded time, and never an exception that is not ours."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage import InvalidMetadataError, Stage, Target, check_metadata, parse_metadata
from lxdimage.diagnostics import render

HEAD = "architecture: x86_64\ncreation_date: 1\nproperties: {}\n"
LEVELS = "bcdefghijklmn"


def laughs(first: str, more: Callable[[str], str], last: str) -> str:
    """Return a text whose aliases repeat *first* nine times nine times nine... times."""
    lines = [f"a: &a {first}"]
    for before, name in zip("a" + LEVELS, LEVELS, strict=False):
        lines.append(f"{name}: &{name} {more(', '.join(['*' + before] * 9))}")
    return HEAD + "\n".join(lines) + "\n" + last.format(LEVELS[-1])


def stages(text: str | bytes, target: Target) -> set[Stage | None]:
    return {finding.stage for finding in check_metadata(text, target=target).diagnostics}


BOTH = {Target.LXD, Target.INCUS}
SMALL: list[tuple[str, set[Target]]] = [
    (laughs("x", "[{}]".format, ""), BOTH),  # nobody decodes unknown keys
    (laughs("x", "[{}]".format, "templates: {{/x: {{when: *{}}}}}\n"), set()),
    (laughs("{x: y}", "{{<<: [{}]}}".format, "templates: {{/x: {{properties: *{}}}}}\n"), set()),
    (HEAD + "x: &x {a: b, <<: *x}\n<<: *x\n", set()),
    (HEAD + "templates: &t {/x: {properties: *t}}\n", set()),
    (HEAD + "x: " + "[" * 10_000 + "]" * 10_000 + "\n", BOTH),
    (HEAD + "x: " + "[" * 10_001 + "]" * 10_001 + "\n", set()),
    (HEAD + "x: " + "{a: " * 5_000 + "}" * 5_000 + "\n", BOTH),
    (HEAD + "x:\n  " + "- " * 9_000 + "\n", BOTH),
    (HEAD + "x:\n  " + "- " * 10_001 + "\n", set()),
    (HEAD + "x: " + "[? " * 3_000 + "]" * 3_000 + "\n", set()),
    (HEAD + "templates: " + "{<<: " * 5_000 + "{}" + "}" * 5_000 + "\n", BOTH),
    ("[" * 50_000, set()),
    ("{" * 50_000, set()),
    ("- " * 50_000, set()),
    ("? " * 50_000, set()),
    ("&a " * 20_000, set()),
    ("!a" * 20_000, set()),
    ("'" * 50_001, set()),
    (HEAD + "x: " + "1" * 50_000 + "\n", BOTH),
    (HEAD.replace(": 1", ": " + "1" * 50_000), set()),
    (HEAD.replace(": 1", ": 0x" + "1" * 50_000), set()),
    (HEAD.replace(": 1", ": 1." + "1" * 50_000), {Target.LXD}),
    (HEAD + "x: |\n" + " " * 50_000 + "\n", BOTH),
    (HEAD + '"' + "k" * 50_000 + '": v\n', {Target.INCUS}),
]


@pytest.mark.parametrize(("text", "accepting"), SMALL, ids=range(len(SMALL)))
def test_a_small_text_takes_little_time(text: str, accepting: set[Target]) -> None:
    """The verdicts are those of the daemons' own libraries."""
    begin = time.process_time()
    assert accepting == {target for target in BOTH if Stage.IMPORT not in stages(text, target)}
    assert time.process_time() - begin < 10


def test_only_so_many_unknown_keys_are_compared_with_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    really = difflib.get_close_matches

    def counting(word: str, words: Iterable[str], n: int, cutoff: float) -> list[str]:
        nonlocal compared
        compared += 1
        return really(word, words, n, cutoff)

    monkeypatch.setattr("difflib.get_close_matches", counting)
    check_metadata("".join(f"other{number}: 1\n" for number in range(3000)))
    # Once for what is missing, each of two keys, and once for what is unknown.
    assert 0 < compared <= 3 * 1000


def test_many_merges_in_a_row_are_followed() -> None:
    chain = "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 1000))
    text = f"{HEAD}a0: &a0 {{expiry_date: 7}}\n{chain}<<: *a999\n"
    for target in (Target.LXD, Target.INCUS):
        assert 7 == parse_metadata(text, target=target).expiry_timestamp


def test_findings_of_a_long_line_share_it() -> None:
    text = "{architecture: x86_64, creation_date: 1, " + ", ".join(f"k{n}: v" for n in range(1000)) + "}"
    found = check_metadata(text).diagnostics
    assert 100 < len(found) < 110
    assert 1 == len({id(finding.excerpt) for finding in found if finding.excerpt})


def test_long_values_are_cut_in_messages() -> None:
    found = check_metadata(
        f"architecture: {'x' * 100_000}\n{'k' * 500}: v\ncreation_date: {'y' * 10_000}\n"
    ).diagnostics
    assert found
    assert all(len(finding.message) < 300 for finding in found)
    assert all(len(render(finding)) < 3000 for finding in found)


# ── any text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

# fmt: off
_PIECES = st.sampled_from((
    "architecture:", "creation_date:", "expiry_date:", "properties:", "templates:", "when:", "template:", "/x",
    "create_only:", " x86_64", " 1", "\n", "\n  ", "\n    ", "- ", "? ", ": ", ", ", "[", "]", "{", "}", "&a ", "*a ",
    "<<: ", "!!str ", "!!binary ", "!x ", "'", '"', "\\", "#", " ", "\t", "\r", "---\n", "...\n", "%YAML 1.1\n", "~",
    "%TAG ! a\n", "null", "2020-01-01", ".5", "0x1", "yes", "\x85", "\u2028", "\ufeff", "\x7f", "\0", "\ud800",
    "\U0001f600", ">", "|-\n",
))
# fmt: on


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.lists(_PIECES, max_size=25).map("".join)))
def test_parsing_anything_gives_metadata_or_our_error(text: str | bytes) -> None:
    for target in (Target.LXD, Target.INCUS):
        checked = check_metadata(text, target=target)
        refused = any(finding.stage is Stage.IMPORT for finding in checked.diagnostics)
        assert refused or checked.metadata is not None
        for finding in checked.diagnostics:
            render(finding)
        try:
            metadata = parse_metadata(text, target=target)
        except InvalidMetadataError as error:
            assert refused == bool(error.diagnostics)
        else:
            assert metadata == checked.metadata


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=3))
def test_a_damaged_text_gives_metadata_or_findings(at: int, damage: bytes) -> None:
    text = (HEAD + "templates:\n  /x: {when: [create], template: a}\n").encode()
    damaged = text[: at % len(text)] + damage + text[at % len(text) + len(damage) :]
    for target in (Target.LXD_5_0, Target.INCUS):
        checked = check_metadata(damaged, target=target)
        assert checked.metadata is not None or checked.diagnostics
