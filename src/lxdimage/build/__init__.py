"""Writing images: from a root file system, from other images, from instance backups."""

from __future__ import annotations

from lxdimage.build._build import build_image
from lxdimage.build._model import BuiltImage
from lxdimage.build._owners import IdRange, OwnerMap

__all__ = ["BuiltImage", "IdRange", "OwnerMap", "build_image"]
