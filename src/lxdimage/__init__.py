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
    from lxdimage.build import IdRange as IdRange
    from lxdimage.build import MetadataEdit as MetadataEdit
    from lxdimage.build import OutputTarget as OutputTarget
    from lxdimage.build import OwnerMap as OwnerMap
    from lxdimage.build import RuleEdit as RuleEdit
    from lxdimage.build import WrittenFile as WrittenFile
    from lxdimage.build import build_image as build_image
    from lxdimage.build import convert_image as convert_image
    from lxdimage.build import edit_image as edit_image
    from lxdimage.build import publish_backup as publish_backup
    from lxdimage.compression import Compression as Compression
    from lxdimage.diagnostics import Diagnostic as Diagnostic
    from lxdimage.diagnostics import Position as Position
    from lxdimage.diagnostics import Severity as Severity
    from lxdimage.diagnostics import Span as Span
    from lxdimage.diagnostics import Stage as Stage
    from lxdimage.diff import ComparedImage as ComparedImage
    from lxdimage.diff import FieldChange as FieldChange
    from lxdimage.diff import FieldValue as FieldValue
    from lxdimage.diff import ImageArgument as ImageArgument
    from lxdimage.diff import ImageDiff as ImageDiff
    from lxdimage.diff import MemberChange as MemberChange
    from lxdimage.diff import MemberField as MemberField
    from lxdimage.diff import MemberState as MemberState
    from lxdimage.diff import TemplateChange as TemplateChange
    from lxdimage.diff import diff_images as diff_images
    from lxdimage.errors import BuildError as BuildError
    from lxdimage.errors import FingerprintMismatchError as FingerprintMismatchError
    from lxdimage.errors import ImmutableFieldError as ImmutableFieldError
    from lxdimage.errors import InvalidArgumentError as InvalidArgumentError
    from lxdimage.errors import InvalidImageError as InvalidImageError
    from lxdimage.errors import InvalidMetadataError as InvalidMetadataError
    from lxdimage.errors import LimitExceededError as LimitExceededError
    from lxdimage.errors import LXDImageError as LXDImageError
    from lxdimage.errors import TemplateError as TemplateError
    from lxdimage.errors import TemplateRenderError as TemplateRenderError
    from lxdimage.errors import TemplateSyntaxError as TemplateSyntaxError
    from lxdimage.errors import TruncatedImageError as TruncatedImageError
    from lxdimage.errors import UnsupportedFormatError as UnsupportedFormatError
    from lxdimage.extract import Extraction as Extraction
    from lxdimage.extract import extract_image as extract_image
    from lxdimage.fingerprint import Fingerprint as Fingerprint
    from lxdimage.fingerprint import fingerprint_files as fingerprint_files
    from lxdimage.formats import ImageType as ImageType
    from lxdimage.formats import Layout as Layout
    from lxdimage.image import FileFacts as FileFacts
    from lxdimage.image import Image as Image
    from lxdimage.image import ImageMember as ImageMember
    from lxdimage.image import Scan as Scan
    from lxdimage.image import arrange_files as arrange_files
    from lxdimage.image import open_image as open_image
    from lxdimage.image import open_members as open_members
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
    from lxdimage.templates import Action as Action
    from lxdimage.templates import Dialect as Dialect
    from lxdimage.templates import HasTemplates as HasTemplates
    from lxdimage.templates import Instance as Instance
    from lxdimage.templates import RenderedFile as RenderedFile
    from lxdimage.templates import Template as Template
    from lxdimage.templates import TemplateContext as TemplateContext
    from lxdimage.templates import render_start as render_start
    from lxdimage.templates import render_template as render_template
    from lxdimage.templates import render_trigger as render_trigger

_HOMES = {
    "lxdimage._sources": ("FileArgument", "Progress"),
    "lxdimage.build": (
        "BuiltImage",
        "IdRange",
        "MetadataEdit",
        "OutputTarget",
        "OwnerMap",
        "RuleEdit",
        "WrittenFile",
        "build_image",
        "convert_image",
        "edit_image",
        "publish_backup",
    ),
    "lxdimage.compression": ("Compression",),
    "lxdimage.diagnostics": ("Diagnostic", "Position", "Severity", "Span", "Stage"),
    "lxdimage.diff": (
        "ComparedImage",
        "FieldChange",
        "FieldValue",
        "ImageArgument",
        "ImageDiff",
        "MemberChange",
        "MemberField",
        "MemberState",
        "TemplateChange",
        "diff_images",
    ),
    "lxdimage.errors": (
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
    ),
    "lxdimage.extract": ("Extraction", "extract_image"),
    "lxdimage.fingerprint": ("Fingerprint", "fingerprint_files"),
    "lxdimage.formats": ("ImageType", "Layout"),
    "lxdimage.image": (
        "FileFacts",
        "Image",
        "ImageMember",
        "Scan",
        "arrange_files",
        "open_image",
        "open_members",
        "scan_image",
        "scan_targets",
    ),
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
    "lxdimage.templates": (
        "Action",
        "Dialect",
        "HasTemplates",
        "Instance",
        "RenderedFile",
        "Template",
        "TemplateContext",
        "render_start",
        "render_template",
        "render_trigger",
    ),
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
