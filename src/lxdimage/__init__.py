"""
Read, verify, build, convert, edit and preview LXD and Incus images: no daemon, no root, no network.

Every public name can be imported from here; each is loaded when it is first asked for, so that a program that only
wants a fingerprint pays for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxdimage._sources import FileArgument as FileArgument
    from lxdimage._sources import Progress as Progress
    from lxdimage.build import BuiltImage as BuiltImage
    from lxdimage.build import OwnerMap as OwnerMap
    from lxdimage.build import build_image as build_image
    from lxdimage.compression import Compression as Compression
    from lxdimage.diagnostics import Diagnostic as Diagnostic
    from lxdimage.diagnostics import Position as Position
    from lxdimage.diagnostics import Severity as Severity
    from lxdimage.diagnostics import Span as Span
    from lxdimage.diagnostics import Stage as Stage
    from lxdimage.errors import BuildError as BuildError
    from lxdimage.errors import FingerprintMismatchError as FingerprintMismatchError
    from lxdimage.errors import ImmutableFieldError as ImmutableFieldError
    from lxdimage.errors import InvalidImageError as InvalidImageError
    from lxdimage.errors import InvalidMetadataError as InvalidMetadataError
    from lxdimage.errors import LimitExceededError as LimitExceededError
    from lxdimage.errors import LXDImageError as LXDImageError
    from lxdimage.errors import TemplateError as TemplateError
    from lxdimage.errors import TemplateRenderError as TemplateRenderError
    from lxdimage.errors import TemplateSyntaxError as TemplateSyntaxError
    from lxdimage.errors import TruncatedImageError as TruncatedImageError
    from lxdimage.errors import UnsupportedFormatError as UnsupportedFormatError
    from lxdimage.fingerprint import Fingerprint as Fingerprint
    from lxdimage.fingerprint import fingerprint_files as fingerprint_files
    from lxdimage.formats import ImageType as ImageType
    from lxdimage.formats import Layout as Layout
    from lxdimage.image import FileFacts as FileFacts
    from lxdimage.image import Image as Image
    from lxdimage.image import Scan as Scan
    from lxdimage.image import open_image as open_image
    from lxdimage.image import scan_image as scan_image
    from lxdimage.image import scan_targets as scan_targets
    from lxdimage.limits import Limits as Limits
    from lxdimage.metadata import Architecture as Architecture
    from lxdimage.metadata import CheckedMetadata as CheckedMetadata
    from lxdimage.metadata import Metadata as Metadata
    from lxdimage.metadata import TemplateRule as TemplateRule
    from lxdimage.metadata import Trigger as Trigger
    from lxdimage.metadata import check_metadata as check_metadata
    from lxdimage.metadata import dump_metadata as dump_metadata
    from lxdimage.metadata import parse_metadata as parse_metadata
    from lxdimage.targets import Target as Target

_HOMES = {
    "lxdimage._sources": ("FileArgument", "Progress"),
    "lxdimage.build": ("BuiltImage", "OwnerMap", "build_image"),
    "lxdimage.compression": ("Compression",),
    "lxdimage.diagnostics": ("Diagnostic", "Position", "Severity", "Span", "Stage"),
    "lxdimage.errors": (
        "BuildError",
        "FingerprintMismatchError",
        "ImmutableFieldError",
        "InvalidImageError",
        "InvalidMetadataError",
        "LXDImageError",
        "LimitExceededError",
        "TemplateError",
        "TemplateRenderError",
        "TemplateSyntaxError",
        "TruncatedImageError",
        "UnsupportedFormatError",
    ),
    "lxdimage.fingerprint": ("Fingerprint", "fingerprint_files"),
    "lxdimage.formats": ("ImageType", "Layout"),
    "lxdimage.image": ("FileFacts", "Image", "Scan", "open_image", "scan_image", "scan_targets"),
    "lxdimage.limits": ("Limits",),
    "lxdimage.metadata": (
        "Architecture",
        "CheckedMetadata",
        "Metadata",
        "TemplateRule",
        "Trigger",
        "check_metadata",
        "dump_metadata",
        "parse_metadata",
    ),
    "lxdimage.targets": ("Target",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - the table is the one list
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load a public name from its home (PEP 562)."""
    home = _HOME_OF.get(name)
    if home is None:
        message = f"module 'lxdimage' has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
