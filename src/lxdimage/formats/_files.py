"""What a file is, by its first bytes; names and extensions are never looked at (image format, section 1.1)."""

from __future__ import annotations

from typing import NamedTuple

from lxdimage.compression import HEAD_SIZE, Compression, detect
from lxdimage.targets import Target

__all__ = ["HEAD_SIZE", "QCOW2", "SQUASHFS", "VMDK", "FileFormat", "begins_with_json", "identify"]


class FileFormat(NamedTuple):
    """
    How a file is recognised.

    Attributes:
        name: What the daemons' detection calls it, without the leading dot: ``tar.xz``, ``squashfs``, ``qcow2``.
        compression: How its bytes are to be decoded; None for disk images.
    """

    name: str
    compression: Compression | None = None

    @property
    def is_tar(self) -> bool:
        """Whether it holds a tar once it is decoded."""
        return self.compression not in {None, Compression.SQUASHFS}


QCOW2 = FileFormat("qcow2")
VMDK = FileFormat("vmdk")
SQUASHFS = FileFormat("squashfs", Compression.SQUASHFS)


def identify(head: bytes, target: Target | None = None) -> FileFormat | None:
    """
    Return the format of a file.

    Args:
        head: Its first `HEAD_SIZE` bytes, fewer where it is shorter.
        target: Whose detection to use; None knows everything that any target knows.

    Returns:
        The format, None where the target says that the compression is not supported.
    """
    compression = detect(head, target)
    if compression is not None:
        return FileFormat(compression.extension.lstrip("."), compression)
    if head.startswith(b"QFI"):
        return QCOW2
    if head.startswith(b"KDMV") and (target is None or target.traits.vmdk):
        return VMDK
    return None


def begins_with_json(head: bytes) -> bool:
    """
    Tell whether an upload with this head is taken for a JSON request instead of an image.

    The daemons try to decode every upload as JSON first; an object or ``null`` at its beginning is enough
    (image format, section 11).
    """
    text = head.split(b"\0", 1)[0].decode("latin-1").lstrip(" \t\r\n")
    if not text.startswith(("{", "null")):
        return False
    import json  # hardly any file gets here

    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return value is None or isinstance(value, dict)
