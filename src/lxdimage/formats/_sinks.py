"""
Where the bytes of a file go: to a file that takes its name at the very end, or straight to a stream.

A new file grows without a name in the directory of its target; where the kernel cannot do that, under a hidden
name.  So whoever looks sees the old file or the new one, whenever the writer is killed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from lxdimage._sources import file_name

__all__ = ["OutputArgument", "Sink", "open_sink"]

OutputArgument: TypeAlias = str | os.PathLike[str] | BinaryIO
"""Where public functions write: a path, which appears when all is well, or a binary stream."""

_BUFFER = 1 << 16  # less than the chunks that come, which then are written without a copy


class Sink(Protocol):
    """Where the bytes of one file go."""

    @property
    def path(self) -> str:
        """What messages call it."""

    @property
    def stream(self) -> BinaryIO:
        """What takes the bytes."""

    @property
    def lasting(self) -> bool:
        """Whether what was written can be read again and changed."""

    def hurry(self, start: int, end: int) -> None:
        """Begin to bring the bytes from *start* to *end* to the disk, and do not wait."""

    def stage(self) -> None:
        """Bring everything to the disk; nothing is visible yet."""

    def publish(self) -> None:
        """Give the file its name."""

    def close(self) -> None:
        """Let go, and leave nothing behind that was not published."""


class _Stream:
    """A stream of the caller's, or a device or pipe that has a name: it gets the bytes as they come."""

    lasting = False

    def __init__(self, path: str, stream: BinaryIO, *, owned: bool) -> None:
        self.path = path
        self.stream = stream
        self._owned = owned

    def hurry(self, start: int, end: int) -> None:
        """Do nothing: whoever has the stream decides."""

    def stage(self) -> None:
        self.stream.flush()

    def publish(self) -> None:
        """Do nothing: the bytes are where they belong."""

    def close(self) -> None:
        if self._owned:
            with suppress(OSError):  # staging has flushed what is wanted
                self.stream.close()


_TMPFILE: int = getattr(os, "O_TMPFILE", 0)
_FDS = "/proc/self/fd"
# What opening without a name fails with where the kernel or the file system cannot do it.
_NO_TMPFILE = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})
# What naming it afterwards fails with where only that does not work.
_NO_LINK = frozenset({errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM, errno.ENOENT, errno.EINVAL})


class _NewFile:
    """
    A file that takes the place of *path* when it is published.

    While it has a hidden name it is locked.  A hidden file without a lock is what a killed process left, and goes
    the next time that somebody writes the same target.
    """

    lasting = True

    def __init__(self, path: str) -> None:
        self.path = path
        directory, self._name = os.path.split(os.path.realpath(path))
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._hidden: str | None = None
        try:
            _remove_stale(self._directory, self._name)
            self.stream: BinaryIO = os.fdopen(self._open(), "w+b", _BUFFER)
        except BaseException:
            os.close(self._directory)
            raise

    def _open(self) -> int:
        """Return a descriptor of a new file without a name, or with a hidden one."""
        if _TMPFILE and Path(_FDS).is_dir():
            try:
                descriptor = os.open(".", _TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666, dir_fd=self._directory)
            except OSError as error:
                if error.errno not in _NO_TMPFILE:
                    raise self._named(error) from None
            else:
                _lock(descriptor)
                return descriptor
        return self._open_hidden()

    def _named(self, error: OSError) -> OSError:
        """Return *error* about the file that people know."""
        return type(error)(error.errno, error.strerror, self.path)

    def _open_hidden(self) -> int:
        """Return a descriptor of a new file with a hidden name."""
        while True:
            hidden = _hidden_name(self._name)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                descriptor = os.open(hidden, flags, 0o666, dir_fd=self._directory)
            except OSError as error:
                raise self._named(error) from None
            # Somebody who tidies up at this moment may have taken the file for a stale one.
            if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                self._hidden = hidden
                return descriptor
            os.close(descriptor)

    def hurry(self, start: int, end: int) -> None:
        # Of pages that are not on the disk yet this starts the writing, and nothing else.
        with suppress(OSError, AttributeError):
            os.posix_fadvise(self.stream.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)

    def stage(self) -> None:
        self.stream.flush()
        old = self._old()
        if old is not None and stat.S_ISREG(old.st_mode):
            self._take_permissions(old)
        os.fsync(self.stream.fileno())
        if self._hidden is None and old is not None:
            self._hide()

    def _old(self) -> os.stat_result | None:
        """Return what is known of the file that is to be replaced, if there is one."""
        try:
            return os.stat(self._name, dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _take_permissions(self, old: os.stat_result) -> None:
        """Let whoever could read the old file read the new one, and nobody else, as when it is written in place."""
        descriptor = self.stream.fileno()
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        with suppress(PermissionError):
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode))

    def _hide(self) -> None:
        """Give the nameless file a hidden name."""
        hidden = _hidden_name(self._name)
        try:
            self._link(hidden)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copy()
        else:
            self._hidden = hidden

    def _copy(self) -> None:
        """Continue with a copy that has a hidden name, where the file system gives nameless files none."""
        copy = os.fdopen(self._open_hidden(), "w+b", _BUFFER)
        with self.stream as nameless:
            self.stream = copy
            nameless.seek(0)
            shutil.copyfileobj(nameless, copy, _BUFFER)
        copy.flush()
        os.fsync(copy.fileno())

    def _link(self, name: str) -> None:
        """Give the nameless file a *name*."""
        # The descriptor of a directory makes Python call linkat, which follows the link below /proc.
        os.link(
            f"{_FDS}/{self.stream.fileno()}",
            name,
            src_dir_fd=self._directory,
            dst_dir_fd=self._directory,
            follow_symlinks=True,
        )

    def publish(self) -> None:
        if self._hidden is None:
            try:
                self._link(self._name)
            except OSError as error:
                if error.errno not in {errno.EEXIST, *_NO_LINK}:
                    raise
                self._hide()
        if self._hidden is not None:
            os.rename(self._hidden, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            self._hidden = None
        _sync_directory(self._directory)

    def close(self) -> None:
        try:
            if self._hidden is not None:
                with suppress(FileNotFoundError):
                    os.unlink(self._hidden, dir_fd=self._directory)
            with suppress(OSError):  # what could not be written is no longer wanted
                self.stream.close()
        finally:
            os.close(self._directory)


_CUT = 200  # of at most 255 bytes in a name


def _stem(name: str) -> str:
    return "." + os.fsdecode(os.fsencode(name)[:_CUT])


def _hidden_name(name: str) -> str:
    return f"{_stem(name)}.{secrets.token_hex(8)}.part"


def _remove_stale(directory: int, name: str) -> None:
    """Remove what killed writers of *name* left in *directory*."""
    pattern = re.compile(re.escape(_stem(name)) + r"\.[0-9a-f]{16}\.part", re.DOTALL)
    for found in filter(pattern.fullmatch, os.listdir(directory)):
        with suppress(OSError):
            _remove_if_unlocked(directory, found)


def _remove_if_unlocked(directory: int, name: str) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock a new file; where nobody can lock, nobody will take it for a stale one either."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _sync_directory(directory: int) -> None:
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise


def open_sink(target: OutputArgument) -> Sink:
    """
    Open *target* for writing.  Devices and pipes that have a name are streams.

    Raises:
        OSError: When that is not possible.
    """
    if not isinstance(target, str | os.PathLike):
        return _Stream(file_name(target), target, owned=False)
    path = os.fsdecode(target)
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return _NewFile(path)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if stat.S_ISREG(mode):
        return _NewFile(path)
    return _Stream(path, open(path, "wb"), owned=True)  # noqa: PTH123 - closed by close()
