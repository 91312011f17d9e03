"""What could not be extracted as the archive has it, one finding for each kind and reason."""

from __future__ import annotations

import attrs

from lxdimage._findings import shown
from lxdimage.diagnostics import Diagnostic
from lxdimage.rules import diagnose

__all__ = ["RefusedError", "Report"]


class RefusedError(Exception):
    """
    A member cannot be extracted; the others can.

    Attributes:
        code: The finding's code.
        text: What is wrong, to follow the member's name; free of anything that differs from member to member where
            many members may have it.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@attrs.define
class _Group:
    """The first of the members that share a finding, and their number."""

    first: bytes
    count: int = 0


class Report:
    """
    Collects findings without letting a hostile archive fill the memory with them.

    Members with the same code and text share one finding, and of one code at most twenty texts are kept.
    """

    _TEXTS = 20

    def __init__(self, source: str) -> None:
        self._source = source
        self._groups: dict[str, dict[str, _Group]] = {}

    def add(self, code: str, path: bytes, text: str) -> None:
        """Take note that *text* holds for the member *path*."""
        groups = self._groups.setdefault(code, {})
        if text not in groups and len(groups) >= self._TEXTS:
            text = next(reversed(groups))
        groups.setdefault(text, _Group(path)).count += 1

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return the findings in the order in which their kinds were first met."""
        return tuple(
            diagnose(code, f"{shown(group.first)}{_others(group.count)}: {text}", source=self._source)
            for code, groups in self._groups.items()
            for text, group in groups.items()
        )


def _others(count: int) -> str:
    if count == 1:
        return ""
    return " and another member" if count == 2 else f" and {count - 1:,} more members"
