"""The id map of an instance: which ids of the host its own ids were shifted to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from lxdimage.errors import InvalidImageError
from lxdimage.rules import diagnose

__all__ = ["IdMap", "IdRange", "parse_idmap"]

_RANGES = 680  # a kernel takes 340 for users and as many for groups
_ID_MAX = 0xFFFF_FFFF


@attrs.frozen(kw_only=True)
class IdRange:
    """
    A stretch of ids.

    Attributes:
        users: Whether it maps users.
        groups: Whether it maps groups.
        host: The first id on the host.
        instance: The first id in the instance.
        length: How many there are.
    """

    users: bool
    groups: bool
    host: int
    instance: int
    length: int

    def unshift(self, number: int) -> int | None:
        """Return what *number* of the host is in the instance, None when it is not in the stretch."""
        offset = number - self.host
        return self.instance + offset if 0 <= offset < self.length else None


@attrs.frozen
class IdMap:
    """
    All stretches of an instance; none when its files are not shifted.

    Attributes:
        ranges: In the order in which they are tried.
    """

    ranges: tuple[IdRange, ...] = ()

    def unshift(self, uid: int, gid: int) -> tuple[int, int] | None:
        """Return the owner that *uid* and *gid* of the host are in the instance, None when either is outside."""
        if not self.ranges:
            return uid, gid
        users = (found for item in self.ranges if item.users and (found := item.unshift(uid)) is not None)
        groups = (found for item in self.ranges if item.groups and (found := item.unshift(gid)) is not None)
        user, group = next(users, None), next(groups, None)
        return None if user is None or group is None else (user, group)


def parse_idmap(text: str, *, source: str = "") -> IdMap:
    """
    Return the map that ``volatile.last_state.idmap`` holds: JSON, a list of records, empty for no shift.

    Args:
        text: The value.
        source: The name of the index, for findings.

    Raises:
        InvalidImageError: It is something else.
    """
    try:
        return IdMap(tuple(map(_range, _records(text))))
    except (ValueError, RecursionError) as error:
        shown = repr(text if len(text) <= 80 else f"{text[:80]}…")
        message = f"'volatile.last_state.idmap' is {shown}: {error}"
        raise InvalidImageError(diagnose("backup-idmap", message, source=source)) from None


def _records(text: str) -> list[Any]:
    value = json.loads(text) if text else None
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _RANGES:
        raise ValueError(f"expected a list of at most {_RANGES} records")
    return value


def _range(record: Any) -> IdRange:
    if not isinstance(record, dict):
        raise ValueError(f"expected a record, found {record!r:.40}")  # noqa: TRY004 - one kind of error for all
    # The daemons' decoder does not look at the case of keys.
    fields = {str(key).lower(): value for key, value in record.items()}
    return IdRange(
        users=_flag(fields, "isuid"),
        groups=_flag(fields, "isgid"),
        host=_number(fields, "hostid"),
        instance=_number(fields, "nsid"),
        length=_number(fields, "maprange"),
    )


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name!r} must be true or false")  # noqa: TRY004 - one kind of error for all
    return value


def _number(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _ID_MAX:
        raise ValueError(f"{name!r} must be a number from 0 to {_ID_MAX}")
    return value
