"""
Owners, modes, attributes and times of what was extracted, as far as the system permits.

Changing the owner takes away setuid bits and file capabilities, and changing the mode rewrites an access control
list, so the order is: owner, extended attributes, mode, access control lists, times.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

import attrs

from lxdimage.archive import Entry, EntryType
from lxdimage.extract._report import Report

__all__ = ["Attributes"]

_ID_MAX = 0xFFFF_FFFE  # one more is "leave it as it is"
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_FDS = b"/proc/self/fd"


@attrs.frozen
class _Open:
    """A file or directory by its descriptor."""

    descriptor: int

    def own(self, uid: int, gid: int) -> None:
        os.chown(self.descriptor, uid, gid)

    def permit(self, mode: int) -> None:
        os.fchmod(self.descriptor, mode)

    def mark(self, name: str, value: bytes) -> None:
        os.setxattr(self.descriptor, name, value)

    def date(self, nanoseconds: int) -> None:
        os.utime(self.descriptor, ns=(nanoseconds, nanoseconds))


@attrs.frozen
class _Named:
    """Anything else by its name in an open directory; a symbolic link is not followed."""

    parent: int
    name: bytes

    def own(self, uid: int, gid: int) -> None:
        os.chown(self.name, uid, gid, dir_fd=self.parent, follow_symlinks=False)

    def permit(self, mode: int) -> None:
        # Never called for a symbolic link, and what has the name was made a moment ago.
        os.chmod(self.name, mode, dir_fd=self.parent)

    def mark(self, name: str, value: bytes) -> None:
        path = b"%s/%d/%s" % (_FDS, self.parent, self.name)
        os.setxattr(path, name, value, follow_symlinks=False)

    def date(self, nanoseconds: int) -> None:
        os.utime(self.name, ns=(nanoseconds, nanoseconds), dir_fd=self.parent, follow_symlinks=False)


class Attributes:
    """Gives what was extracted the attributes that its entry names, and reports what is not permitted."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def set_open(self, descriptor: int, path: bytes, entry: Entry) -> None:
        """Set those of the file or directory that *descriptor* refers to."""
        self._set(_Open(descriptor), path, entry)

    def set_named(self, parent: int, name: bytes, path: bytes, entry: Entry) -> None:
        """Set those of a link, device, FIFO or socket."""
        self._set(_Named(parent, name), path, entry)

    def _set(self, item: _Open | _Named, path: bytes, entry: Entry) -> None:
        owned = self._own(item, path, entry)
        acls = [name for name in _ACLS if name in entry.xattrs]
        self._mark(item, path, entry, (name for name in entry.xattrs if name not in acls))
        if entry.type is not EntryType.SYMLINK:
            self._permit(item, path, self._mode(path, entry, owned=owned))
        self._mark(item, path, entry, acls)
        self._date(item, path, entry)

    def _own(self, item: _Open | _Named, path: bytes, entry: Entry) -> bool:
        """Set the owner and tell whether that went well."""
        if not (0 <= entry.uid <= _ID_MAX and 0 <= entry.gid <= _ID_MAX):
            self._report.add(
                "owner-not-applied", path, "the owner is not what the archive says, no system has it"
            )
            return False
        try:
            item.own(entry.uid, entry.gid)
        except OSError as error:
            text = f"the owner is not what the archive says, {error.strerror}"
            self._report.add("owner-not-applied", path, text)
            return False
        return True

    def _mode(self, path: bytes, entry: Entry, *, owned: bool) -> int:
        """Return the mode, without the bits that would lend the rights of the wrong owner."""
        lending = entry.mode & (stat.S_ISUID | stat.S_ISGID)
        if owned or not lending:
            return entry.mode
        text = "setuid and setgid are left out, since the owner is another"
        self._report.add("mode-not-applied", path, text)
        return entry.mode & ~lending

    def _permit(self, item: _Open | _Named, path: bytes, mode: int) -> None:
        try:
            item.permit(mode)
        except OSError as error:
            self._report.add("mode-not-applied", path, f"the mode is not set, {error.strerror}")

    def _mark(self, item: _Open | _Named, path: bytes, entry: Entry, names: Iterable[str]) -> None:
        for name in names:
            try:
                item.mark(name, entry.xattrs[name])
            except (OSError, ValueError, AttributeError) as error:
                # A name may hold a NUL, and not every system has extended attributes.
                reason = getattr(error, "strerror", None) or "the system cannot store it"
                self._report.add("xattr-not-applied", path, f"{name[:80]!r} is not set, {reason}")

    def _date(self, item: _Open | _Named, path: bytes, entry: Entry) -> None:
        try:
            item.date(entry.mtime_ns)
        except (OSError, OverflowError):
            self._report.add(
                "time-not-applied", path, "the time of last modification is not set, no system has it"
            )
