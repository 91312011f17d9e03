"""Images as values: open one, or scan it completely and say what each daemon makes of it."""

from __future__ import annotations

from lxdimage.image._arrange import arrange_files, group_files
from lxdimage.image._contents import ContentReader, disk_facts
from lxdimage.image._disks import DISK_HEAD
from lxdimage.image._members import ImageMember, open_members, plain_path
from lxdimage.image._model import FileFacts, Image, Scan
from lxdimage.image._open import open_image
from lxdimage.image._scan import scan_image, scan_targets

__all__ = [
    "DISK_HEAD",
    "ContentReader",
    "FileFacts",
    "Image",
    "ImageMember",
    "Scan",
    "arrange_files",
    "disk_facts",
    "group_files",
    "open_image",
    "open_members",
    "plain_path",
    "scan_image",
    "scan_targets",
]
