"""Id maps: what the files of an unprivileged user's container belong to inside of it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping, Sequence

import attrs

from lxdimage.errors import BuildError
from lxdimage.rules import diagnose

__all__ = ["IdRange", "OwnerMap"]

_RANGE = re.compile(r"(?:([ug]):)?(\d{1,10}):(\d{1,10})(?::(\d{1,10}))?")
_IDS = (1 << 32) - 1  # the last one means "no change"


@attrs.frozen
class IdRange:
    """
    A run of ids.

    Attributes:
        inside: The first one as the container sees it.
        outside: The first one as the host sees it: what files are owned by.
        count: How many.
    """

    inside: int
    outside: int
    count: int = 1

    def __str__(self) -> str:
        return f"{self.inside}:{self.outside}:{self.count}"


def _ranges(ranges: Iterable[IdRange]) -> tuple[IdRange, ...]:
    return tuple(ranges)


class _Ids(dict[int, int]):
    """Ids inside by ids outside, looked up in the ranges once each."""

    def __init__(self, ranges: Sequence[IdRange]) -> None:
        super().__init__()
        self._ranges = ranges

    def __missing__(self, outside: int) -> int:
        for found in self._ranges:
            if 0 <= outside - found.outside < found.count:
                inside = self[outside] = outside - found.outside + found.inside
                return inside
        raise LookupError(outside)


@attrs.frozen(kw_only=True)
class OwnerMap:
    """
    Gives back the owners that files have inside a container.

    Attributes:
        users: Ranges of user ids.
        groups: Ranges of group ids.
    """

    users: tuple[IdRange, ...] = attrs.field(converter=_ranges)
    groups: tuple[IdRange, ...] = attrs.field(converter=_ranges)
    _uids: _Ids = attrs.field(init=False, repr=False, eq=False)
    _gids: _Ids = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        for ranges in (self.users, self.groups):
            _check(ranges)
        object.__setattr__(self, "_uids", _Ids(self.users))
        object.__setattr__(self, "_gids", _Ids(self.groups))

    @classmethod
    def parse(cls, text: str | Iterable[str]) -> OwnerMap:
        """
        Return the map that *text* describes.

        Args:
            text: Ranges ``INSIDE:OUTSIDE[:COUNT]``, separated by commas, for users and groups; behind ``u:`` or
                ``g:`` for one of them.  ``0:1000,1:100000:65536`` is how an ordinary user's containers are mapped.

        Raises:
            BuildError: When it is no map.
        """
        users: list[IdRange] = []
        groups: list[IdRange] = []
        for part in (text if isinstance(text, str) else ",".join(text)).split(","):
            match = _RANGE.fullmatch(part.strip())
            if not match:
                raise _bad(f"expected a map of owners, INSIDE:OUTSIDE[:COUNT], found {part.strip()!r}")
            found = IdRange(int(match[2]), int(match[3]), int(match[4] or 1))
            if match[1] != "g":
                users.append(found)
            if match[1] != "u":
                groups.append(found)
        return cls(users=tuple(users), groups=tuple(groups))

    def owner(self, uid: int, gid: int) -> tuple[int, int]:
        """
        Return user and group inside the container for those that a file has.

        Raises:
            LookupError: When one of them is outside the map.
        """
        return self._uids[uid], self._gids[gid]

    def xattrs(self, xattrs: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """
        Return *xattrs* with the ids in file capabilities and access lists mapped, too.

        Raises:
            LookupError: When one of them is outside the map.
        """
        return {name: self._xattr(name, value) for name, value in xattrs.items()}

    def _xattr(self, name: str, value: bytes) -> bytes:
        if name == "security.capability":
            return self._capability(value)
        if name in {"system.posix_acl_access", "system.posix_acl_default"}:
            return self._access_list(value)
        return value

    def _capability(self, value: bytes) -> bytes:
        """Map the root user that capabilities of revision 3 belong to (``linux/capability.h``)."""
        if len(value) != 24 or value[3] != 3:
            return value
        root = self._uids[int.from_bytes(value[20:], "little")]
        if root == 0:
            # What the file had if the container's root was the host's: revision 2, which names nobody.
            return value[:3] + b"\2" + value[4:20]
        return value[:20] + root.to_bytes(4, "little")

    def _access_list(self, value: bytes) -> bytes:
        """Map the users and groups that a POSIX access list names (``linux/posix_acl_xattr.h``)."""
        if len(value) % 8 != 4:
            return value
        mapped = value[:4]
        for tag, permissions, number in struct.iter_unpack("<HHI", value[4:]):
            ids = {2: self._uids, 8: self._gids}.get(tag)
            mapped += struct.pack("<HHI", tag, permissions, ids[number] if ids is not None else number)
        return mapped


def _check(ranges: Sequence[IdRange]) -> None:
    for number, one in enumerate(ranges):
        if one.count < 1 or max(one.inside, one.outside) + one.count > _IDS:
            raise _bad(f"the range {one} is empty or goes beyond {_IDS - 1}")
        for other in ranges[:number]:
            if _overlap(one.outside, one.count, other.outside, other.count) or _overlap(
                one.inside, one.count, other.inside, other.count
            ):
                raise _bad(f"the ranges {other} and {one} overlap")


def _overlap(first: int, count: int, second: int, size: int) -> bool:
    return first < second + size and second < first + count


def _bad(message: str) -> BuildError:
    return BuildError(diagnose("bad-id-map", message))
