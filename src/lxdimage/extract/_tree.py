"""
A directory that nothing leaves.

Every path is walked from the destination's own descriptor, one component after the other, and no component may be a
symbolic link, whether the archive made it or somebody else.  New things are made under a name that no archive can
know and then renamed, so that nothing is ever opened, followed or written that was there before.  Whatever the
names, links and types of an archive and whatever their order, only entries below the destination change.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeAlias

from lxdimage._findings import shown
from lxdimage.extract._report import RefusedError

__all__ = ["Parts", "Tree", "parse_path"]

Parts: TypeAlias = tuple[bytes, ...]
"""The components of a path below the destination; none for the destination itself."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH_MAX = 4095
_KEPT_OPEN = 64
# What renaming over a directory fails with.
_IS_DIRECTORY = frozenset({errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST})
_NOT_ENTERED = frozenset({errno.ELOOP, errno.ENOTDIR})


def parse_path(name: bytes) -> Parts:
    """
    Return where a member belongs below the destination.

    A leading slash and every ``.`` vanish, as with GNU tar; a NUL ends the name, as in C.

    Raises:
        RefusedError: The name has a ``..`` or is longer than any path may be.
    """
    parts = tuple(part for part in name.split(b"\0", 1)[0].split(b"/") if part not in {b"", b"."})
    if b".." in parts:
        raise RefusedError("dotdot-member", "not extracted, the name contains '..'")
    if _length(parts) > _PATH_MAX + 1:
        raise RefusedError("name-too-long", f"not extracted, the path has more than {_PATH_MAX} bytes")
    return parts


def _length(parts: Parts) -> int:
    """Return the bytes of a path, with a slash in front of every component."""
    return sum(map(len, parts)) + len(parts)


class Tree:
    """
    The destination while it is filled.

    Attributes:
        path: Where it is, for messages.
    """

    def __init__(self, path: str, *, folds: bool | None = None) -> None:
        """
        Args:
            path: An existing directory; it may be reached through symbolic links, which are the caller's.
            folds: Whether names that differ only in case are the same file; found out unless given.

        Raises:
            OSError: It cannot be opened.
        """
        self.path = path
        self._own_length = len(os.fsencode(os.path.realpath(path)))
        self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open: list[tuple[bytes, int]] = []  # the way to the directory last used
        self._deep: int | None = None  # that directory itself where the way is long
        self._temporary = f".lxdimage-{secrets.token_hex(12)}".encode()
        self._names: dict[tuple[str, ...], Parts] | None = {} if self._folds(folds=folds) else None

    def close(self) -> None:
        """Let go of all directories."""
        self._leave(0)
        os.close(self._root)

    def is_empty(self) -> bool:
        """Tell whether the destination holds nothing."""
        with os.scandir(self._root) as entries:
            return next(entries, None) is None

    def full_path(self, parts: Parts) -> str:
        """Return the path of *parts* for a message."""
        return "/".join((self.path, *map(os.fsdecode, parts)))

    # ---- names that differ only in case ------------------------------------------------------------------------

    def _folds(self, *, folds: bool | None) -> bool:
        if folds is not None:
            return folds
        name = self._temporary + b"-a"
        try:
            os.close(
                os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=self._root)
            )
        except OSError:
            return False  # whatever is wrong shows with the first member
        try:
            os.stat(name.upper(), dir_fd=self._root, follow_symlinks=False)
        except OSError:
            return False
        else:
            return True
        finally:
            os.unlink(name, dir_fd=self._root)

    def claim(self, parts: Parts) -> None:
        """
        Check that *parts* can be a path, and take note of it where the file system does not tell letters' case.

        Raises:
            RefusedError: No program could open it by its whole path, or another member has it in other letters.
        """
        if self._own_length + _length(parts) > _PATH_MAX:
            text = f"not extracted, its whole path would have more than {_PATH_MAX} bytes, so no program could open it"
            raise RefusedError("name-too-long", text)
        if self._names is None:
            return
        folded = tuple(unicodedata.normalize("NFC", os.fsdecode(part)).casefold() for part in parts)
        for end in range(1, len(parts) + 1):
            claimed = self._names.setdefault(folded[:end], parts[:end])
            if claimed != parts[:end]:
                other = shown(b"/".join(claimed))
                raise RefusedError("name-clash", f"not extracted, the file system takes it for {other}")

    # ---- directories -----------------------------------------------------------------------------------------

    def _leave(self, depth: int) -> None:
        """Close the directories behind the first *depth* of the way."""
        if self._deep is not None:
            os.close(self._deep)
            self._deep = None
        while len(self._open) > depth:
            os.close(self._open.pop()[1])

    def enter(self, parts: Parts, *, create: bool = True) -> int:
        """
        Return a descriptor of the directory *parts*, usable until the next call.

        Args:
            parts: Where it is.
            create: Whether to make what is missing.

        Raises:
            RefusedError: A component is no directory, or a symbolic link.
            FileNotFoundError: It is missing and not to be created.
        """
        depth = 0
        while depth < len(self._open) and depth < len(parts) and self._open[depth][0] == parts[depth]:
            depth += 1
        self._leave(depth)
        descriptor = self._open[-1][1] if depth else self._root
        for number, name in enumerate(parts[depth:], depth):
            found = self._enter_one(descriptor, parts, number, create=create)
            if number < _KEPT_OPEN:
                self._open.append((name, found))
            else:
                if self._deep is not None:
                    os.close(self._deep)
                self._deep = found
            descriptor = found
        return descriptor

    def _enter_one(self, parent: int, parts: Parts, number: int, *, create: bool) -> int:
        name = parts[number]
        try:
            return os.open(name, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            if not create:
                raise
            os.mkdir(name, dir_fd=parent)
            return os.open(name, _DIRECTORY, dir_fd=parent)
        except OSError as error:
            if error.errno not in _NOT_ENTERED:
                raise
            what = "a symbolic link" if _is_symlink(parent, name) else "no directory"
            where = shown(b"/".join(parts[: number + 1]))
            text = f"not extracted, it lies below {where}, which is {what}"
            raise RefusedError("member-inside-file", text) from None

    def make_directory(self, parts: Parts) -> bool:
        """
        Make the directory *parts*, which replaces anything that is none; tell whether it is new.

        Only its owner may use a new one, until it gets the mode that it should have.
        """
        if not parts:
            return False
        parent = self.enter(parts[:-1])
        for _ in range(2):
            try:
                os.mkdir(parts[-1], 0o700, dir_fd=parent)
            except FileExistsError:
                if stat.S_ISDIR(os.stat(parts[-1], dir_fd=parent, follow_symlinks=False).st_mode):
                    return False
                os.unlink(parts[-1], dir_fd=parent)
            else:
                break
        return True

    # ---- everything else -------------------------------------------------------------------------------------

    def place(self, parts: Parts, make: Callable[[int, bytes], None]) -> bool:
        """
        Put what *make* makes at *parts*, in place of whatever is there but a directory with content.

        Args:
            parts: Where it belongs.
            make: Called with the descriptor of the directory and a name to make it under, which it then gets rid of.

        Returns:
            Whether an empty directory was replaced.

        Raises:
            RefusedError: A directory with content is there, or the parent is no directory.
        """
        if not parts:
            raise RefusedError("member-over-directory", "not extracted, it stands for the destination itself")
        parent = self.enter(parts[:-1])
        with self._temporary_name(parent) as temporary:
            make(parent, temporary)
            return _rename(parent, temporary, parts[-1])

    @contextmanager
    def _temporary_name(self, parent: int) -> Iterator[bytes]:
        try:
            yield self._temporary
        finally:
            # Renaming one name of a file to another does nothing, so that both are left.
            with suppress(FileNotFoundError):
                os.unlink(self._temporary, dir_fd=parent)

    def link(self, parts: Parts, target: Parts) -> bool:
        """
        Make *parts* another name of the file *target*; a symbolic link there is not followed.

        Returns:
            Whether an empty directory was replaced.

        Raises:
            RefusedError: There is no such file, or the file system cannot do it.
        """
        missing = f"not extracted, it is a hard link to {shown(b'/'.join(target))}, which was not extracted"
        if not target:
            raise RefusedError(
                "dangling-hard-link", "not extracted, it is a hard link to the destination itself"
            )
        source = -1
        try:
            source = os.dup(self.enter(target[:-1], create=False))
            os.stat(target[-1], dir_fd=source, follow_symlinks=False)
            if parts == target:
                return False
            return self.place(parts, lambda parent, name: _link(source, target[-1], parent, name))
        except FileNotFoundError:
            raise RefusedError("dangling-hard-link", missing) from None
        finally:
            if source >= 0:
                os.close(source)


def _is_symlink(parent: int, name: bytes) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _rename(parent: int, temporary: bytes, name: bytes) -> bool:
    """Give *temporary* its name and tell whether that was a directory's, which must be empty."""
    try:
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        if error.errno not in _IS_DIRECTORY:
            raise
    else:
        return False
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in _IS_DIRECTORY:
            raise
        text = "not extracted, a directory with content is in its place"
        raise RefusedError("member-over-directory", text) from None
    os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    return True


_UNLINKABLE = frozenset({errno.EPERM, errno.EMLINK, errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS})


def _link(source: int, target: bytes, parent: int, name: bytes) -> None:
    try:
        os.link(target, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _UNLINKABLE:
            raise
        raise RefusedError("hard-link-not-created", f"not extracted, {error.strerror}") from None
