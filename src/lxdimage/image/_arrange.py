"""Which of the files that a person gives are which: the parts of one image, or of two."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from lxdimage._chunks import peek
from lxdimage._sources import FileArgument, Source, file_name, open_sources
from lxdimage.diagnostics import Diagnostic, escape
from lxdimage.errors import InvalidImageError
from lxdimage.formats import HEAD_SIZE, METADATA_NAMES, QCOW2, SQUASHFS, control_path, identify
from lxdimage.image._members import file_members
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["arrange_files", "group_files"]

_LOOKED_AT = 4 << 20
_ROOTS = frozenset({b"rootfs", b"rootfs.img"})
_KNOWN = _ROOTS | {b"", b"metadata.yaml", b"templates"}

Files: TypeAlias = tuple[FileArgument, ...]


class _Role(Enum):
    """What a file is of an image; the values say it to people."""

    IMAGE = "a whole image"
    METADATA = "the metadata file of a split image"
    ROOT = "a root file"


class _Look(NamedTuple):
    """
    What the first megabytes of a file hold.

    Attributes:
        metadata: Whether a metadata.yaml was seen.
        role: What the file is, as far as that tells.
    """

    metadata: bool
    role: _Role | None


_NOTHING_SEEN = _Look(metadata=False, role=None)


def arrange_files(*files: FileArgument) -> tuple[Files, tuple[Diagnostic, ...]]:
    """
    Put the files of a split image into the daemons' order: metadata first.

    A daemon goes by position alone; this looks for metadata.yaml in the first megabytes of both.  Streams that
    cannot be read twice keep their place.

    Args:
        files: The files as a person gave them.

    Returns:
        The files in order, and a finding where that is not the order they came in.

    Raises:
        OSError: When a file cannot be read.
    """
    if len(files) != 2:
        return files, ()
    with open_sources(files) as sources:
        if not all(source.seekable for source in sources):
            return files, ()
        swapped = not _look(sources[0]).metadata and _look(sources[1]).metadata
    if not swapped:
        return files, ()
    text = "this is the metadata file, and it was given second"
    return files[::-1], (diagnose("swapped-parts", text, source=sources[1].name),)


# ---- two images ----------------------------------------------------------------------------------------------------

# How two to four files can be two images: how many of them are the first one's.
_WAYS = {2: (1,), 3: (1, 2), 4: (2,)}


def group_files(*files: FileArgument) -> tuple[Files, Files]:
    """
    Tell which of two, three or four files are one image, and which are another.

    The files of an image stand side by side; the content of their first megabytes tells a whole image, a metadata
    file and a root file from one another.  Streams that cannot be read twice are taken for what the others lack.
    Two metadata files alone, or two root files alone, are taken for images, too.

    Args:
        files: The files as a person gave them.

    Returns:
        The files of the first image and those of the second one, each in the daemons' order.

    Raises:
        InvalidImageError: The files are not two images, or could be in more than one way.
        OSError: When a file cannot be read.
    """
    roles = [_role(file) for file in files]
    ways = [size for size in _WAYS.get(len(files), ()) if _fits(roles[:size], roles[size:])]
    if len(ways) != 1:
        raise InvalidImageError(_refusal(files, roles, len(ways)))
    (size,) = ways
    return _ordered(files[:size], roles[:size]), _ordered(files[size:], roles[size:])


def _fits(first: Sequence[_Role | None], second: Sequence[_Role | None]) -> bool:
    """Tell whether files of these roles can be two images, None being any role."""
    if len(first) == len(second) == 1:
        return None in {*first, *second} or first == second
    return all(_is_image(roles) for roles in (first, second))


def _is_image(roles: Sequence[_Role | None]) -> bool:
    if len(roles) == 1:
        return roles[0] in {_Role.IMAGE, None}
    known = [role for role in roles if role is not None]
    return _Role.IMAGE not in known and len(set(known)) == len(known)


def _ordered(files: Files, roles: Sequence[_Role | None]) -> Files:
    swapped = len(files) == 2 and (roles[0] is _Role.ROOT or roles[1] is _Role.METADATA)
    return files[::-1] if swapped else files


def _refusal(files: Files, roles: Sequence[_Role | None], ways: int) -> Diagnostic:
    if len(files) not in _WAYS:
        text = f"expected two images, of one file or two each, found {len(files)} in all"
        return diagnose("not-two-images", text)
    found = [
        f"{escape(file_name(file))!r} ({role.value if role else 'not known'})"
        for file, role in zip(files, roles, strict=True)
    ]
    text = f"{', '.join(found[:-1])} and {found[-1]}"
    if ways:
        hint = "begin with the metadata file and the root file of a split image"
        return diagnose("not-two-images", f"{text} can be two images in more than one way", hint=hint)
    return diagnose("not-two-images", f"{text} are not two images")


# ---- one file ------------------------------------------------------------------------------------------------------


def _role(file: FileArgument) -> _Role | None:
    """Return what a file is, None where that cannot be told; what can be read only once is left alone."""
    if isinstance(file, str | os.PathLike) and not os.path.isfile(file):  # noqa: PTH113 - pathlib takes as long to load as the rest of this package
        os.stat(file)  # noqa: PTH116 - says what is missing
        return None
    with open_sources([file]) as (source,):
        return _look(source).role if source.seekable else None


def _look(source: Source) -> _Look:
    """Look at a file's first megabytes; leave the stream where it stood."""
    start = source.stream.tell()
    try:
        head, _ = peek(source.chunks(HEAD_SIZE), HEAD_SIZE)
        source.stream.seek(start)
        found = identify(head)
        if found == QCOW2:
            return _Look(metadata=False, role=_Role.ROOT)
        return _look_at_squashfs(source) if found == SQUASHFS else _look_at_tar(source)
    except InvalidImageError:
        return _NOTHING_SEEN
    finally:
        source.stream.seek(start)


def _look_at_tar(source: Source) -> _Look:
    metadata = root = foreign = False
    ended = True
    try:
        for member in file_members(source, Limits()):
            top = control_path(member.name).split(b"/", 1)[0]
            metadata = metadata or member.name in METADATA_NAMES
            root = root or top in _ROOTS
            foreign = foreign or top not in _KNOWN
            if (metadata and root) or member.offset > _LOOKED_AT:
                ended = False
                break
    except InvalidImageError:
        return _Look(metadata, role=None)
    return _Look(metadata, _told(metadata=metadata, root=root, foreign=foreign, ended=ended))


def _told(*, metadata: bool, root: bool, foreign: bool, ended: bool) -> _Role | None:
    """Return what a file is in which a metadata.yaml, a root and other things were seen, perhaps not to its end."""
    if root:
        return _Role.IMAGE if metadata or not foreign else None
    if metadata:
        return _Role.METADATA if ended else None
    return _Role.ROOT


def _look_at_squashfs(source: Source) -> _Look:
    from lxdimage.formats._squashfs import open_squashfs

    with open_squashfs(source.stream, threads=1) as squashfs:
        metadata = squashfs.lookup("metadata.yaml") is not None
        root = any(squashfs.lookup(name) is not None for name in _ROOTS)
    return _Look(metadata, _told(metadata=metadata, root=root, foreign=not metadata, ended=True))
