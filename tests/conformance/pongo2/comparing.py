"""
Random templates through both engines.

Run as a program it compares as many as asked for, shrinks what differs, and prints it:

    python -m conformance.pongo2.comparing --profile tags --count 20000 --seed 7
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

import attrs

from conformance.pongo2.engine import Answer, Case, Engine, engine
from conformance.pongo2.writing import PROFILES, write
from lxdimage.errors import LimitExceededError, LXDImageError
from lxdimage.templates._daemon import DaemonVariables, TemplateContext
from lxdimage.templates._engine import Template
from lxdimage.templates._meter import Chance
from lxdimage.templates._values import Value
from templates.typed import read_values

__all__ = ["Difference", "compare", "render", "shrink"]

_REPEATS = 6


@attrs.frozen(kw_only=True)
class Difference:
    """A case on which the engines disagree."""

    case: Case
    theirs: Answer
    ours: Answer

    def __str__(self) -> str:
        return f"{self.case.template!r}\n  theirs {_shown(self.theirs)}\n  ours   {_shown(self.ours)}"


def _shown(answer: Answer) -> str:
    return repr(answer.output) if answer.output is not None else f"{answer.stage}: {answer.message}"


# -- our side


def _variables(case: Case) -> Mapping[str, Value]:
    if case.mode == "bare":
        return read_values(case.variables)
    given = dict(case.variables)
    given["properties"] = given["properties"] or {}
    return DaemonVariables(TemplateContext(**given))


def render(case: Case) -> tuple[Answer, bool]:
    """Return what our engine makes of *case*, and whether chance can show in it."""
    stage = "parse"
    try:
        template = Template.parse(case.template, wrapped=case.mode == "daemon", autoescape=case.autoescape)
        stage = "execute"
        done = template.run(_variables(case))
    except LimitExceededError as error:
        return Answer(output=None, stage="limit", message=str(error)), False
    except LXDImageError as error:
        return Answer(output=None, stage=stage, message=str(error)), False
    return Answer(output=done.output), bool(done.depends_on & {Chance.MAP_ORDER, Chance.RANDOM})


# -- both sides

# The engine never comes back from this.
_ENDLESS = re.compile(r"endcomment\b(?!\s*-?%\})")


def compare(theirs: Engine, case: Case) -> Difference | str:
    """Return how the engines differ on *case*, or a word for why they do not."""
    if _ENDLESS.search(case.template):
        return "endless"
    ours, by_chance = render(case)
    answer = theirs.ask(case)
    if answer.outcome == ours.outcome:
        return "same" if answer.output is not None else "both fail"
    if answer.stage == "lost" or ours.stage == "limit":
        return "limit"
    if by_chance or any(theirs.ask(case).outcome != answer.outcome for _ in range(_REPEATS)):
        return "chance"
    return Difference(case=case, theirs=answer, ours=ours)


def shrink(theirs: Engine, found: Difference, budget: int = 400) -> Difference:
    """Return a smaller case on which the engines differ in the same way."""
    kind = (found.theirs.stage, found.ours.stage)
    for pattern in (r"\{%.*?%\}|\{\{.*?\}\}|[^{]+|\{", r"\w+|\s+|.", r"."):
        parts = re.findall(pattern, found.case.template, re.DOTALL)
        at = 0
        while at < len(parts) and budget > 0:
            budget -= 1
            fewer = parts[:at] + parts[at + 1 :]
            smaller = compare(theirs, attrs.evolve(found.case, template="".join(fewer)))
            if isinstance(smaller, Difference) and (smaller.theirs.stage, smaller.ours.stage) == kind:
                found, parts = smaller, fewer
            else:
                at += 1
    return found


def differences(
    theirs: Engine, profile: str, seeds: range, series: str, counts: Counter[str]
) -> Iterator[Difference]:
    """Yield what differs; count the rest."""
    for index in seeds:
        result = compare(theirs, write(profile, f"{series}:{index}"))
        if isinstance(result, Difference):
            counts["different"] += 1
            yield result
        else:
            counts[result] += 1


def main() -> int:
    """Compare as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", choices=sorted(PROFILES), action="append")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--show", type=int, default=10)
    asked = parser.parse_args()
    failed = False
    with engine() as theirs:
        for profile in asked.profile or sorted(PROFILES):
            counts: Counter[str] = Counter()
            seeds = range(asked.start, asked.start + asked.count)
            for found in differences(theirs, profile, seeds, asked.seed, counts):
                failed = True
                if counts["different"] <= asked.show:
                    print(shrink(theirs, found), flush=True)
            print(f"{profile}, seed {asked.seed}: {dict(counts)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
