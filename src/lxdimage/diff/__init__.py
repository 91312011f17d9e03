"""Two images compared: metadata, templates, members and contents, whatever the form of either."""

from __future__ import annotations

from lxdimage.diff._diff import ImageArgument, diff_images
from lxdimage.diff._model import (
    ComparedImage,
    FieldChange,
    FieldValue,
    ImageDiff,
    MemberChange,
    MemberField,
    MemberState,
    TemplateChange,
)

__all__ = [
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
]
