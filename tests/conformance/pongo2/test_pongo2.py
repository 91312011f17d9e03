"""
The engine against the real pongo2, on random templates.

How many of each profile, and from which seed, the environment may say: ``LXDIMAGE_FUZZ_COUNT`` and
``LXDIMAGE_FUZZ_SEED``.  What differs is shrunk first, and belongs into ``tests/corpus/templates/found.jsonl``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from conformance.pongo2.comparing import Difference, compare, differences, shrink
from conformance.pongo2.engine import Case, Engine, MissingEngineError, engine
from conformance.pongo2.writing import PROFILES
from conformance.programs import absent

COUNT = int(os.environ.get("LXDIMAGE_FUZZ_COUNT", "300"))
SEED = os.environ.get("LXDIMAGE_FUZZ_SEED", "conformance")

# A share of templates that render at all, or nothing much would be compared.
LEAST_RENDERED = 0.35


@pytest.fixture(scope="module")
def pongo2() -> Iterator[Engine]:
    """Return the real engine."""
    try:
        with engine() as running:
            yield running
    except MissingEngineError as missing:
        absent(str(missing))


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_random_templates_give_the_same(pongo2: Engine, profile: str) -> None:
    counts: Counter[str] = Counter()
    found = differences(pongo2, profile, range(COUNT), SEED, counts)
    assert [str(shrink(pongo2, different)) for different in found] == []
    assert counts["same"] >= LEAST_RENDERED * COUNT


def test_a_difference_is_noticed_and_shrunk(pongo2: Engine) -> None:
    """The comparison can fail: a value that is one thing here and another there shows."""
    theirs = pongo2.ask(Case(template="a{{ x }}b", mode="bare", variables={"x": {"int": 1}}))
    case = Case(
        template="some text {% if x %}{{ x }}{% endif %} more", mode="bare", variables={"x": {"int": 1}}
    )
    assert (theirs.output, compare(pongo2, case)) == (b"a1b", "same")
    differing = Case(template="some text {{ pongo2.version }} more", variables=_nothing())
    found = compare(pongo2, differing)
    assert isinstance(found, Difference)
    assert shrink(pongo2, found).case.template == "{{pongo2.version}}"


def _nothing() -> dict[str, object]:
    return {"trigger": "create", "path": "/", "instance": {}, "config": {}, "devices": {}, "properties": {}}


@pytest.mark.parametrize(
    "template", ["{% comment %}{% endcomment x %}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"]
)
def test_what_ends_the_engine_is_an_error_here(pongo2: Engine, template: str) -> None:
    case = Case(template=template, variables=_nothing())
    assert compare(pongo2, case) in {"endless", "limit"}
    assert pongo2.ask(Case(template="still there", variables=_nothing())).output == b"still there"
