"""What two images differ in, as values."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

import attrs

from lxdimage.archive import NO_XATTRS, EntryType
from lxdimage.diagnostics import Diagnostic
from lxdimage.formats import ImageType, Layout
from lxdimage.image import FileFacts
from lxdimage.metadata import TemplateRule

__all__ = [
    "ComparedImage",
    "FieldChange",
    "FieldValue",
    "ImageDiff",
    "MemberChange",
    "MemberField",
    "MemberState",
    "TemplateChange",
]

FieldValue: TypeAlias = str | int | bool | tuple[str, ...] | TemplateRule | None
"""A value of metadata.yaml or of a disk's header; None where there is none."""


class MemberField(Enum):
    """What members are compared by."""

    TYPE = "type"
    MODE = "mode"
    OWNER = "owner"
    SIZE = "size"
    CONTENT = "content"
    TARGET = "target"
    DEVICE = "device"
    LINK = "link"
    XATTRS = "xattrs"
    MTIME = "mtime"


@attrs.frozen(kw_only=True)
class MemberState:
    """
    A member as unpacking makes it; a hard link is the file that it repeats.

    Attributes:
        type: What it is; a hard link only where there is nothing that it could repeat.
        mode: Permission bits, with setuid, setgid and sticky.
        uid: Owner.
        gid: Group.
        mtime: Time of last modification, whole seconds since 1970: SquashFS has no others.  0 for a directory that an
            archive leaves out.
        size: Bytes of content, holes included; 0 for all but files.
        digest: SHA-256 of the content; None for all but files, and where contents are not compared.
        target: What a symbolic link contains, or what a hard link fails to repeat.
        device: Major and minor number of a device.
        xattrs: Extended attributes by full name; of more than 1 KiB together nothing but their SHA-256, named
            ``sha256``.
        link: Another name of the same file, the first of all; None where it has no other or is the first.  Of
            names that both images have only those count.
    """

    type: EntryType
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    digest: bytes | None = None
    target: str = ""
    device: tuple[int, int] | None = None
    xattrs: Mapping[str, bytes] = attrs.field(default=NO_XATTRS, hash=False)
    link: str | None = None

    @property
    def sha256(self) -> str | None:
        """The digest of the content in hexadecimal."""
        return None if self.digest is None else self.digest.hex()


@attrs.frozen(kw_only=True)
class MemberChange:
    """
    A member that only one image has, or that is another one.

    Attributes:
        path: Its name as ``lxdimage ls`` prints it, without a slash at the end; empty for the top directory of a root
            that is compared alone.
        before: What it is in the first image, None where it has none.
        after: The same for the second one.
        fields: What differs, empty where one image has no such member.
    """

    path: str
    before: MemberState | None
    after: MemberState | None
    fields: tuple[MemberField, ...] = ()


@attrs.frozen(kw_only=True)
class TemplateChange:
    """
    A template that only one image has, or that has another content.

    Attributes:
        name: Its name below ``templates/``.
        before: What it is in the first image, None where it has none.
        after: The same for the second one.
        before_content: Its content in the first image; None as well where it is larger than the limits allow.
        after_content: The same for the second one.
    """

    name: str
    before: MemberState | None
    after: MemberState | None
    before_content: bytes | None = attrs.field(default=None, repr=False)
    after_content: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class FieldChange:
    """
    A value that differs.

    Attributes:
        path: Where it is: ``("properties", "os")``, ``("templates", "/etc/hostname", "when")``, or the name of a
            fact about a disk.  ``("templates", "/etc/hostname")`` is a whole rule.
        before: In the first image, None where it has none.
        after: The same for the second one.
    """

    path: tuple[str, ...]
    before: FieldValue
    after: FieldValue


@attrs.frozen(kw_only=True)
class ComparedImage:
    """
    One of the two images.

    Attributes:
        files: What the first bytes of its files tell.
        layout: One file, or two.
        type: What it makes, None where it holds neither a root nor a disk.
    """

    files: tuple[FileFacts, ...]
    layout: Layout
    type: ImageType | None


@attrs.frozen(kw_only=True)
class ImageDiff:
    """
    What two images differ in.

    Attributes:
        before: The first image.
        after: The second one.
        metadata: What metadata.yaml says, value by value, as the target reads it.
        templates: Template files, by name.
        disk: What the headers of the disks say, fact by fact, where both images have one.
        members: All other members, by path.
        diagnostics: What is wrong with either although it could be read; no difference.
    """

    before: ComparedImage
    after: ComparedImage
    metadata: tuple[FieldChange, ...]
    templates: tuple[TemplateChange, ...]
    disk: tuple[FieldChange, ...]
    members: tuple[MemberChange, ...]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs; layout, compression and the format of a root are no difference."""
        return not (self.metadata or self.templates or self.disk or self.members)
