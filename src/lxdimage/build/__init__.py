"""Writing images: from a root file system, from other images, from instance backups."""

from __future__ import annotations

from lxdimage.build._build import build_image
from lxdimage.build._convert import convert_image
from lxdimage.build._edit import MetadataEdit, edit_image
from lxdimage.build._model import BuiltImage
from lxdimage.build._owners import IdRange, OwnerMap
from lxdimage.build._publish import publish_backup
from lxdimage.build._targets import OutputTarget

__all__ = [
    "BuiltImage",
    "IdRange",
    "MetadataEdit",
    "OutputTarget",
    "OwnerMap",
    "build_image",
    "convert_image",
    "edit_image",
    "publish_backup",
]
