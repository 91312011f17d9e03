"""Opening an image: what its metadata and type are, read as far as needed and no further."""

from __future__ import annotations

from lxdimage._arguments import choice_of
from lxdimage._sources import FileArgument, check_file_count, open_sources
from lxdimage.image._model import Image
from lxdimage.image._pass import Pass
from lxdimage.limits import Limits
from lxdimage.targets import Target

__all__ = ["open_image"]


def open_image(
    *files: FileArgument, target: Target | str = Target.LXD, limits: Limits | None = None
) -> Image:
    """
    Return the metadata, type and templates of an image.

    Reads no more than needed: a few kilobytes where metadata.yaml and the templates come first.  So damage behind
    them is not noticed; `scan_image` reads everything.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order.
        target: The daemon that the image is meant for.
        limits: Bounds on what an untrusted image may use.

    Returns:
        The image.

    Raises:
        InvalidImageError: When the target refuses the image.
        InvalidMetadataError: When it does so because of metadata.yaml.
        OSError: When a file cannot be read.
    """
    check_file_count(files)
    target = choice_of(Target, target, "target")
    with open_sources(files) as sources:
        return Pass(sources, (target,), limits or Limits(), None).open()
