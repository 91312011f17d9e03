"""Why the first bytes of a file, or what was found in it, make a daemon refuse an image."""

from __future__ import annotations

from collections.abc import Sequence

from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import (
    InvalidImageError,
    InvalidMetadataError,
    LXDImageError,
    TruncatedImageError,
    UnsupportedFormatError,
)
from lxdimage.image._stream import FileStream
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["empty", "error_of", "unsupported"]

_ERRORS = {
    "unsupported-compression": UnsupportedFormatError,
    "not-an-archive": UnsupportedFormatError,
    "truncated-archive": TruncatedImageError,
    "truncated-header": TruncatedImageError,
}


def error_of(refusals: Sequence[Diagnostic]) -> LXDImageError:
    """Return the exception that says why a target refuses an image."""
    first = refusals[0]
    if first.source.endswith(":metadata.yaml"):
        return InvalidMetadataError(*refusals)
    return _ERRORS.get(first.code, InvalidImageError)(*refusals)


def empty(stream: FileStream) -> Diagnostic:
    """Return the finding of a file without a byte."""
    return diagnose("empty-file", "the file has 0 bytes", source=stream.name)


def unsupported(stream: FileStream, target: Target) -> Diagnostic:
    """Return the finding of a file that *target* does not recognise."""
    if stream.format is not None:
        text = f"{target.traits.title} does not know {stream.format.name} files"
    else:
        text = f"no known format begins with {stream.head[:8]!r}"
    return diagnose("unsupported-compression", text, source=stream.name)
