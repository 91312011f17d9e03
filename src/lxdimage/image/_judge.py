"""One daemon's view of an image that passes by."""

from __future__ import annotations

from datetime import datetime

from lxdimage._findings import Findings
from lxdimage.checks import ImportCheck, restaged
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError
from lxdimage.formats import ImageType, Layout
from lxdimage.metadata import Metadata
from lxdimage.targets import Target

__all__ = ["Judge", "as_stored"]

# Damage that GNU tar passes over without an error, so that an instance is created from what comes before it.
_UNNOTICED = frozenset({"truncated-header", "lone-zero-block", "member-limit"})
_NO_ARCHIVE = "truncated-header"  # unless it is the very first header


class Judge:
    """
    What one daemon makes of an image.

    Attributes:
        target: The daemon.
        importing: Its import.
        findings: What it stumbles over later.
        lost: What it loses.
        type: What the client takes the root of a split image for.
    """

    def __init__(self, target: Target, layout: Layout, source: str, now: datetime) -> None:
        self.target = target
        self.importing = ImportCheck(target, layout=layout, source=source, now=now)
        self.findings: list[Diagnostic] = []
        self.lost = Findings()
        self.type: ImageType | None = None

    def damaged(self, error: InvalidImageError, *, begun: bool) -> None:
        """Take what ended the reading of an archive, and whether a member of it was read before."""
        (diagnostic,) = error.diagnostics
        if not self.importing.done:
            self.importing.refuse(diagnostic)
        elif diagnostic.code in _UNNOTICED and (begun or diagnostic.code != _NO_ARCHIVE):
            self.findings.append(diagnostic)
        else:
            self.findings.append(restaged(diagnostic, Stage.CREATE))


def as_stored(metadata: Metadata, target: Target) -> Metadata:
    """Return *metadata* as the target's database gives it back."""
    properties = metadata.properties
    if not target.traits.nul_ends_property or not any(
        "\0" in key + value for key, value in properties.items()
    ):
        return metadata
    return metadata.evolve(
        properties={key.split("\0", 1)[0]: value.split("\0", 1)[0] for key, value in properties.items()}
    )
