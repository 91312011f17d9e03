"""
Writing images: from a root file system, from other images, from instance backups.

Each name is loaded when it is first asked for: whoever builds an image needs nothing of what converts one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxdimage.build._build import build_image as build_image
    from lxdimage.build._convert import convert_image as convert_image
    from lxdimage.build._edit import MetadataEdit as MetadataEdit
    from lxdimage.build._edit import edit_image as edit_image
    from lxdimage.build._model import BuiltImage as BuiltImage
    from lxdimage.build._owners import IdRange as IdRange
    from lxdimage.build._owners import OwnerMap as OwnerMap
    from lxdimage.build._publish import publish_backup as publish_backup
    from lxdimage.build._targets import OutputTarget as OutputTarget
    from lxdimage.build._template_rules import RuleEdit as RuleEdit
    from lxdimage.formats._write import WrittenFile as WrittenFile

__all__ = [
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
]

_HOMES = {
    "BuiltImage": "_model",
    "IdRange": "_owners",
    "MetadataEdit": "_edit",
    "OutputTarget": "_targets",
    "OwnerMap": "_owners",
    "RuleEdit": "_template_rules",
    "WrittenFile": "_model",
    "build_image": "_build",
    "convert_image": "_convert",
    "edit_image": "_edit",
    "publish_backup": "_publish",
}


def __getattr__(name: str) -> object:
    """Load a name from its home (PEP 562)."""
    if name not in _HOMES:
        message = f"module 'lxdimage.build' has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(import_module(f"lxdimage.build.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
