"""Collecting findings without letting a hostile archive fill the memory with them."""

from __future__ import annotations

import os
from collections import Counter

import attrs

from lxdimage.diagnostics import Diagnostic, escape

__all__ = ["Findings", "shown"]

_OF_ONE_CODE = 20
_SHOWN = 200  # bytes of a name


def shown(name: bytes) -> str:
    """Return the name of a member for a message: escaped, quoted, and cut when it is long."""
    return repr(escape(os.fsdecode(name[:_SHOWN])))


class Findings:
    """Findings in order, of each code at most twenty in full and then their number."""

    def __init__(self) -> None:
        self._kept: list[Diagnostic] = []
        self._count: Counter[str] = Counter()

    def add(self, *diagnostics: Diagnostic) -> None:
        """Take findings."""
        for diagnostic in diagnostics:
            self._count[diagnostic.code] += 1
            if self._count[diagnostic.code] <= _OF_ONE_CODE:
                self._kept.append(diagnostic)

    def all(self) -> tuple[Diagnostic, ...]:
        """Return what was kept; the last of a code that was cut says how many more there are."""
        last = {diagnostic.code: position for position, diagnostic in enumerate(self._kept)}
        result = []
        for position, diagnostic in enumerate(self._kept):
            more = self._count[diagnostic.code] - _OF_ONE_CODE
            if more > 0 and last[diagnostic.code] == position:
                diagnostic = attrs.evolve(diagnostic, message=f"{diagnostic.message} (and {more} more)")  # noqa: PLW2901
            result.append(diagnostic)
        return tuple(result)
