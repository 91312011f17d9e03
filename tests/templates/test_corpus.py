"""Every recorded template gives what the real engines gave, byte for byte."""

from __future__ import annotations

from collections import Counter

import pytest

from lxdimage.errors import LXDImageError
from lxdimage.templates import Chance, Dialect, Template
from templates.recorded import Recorded, read_cases

FILES = ("lxd_real.jsonl", "semantics.jsonl", "found.jsonl")
CASES = list(read_cases(*FILES))
GROUPS = sorted({case.id.split("/")[0] for case in CASES})
DIALECTS = {"lxd": Dialect.V4, "v4": Dialect.V4, "v6": Dialect.V6}

# Where the engines end the daemon or never come back: here an error says so, at whatever stage.
HAZARDS = {"crash", "timeout"}


def outcome(case: Recorded, engine: str) -> tuple[bytes | None, str]:
    """Return the output, or None, and the stage that was reached."""
    stage = "parse"
    try:
        template = Template.parse(case.template, dialect=DIALECTS[engine], wrapped=case.mode == "daemon")
        stage = "execute"
        return template.render(case.variables()), stage
    except LXDImageError:
        return None, stage


def difference(case: Recorded, engine: str) -> str | None:
    """Return how the outcome differs from what was recorded, or None."""
    wanted = case.outputs(engine)
    output, stage = outcome(case, engine)
    if wanted is None:
        recorded = case.stage(engine)
        if output is not None:
            return f"{case.id}: {output!r} instead of an error"
        return None if recorded in {stage, *HAZARDS} else f"{case.id}: fails at {stage}, not at {recorded}"
    if case.accident in {"time", "random"}:
        return None if output is not None else f"{case.id}: an error"
    return None if output in wanted else f"{case.id}: {output!r} instead of {wanted[0]!r}"


@pytest.mark.parametrize("engine", ["lxd", "v6"])
@pytest.mark.parametrize("group", GROUPS)
def test_outcomes_equal_the_recorded_ones(group: str, engine: str) -> None:
    cases = [case for case in CASES if case.id.split("/")[0] == group]
    assert [found for case in cases if (found := difference(case, engine))] == []


def test_the_version_is_the_one_difference_of_the_release_from_lxd() -> None:
    assert [case.id for case in CASES if "lxd" in case.results] == ["literal.keyword/039"]


def test_output_that_depends_on_map_order_is_marked() -> None:
    for case in CASES:
        if case.accident == "map-order" and len(case.outputs("lxd") or ()) > 1:
            rendered = Template.parse(case.template, wrapped=case.mode == "daemon").run(case.variables())
            assert Chance.MAP_ORDER in rendered.depends_on, case.id


def test_every_tag_is_in_the_corpus() -> None:
    seen = Counter(word for case in CASES for word in case.template.split())
    tags = [
        "autoescape",
        "block",
        "comment",
        "cycle",
        "filter",
        "firstof",
        "for",
        "if",
        "ifchanged",
        "ifequal",
    ]
    tags += ["ifnotequal", "lorem", "macro", "now", "set", "spaceless", "templatetag", "widthratio", "with"]
    assert [tag for tag in tags if not seen[tag.encode()]] == []
