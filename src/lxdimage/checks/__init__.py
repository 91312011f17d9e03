"""Checks of whole images: what daemons decide at import, at creation and at start, from what passes by."""

from __future__ import annotations

from lxdimage.checks._control import ControlCheck, Judged
from lxdimage.checks._import import ImportCheck, restaged
from lxdimage.checks._templates import TemplatesCheck
from lxdimage.checks._unpack import UnpackCheck

__all__ = ["ControlCheck", "ImportCheck", "Judged", "TemplatesCheck", "UnpackCheck", "restaged"]
