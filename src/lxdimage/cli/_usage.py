"""What a command line can be wrong in beyond a single argument."""

from __future__ import annotations

__all__ = ["UsageError"]


class UsageError(Exception):
    """The arguments cannot be used; the text, one line without control characters, says why."""
