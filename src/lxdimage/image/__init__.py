"""Images as values: open one, or scan it completely and say what each daemon makes of it."""

from __future__ import annotations

from lxdimage.image._members import ImageMember, arrange_files, open_members
from lxdimage.image._model import FileFacts, Image, Scan
from lxdimage.image._open import open_image
from lxdimage.image._scan import scan_image, scan_targets

__all__ = [
    "FileFacts",
    "Image",
    "ImageMember",
    "Scan",
    "arrange_files",
    "open_image",
    "open_members",
    "scan_image",
    "scan_targets",
]
