"""The recorded templates, and what is accepted as the same result."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from lxdimage.templates._daemon import DaemonVariables, TemplateContext
from lxdimage.templates._values import Value
from templates.typed import read_values

__all__ = ["Recorded", "read_cases"]

CORPUS = Path(__file__).parents[1] / "corpus" / "templates"


@attrs.frozen(kw_only=True)
class Recorded:
    """
    One recorded case.

    Attributes:
        id: Its name.
        template: The text.
        context: The variables as recorded.
        results: What each engine gave, by name.
        mode: ``daemon``, or ``bare`` for the language on its own.
        accident: ``map-order``, ``time`` or ``random`` when the result is one of many.
    """

    id: str
    template: bytes
    context: Mapping[str, Any]
    results: Mapping[str, Mapping[str, Any]]
    mode: str
    accident: str | None

    def variables(self) -> Mapping[str, Value]:
        """Return the variables; those of a daemon have their usual values when they are missing."""
        if self.mode == "bare":
            return read_values(self.context)
        given = {key: value for key, value in self.context.items() if value is not None}
        return DaemonVariables(TemplateContext(**given))

    def outputs(self, engine: str) -> list[bytes] | None:
        """Return the outputs that are accepted from *engine*, or None for an error."""
        result = self.results.get(engine, self.results["v4"])
        if not result["ok"]:
            return None
        return [_output(found) for found in (result, *result.get("any_of", ()))]

    def stage(self, engine: str) -> str:
        """Return where *engine* reported its error."""
        return str(self.results.get(engine, self.results["v4"])["stage"])


def _output(result: Mapping[str, Any]) -> bytes:
    if "output_b64" in result:
        return base64.b64decode(result["output_b64"])
    return str(result["output"]).encode()


def read_cases(*names: str) -> Iterator[Recorded]:
    """Yield the cases of some files, without those of older daemons."""
    for name in names:
        for line in (CORPUS / name).read_text(encoding="utf-8").split("\n"):
            case = json.loads(line) if line else {"mode": "nothing"}
            if case.get("mode", "bare") == "bare":
                yield _recorded(case)


def _recorded(case: Mapping[str, Any]) -> Recorded:
    if "template_b64" in case:
        template = base64.b64decode(case["template_b64"])
    else:
        template = case["template"].encode()
    return Recorded(
        id=case["id"],
        template=template,
        context=case["context"],
        results={name: case[name] for name in ("v4", "lxd", "v6") if name in case},
        mode=case.get("mode", "daemon"),
        accident=case.get("nondeterministic"),
    )
