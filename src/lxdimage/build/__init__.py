"""Writing images: from a root file system, from other images, from instance backups."""

from __future__ import annotations

from lxdimage.build._model import BuiltImage

__all__ = ["BuiltImage"]
