"""What ends a verb early: how it is said, and what becomes of the output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lxdimage.diagnostics import escape

__all__ = ["describe", "discard_output", "perhaps_unread"]


def describe(error: OSError) -> str:
    """Return what happened to which file."""
    text = error.strerror or str(error)
    return text if error.filename is None else f"{escape(os.fsdecode(error.filename))!r}: {text}"


def discard_output() -> None:
    """Let what is still buffered go nowhere: whoever read it has gone, or the device takes no more."""
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def perhaps_unread() -> Iterator[None]:
    """Print what may be read in part: whoever closes the pipe early still learns the verdict from the exit status."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
