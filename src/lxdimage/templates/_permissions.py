"""Mode and owner of the files that rules create (image format, section 6.4)."""

from __future__ import annotations

import re

import attrs

from lxdimage.metadata import TemplateRule
from lxdimage.metadata._template_rules import parse_mode

__all__ = ["UNCHANGED", "BadPermissionError", "Permissions", "new_permissions"]

_INT64 = 1 << 63
_IDS = 1 << 32
_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")


class BadPermissionError(Exception):
    """A mode or an owner that Incus cannot read; the text says which."""


@attrs.frozen(kw_only=True)
class Permissions:
    """
    What a file gets, None where that of an existing file stays.

    Attributes:
        mode: Permission bits.
        uid: Owner within the instance.
        gid: Group within the instance.
    """

    mode: int | None = 0o644
    uid: int | None = 0
    gid: int | None = 0


UNCHANGED = Permissions(mode=None, uid=None, gid=None)


def new_permissions(rule: TemplateRule, *, honoured: bool) -> Permissions:
    """
    Return what a file that *rule* creates gets.

    Args:
        rule: The rule.
        honoured: Whether the daemon reads uid, gid and mode: Incus does, LXD does not.

    Raises:
        BadPermissionError: One of them is no number.
    """
    if not honoured:
        return Permissions()
    mode = parse_mode(rule.mode) if rule.mode else 0o644
    if mode is None:
        raise BadPermissionError(f"the mode {rule.mode!r}, which is no number")
    return Permissions(mode=mode & 0o777, uid=_owner("uid", rule.uid), gid=_owner("gid", rule.gid))


def _owner(name: str, text: str | None) -> int:
    """Return an owner as the kernel takes it: 32 bits, all of them set meaning that the owner stays root."""
    if not text:
        return 0
    if not _NUMBER.fullmatch(text) or not -_INT64 <= int(text) < _INT64:
        raise BadPermissionError(f"the {name} {text!r}, which is no decimal number")
    number = int(text) % _IDS
    return 0 if number == _IDS - 1 else number
