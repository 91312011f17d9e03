"""
The exceptions of this package: every one carries the findings that caused it.

A public function raises `LXDImageError` or `OSError`; anything else that leaves one is a bug.
"""

from __future__ import annotations

from lxdimage.diagnostics import Diagnostic

__all__ = [
    "BuildError",
    "FingerprintMismatchError",
    "ImmutableFieldError",
    "InvalidArgumentError",
    "InvalidImageError",
    "InvalidMetadataError",
    "LXDImageError",
    "LimitExceededError",
    "TemplateError",
    "TemplateRenderError",
    "TemplateSyntaxError",
    "TruncatedImageError",
    "UnsupportedFormatError",
]


class LXDImageError(Exception):
    """
    The root of all errors of this package.

    Attributes:
        diagnostics: What was found, in the order of the text or stream; at least one.
    """

    diagnostics: tuple[Diagnostic, ...]

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__(*diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(str(diagnostic) for diagnostic in self.diagnostics)


class InvalidArgumentError(LXDImageError, ValueError):
    """An argument is none of the values that it can have."""


class InvalidImageError(LXDImageError):
    """The files are not an image, or a damaged one."""


class TruncatedImageError(InvalidImageError):
    """The image ends before it should."""


class UnsupportedFormatError(InvalidImageError):
    """The compression or container format is unknown, or one that the target does not take."""


class FingerprintMismatchError(InvalidImageError):
    """The fingerprint is not the expected one."""


class LimitExceededError(InvalidImageError):
    """Reading or rendering on would take more than `lxdimage.Limits` allows."""


class InvalidMetadataError(LXDImageError):
    """metadata.yaml cannot be used."""


class ImmutableFieldError(InvalidMetadataError):
    """A change names a field that identifies the image and must not change."""


class TemplateError(LXDImageError):
    """A template cannot be used."""


class TemplateSyntaxError(TemplateError):
    """A template does not parse."""


class TemplateRenderError(TemplateError):
    """A template parses but fails when it is rendered."""


class BuildError(LXDImageError):
    """The image cannot be written as asked."""
