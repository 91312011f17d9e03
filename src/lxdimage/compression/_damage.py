"""
What can be wrong with a compressed stream, as the exceptions that carry it.

The daemons ignore the exit status of the decompressor while they import and heed it when they create an instance
(image format, section 1.2): damage refuses creation.
"""

from __future__ import annotations

from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError, LimitExceededError, TruncatedImageError, UnsupportedFormatError
from lxdimage.rules import diagnose

__all__ = [
    "corrupt",
    "ignored_garbage",
    "mismatch",
    "over_limit",
    "trailing_garbage",
    "truncated",
    "unsupported",
]


def truncated(message: str, offset: int) -> TruncatedImageError:
    """Return the error for a stream that ends at *offset* although more must follow."""
    return TruncatedImageError(_damage("truncated-stream", message, offset))


def corrupt(message: str, offset: int) -> InvalidImageError:
    """Return the error for bytes at *offset* that the format does not allow."""
    return InvalidImageError(_damage("corrupt-stream", message, offset))


def mismatch(message: str, offset: int) -> InvalidImageError:
    """Return the error for content that differs from its checksum at *offset*."""
    return InvalidImageError(_damage("checksum-mismatch", message, offset))


def unsupported(message: str, offset: int) -> UnsupportedFormatError:
    """Return the error for a feature at *offset* that the daemons' decompressor refuses, too."""
    return UnsupportedFormatError(_damage("unsupported-stream", message, offset))


def trailing_garbage(name: str, offset: int) -> InvalidImageError:
    """Return the error for bytes at *offset* that follow a complete *name* stream and are none."""
    return InvalidImageError(
        _damage("trailing-garbage", f"what follows the {name} data is not {name}", offset)
    )


def ignored_garbage(name: str, offset: int) -> Diagnostic:
    """Return the finding for such bytes where the daemons' decompressor skips them without a complaint."""
    message = f"what follows the {name} data is not {name} and is ignored"
    return diagnose("trailing-garbage", message, offset=offset)


def over_limit(message: str, offset: int) -> LimitExceededError:
    """Return the error for a stream that needs more at *offset* than `lxdimage.Limits` allows."""
    return LimitExceededError(diagnose("decompression-limit", message, offset=offset))


def _damage(code: str, message: str, offset: int) -> Diagnostic:
    return diagnose(code, message, stage=Stage.CREATE, offset=offset)
