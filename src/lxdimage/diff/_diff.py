"""Comparing two images: each is read once, from one end to the other."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import TypeAlias

from lxdimage._arguments import choice_of, list_of
from lxdimage._sources import FileArgument, Progress, Tracker, check_file_count, open_sources
from lxdimage.diff._compare import compare
from lxdimage.diff._inventory import Reading, read_inventory
from lxdimage.diff._model import ImageDiff, MemberField
from lxdimage.limits import Limits
from lxdimage.targets import Target

__all__ = ["ImageArgument", "diff_images"]

ImageArgument: TypeAlias = FileArgument | Sequence[FileArgument]
"""What `diff_images` takes as an image: one file, or the metadata file and the root file in this order."""


def diff_images(
    before: ImageArgument,
    after: ImageArgument,
    *,
    ignore: Collection[MemberField | str] = (MemberField.MTIME,),
    target: Target | str = Target.LXD,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> ImageDiff:
    """
    Return what two images differ in.

    The form of an image is no difference: a unified image equals the split one of the same content, whether their
    roots are tars of any compression or a SquashFS.  What counts is what unpacking makes.  So of members with one
    path the last one counts, hard links are compared by which names are one file, and a directory that an archive
    leaves out is one of root's with mode 0755.

    Each image is read once and completely.  For each member a small record is kept, and of contents a digest alone.

    Args:
        before: The first image.
        after: The second one.
        ignore: What is no difference between two members with one path; the time of modification unless given
            otherwise, because building an image anew changes it everywhere.  Contents are not even read when they
            are ignored.
        target: The daemon by whose rules metadata.yaml is read.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all, of both images together.

    Returns:
        All differences; its `ImageDiff.same` says whether there are none.

    Raises:
        InvalidImageError: A file cannot be read to its end.
        InvalidMetadataError: The target cannot use the metadata.yaml of an image; one that is missing is a
            difference.
        OSError: A file cannot be read.
    """
    files = [_files(before), _files(after)]
    ignored = {choice_of(MemberField, field, "ignore") for field in list_of(ignore, "ignore")}
    target = choice_of(Target, target, "target")
    reading = Reading(target=target, limits=limits or Limits(), contents=MemberField.CONTENT not in ignored)
    with open_sources([*files[0], *files[1]]) as sources:
        tracker = Tracker(progress, sources)
        first = read_inventory(sources[: len(files[0])], reading, tracker)
        second = read_inventory(sources[len(files[0]) :], reading, tracker)
    return compare(first, second, ignored)


def _files(image: ImageArgument) -> Sequence[FileArgument]:
    if isinstance(image, str | os.PathLike) or not isinstance(image, Sequence):
        return (image,)
    check_file_count(image)
    return image
