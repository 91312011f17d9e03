"""Where the files of an image are written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from lxdimage._arguments import check_file
from lxdimage.errors import BuildError
from lxdimage.formats import Layout
from lxdimage.formats._sinks import OutputArgument
from lxdimage.rules import diagnose

__all__ = ["OutputTarget", "output_room", "output_targets"]

OutputTarget: TypeAlias = OutputArgument | tuple[OutputArgument, OutputArgument]
"""One path or stream, or two: the metadata file and the root file of a split image."""


def output_targets(output: OutputTarget, layout: Layout) -> Sequence[OutputArgument]:
    """
    Return the files of an image of that layout.

    Args:
        output: Where to write, as it was given.
        layout: One file or two.

    Raises:
        BuildError: There are too many, or one stream for two files.
    """
    given = output if isinstance(output, tuple) else (output,)
    for target in given:
        check_file(target, "an output", "write")
    if layout is Layout.UNIFIED:
        if len(given) > 1:
            text = f"a unified image is one file, and {len(given)} were given to write to"
            raise BuildError(diagnose("output-count", text))
        return given
    if len(given) == 2:
        return given
    if len(given) > 2:
        text = f"a split image is two files, and {len(given)} were given to write to"
        raise BuildError(diagnose("output-count", text))
    if not isinstance(given[0], str | os.PathLike):
        text = "a split image is two files, and one stream was given to write to"
        raise BuildError(diagnose("output-count", text))
    path = os.fspath(given[0])
    return path, f"{path}.root"


def output_room(target: OutputArgument) -> Path | None:
    """Return the directory where something as large as the output can wait; None for the system's own choice."""
    if isinstance(target, str | os.PathLike) and (parent := Path(target).parent).is_dir():
        return parent
    return None
