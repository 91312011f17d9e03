"""
A directory as members: what `write_archive` and the SquashFS writer take, in the same order on every machine.

Names are sorted bytewise, depth first.  Every file is opened by its name within the descriptor of its directory and
never through a symbolic link, and everything is asked of the descriptor: nobody who renames things meanwhile can
lead the reader out of the tree, and a file that changes while it is read is an error instead of a mixture.

Which attributes belong to the files and which to the machine that they lie on is decided here: SELinux labels, IMA
and EVM signatures and the like stay behind; capabilities, access lists and all others come along.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias, cast

import attrs

from lxdimage._chunks import READ_SIZE, Chunks
from lxdimage._sources import Progress
from lxdimage.archive import (
    NANO,
    NO_XATTRS,
    SPARSE_FROM,
    Entry,
    EntryType,
    Item,
    PlainHeaders,
    SparseContent,
    find_data,
    find_stretches,
)
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError
from lxdimage.rules import diagnose

__all__ = ["TreeOptions", "read_tree", "read_tree_items"]

MapOwner: TypeAlias = Callable[[int, int], tuple[int, int]]
"""Gives the owner and group that a member gets for those that the file has; LookupError refuses them."""

_FILE = EntryType.FILE
_WHOLE = 1 << 20  # files up to this size are read in one piece

# Set by the machine for itself, and of no use or even harmful anywhere else.
_LOCAL_XATTRS = (
    "security.selinux",
    "security.SMACK64",
    "security.apparmor",
    "security.ima",
    "security.evm",
    "trusted.overlay.",
    "user.overlay.",
    "system.nfs4_acl",
)


def _ignore(_: Diagnostic) -> None:
    pass


@attrs.frozen(kw_only=True)
class TreeOptions:
    """
    How a directory becomes members.

    Attributes:
        prefix: What precedes all paths, with a slash at its end.
        top: The path of the top directory itself; without one it is no member.
        latest: Later times become this one, in seconds since 1970.
        excluded: Tells whether a path below the top is left out; that of a directory ends in a slash.
        map_owner: Maps the owners of all files.
        map_xattrs: Maps the extended attributes of files that have any.
        note: Is told what was left out.
        progress: Called with the bytes of the files so far, at most once for each megabyte.
    """

    prefix: str = ""
    top: str = ""
    latest: int | None = None
    excluded: Callable[[str], bool] | None = None
    map_owner: MapOwner | None = None
    map_xattrs: Callable[[Mapping[str, bytes]], Mapping[str, bytes]] | None = None
    note: Callable[[Diagnostic], None] = _ignore
    progress: Progress | None = None


def read_tree(
    top: str | os.PathLike[str], options: TreeOptions = TreeOptions()
) -> Iterator[tuple[Entry, Iterable[bytes]]]:
    """
    Yield the members of a directory and their content, each to be used before the next one is asked for.

    Args:
        top: The directory; it may be a symbolic link.
        options: How.

    Yields:
        Entries with numeric owners, sockets left out, and content that checks itself while it is read.

    Raises:
        BuildError: When something cannot be read or changes meanwhile.
        OSError: When *top* is no directory, or the system has no more resources.
    """
    return cast("Iterator[tuple[Entry, Iterable[bytes]]]", _Walk(os.fsdecode(top), options).members())


def read_tree_items(top: str | os.PathLike[str], options: TreeOptions = TreeOptions()) -> Iterator[Item]:
    """
    Yield the members of a directory for `write_archive`: of files with nothing special about them the blocks.

    Raises as `read_tree` does.
    """
    return _Walk(os.fsdecode(top), options, PlainHeaders()).members()


_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_listxattr: Callable[..., list[str]] = getattr(os, "listxattr", lambda *_, **__: [])
_NOATIME: int = getattr(os, "O_NOATIME", 0)
# What happens to a name that was there a moment ago; the rest are permissions and broken disks.
_CHANGED = frozenset({errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ESTALE})
_UNREADABLE = frozenset({errno.EACCES, errno.EPERM, errno.EIO})

_DESCRIPTORS = Path("/proc/self/fd")
_SPECIAL = {
    stat.S_IFIFO: EntryType.FIFO,
    stat.S_IFCHR: EntryType.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryType.BLOCK_DEVICE,
}


@attrs.frozen
class _Directory:
    """A directory whose members are being read: its path with a slash, an open descriptor, and what is left."""

    path: str
    descriptor: int
    children: Iterator[os.DirEntry[str]]


class _Walk:
    """One walk through a tree; with *headers* those of files with nothing special about them are made at once."""

    def __init__(self, top: str, options: TreeOptions, headers: PlainHeaders | None = None) -> None:
        self._top = top
        self._options = options
        self._prefix = options.prefix
        self._latest = None if options.latest is None else options.latest * NANO
        self._flags = _READ | _NOATIME
        self._open_directories: list[_Directory] = []
        self._large_file: int | None = None
        self._mapped = options.map_owner is not None
        self._headers = headers
        self._done = self._told = 0
        # Where the first name of a file with several links went, and how many names are still to come.
        self._links: dict[tuple[int, int], tuple[str, int]] = {}

    def members(self) -> Iterator[Item]:
        directories, excluded = self._open_directories, self._options.excluded
        try:
            top = self._enter(os.open(self._top, _LIST), "")
            if self._options.top:
                yield attrs.evolve(top, path=self._options.top), ()
            while directories:
                directory = directories[-1]
                child = next(directory.children, None)
                if child is None:
                    os.close(directories.pop().descriptor)
                    continue
                path = directory.path + child.name
                if child.is_file(follow_symlinks=False):
                    if excluded is None or not excluded(path):
                        yield self._file(child.name, directory.descriptor, path)
                elif child.is_dir(follow_symlinks=False):
                    path += "/"
                    if excluded is None or not excluded(path):
                        opened = self._open(child.name, _LIST | os.O_NOFOLLOW, directory.descriptor, path)
                        yield self._enter(opened, path), ()
                elif excluded is None or not excluded(path):
                    yield from self._special(child, directory.descriptor, path)
        finally:
            self._close()

    def _enter(self, descriptor: int, path: str) -> Entry:
        """Return an open directory; its members come next."""
        try:
            self._open_directories.append(_Directory(path, descriptor, _sorted(descriptor)))
        except OSError as error:
            os.close(descriptor)
            raise self._failed(error, path) from error
        return self._entry(path, EntryType.DIRECTORY, os.fstat(descriptor), self._xattrs(descriptor, path))

    def _close(self) -> None:
        for directory in self._open_directories:
            os.close(directory.descriptor)
        if self._large_file is not None:
            os.close(self._large_file)

    # ---- one kind of member after the other ----------------------------------------------------------------------

    def _file(self, name: str, directory: int, path: str) -> Item:
        """Return a regular file; a large one stays open until the next is asked for."""
        if self._large_file is not None:
            os.close(self._large_file)
            self._large_file = None
        try:
            descriptor = os.open(name, self._flags, dir_fd=directory)
        except OSError:
            descriptor = self._open(name, self._flags, directory, path)
        try:
            status = os.fstat(descriptor)
            size, mode = status.st_size, status.st_mode
            self._done += size
            if self._done - self._told >= _WHOLE:
                self._tell()
            if size > _WHOLE or status.st_nlink > 1 or self._mapped or not stat.S_ISREG(mode):
                return self._unusual(descriptor, path, status)
            xattrs = self._xattrs(descriptor, path)
            content = os.read(descriptor, size + 1) if size else b""
            if xattrs or size >= SPARSE_FROM or len(content) != size or self._headers is None:
                return self._small(content, path, status, xattrs)
            mtime, latest = status.st_mtime_ns, self._latest
            if latest is not None and mtime > latest:
                mtime = latest
            blocks = self._headers.dump(
                self._prefix + path, mode & 0o7777, status.st_uid, status.st_gid, size, mtime
            )
            return blocks or self._entry(path, _FILE, status, xattrs), (content,)
        except OSError as error:
            raise self._failed(error, path) from error
        finally:
            if descriptor != self._large_file:
                os.close(descriptor)

    def _tell(self) -> None:
        self._told = self._done
        if self._options.progress:
            self._options.progress(self._done, None)

    def _unusual(self, descriptor: int, path: str, status: os.stat_result) -> tuple[Entry, Iterable[bytes]]:
        """Return a file that is large, has several names, or is not to be taken as it is."""
        if not stat.S_ISREG(status.st_mode):
            raise self._changed(path, "is no longer a regular file")
        if status.st_nlink > 1 and (link := self._link(status, path)):
            return link, ()
        xattrs = self._xattrs(descriptor, path)
        if status.st_size <= _WHOLE:
            return self._small(os.read(descriptor, status.st_size + 1), path, status, xattrs)
        self._large_file = descriptor
        return self._large(descriptor, path, status, xattrs)

    def _small(
        self, content: bytes, path: str, status: os.stat_result, xattrs: Mapping[str, bytes]
    ) -> tuple[Entry, Iterable[bytes]]:
        """Return a file that was read in one piece."""
        size = status.st_size
        if len(content) != size:
            raise self._resized(path, size, len(content))
        data = find_data(content) if size >= SPARSE_FROM else None
        entry = self._entry(path, _FILE, status, xattrs, data)
        if data is None:
            return entry, (content,)
        return entry, SparseContent((content[at : at + length] for at, length in data), data, size)

    def _large(
        self, descriptor: int, path: str, status: os.stat_result, xattrs: Mapping[str, bytes]
    ) -> tuple[Entry, Iterable[bytes]]:
        """Return a file that is read piece by piece."""
        data = find_stretches(descriptor, status.st_size)
        entry = self._entry(path, _FILE, status, xattrs, data)
        if data is None:
            return entry, self._pieces(descriptor, path, status, ((0, status.st_size),))
        return entry, SparseContent(self._pieces(descriptor, path, status, data), data, status.st_size)

    def _pieces(
        self, descriptor: int, path: str, status: os.stat_result, data: Iterable[tuple[int, int]]
    ) -> Chunks:
        """Yield the stretches *data* of a file, and check at the end that it is still the same."""
        for offset, length in data:
            at, end = offset, offset + length
            while at < end:
                try:
                    piece = os.pread(descriptor, min(READ_SIZE, end - at), at)
                except OSError as error:
                    raise self._failed(error, path) from error
                if not piece:
                    raise self._resized(path, status.st_size, os.fstat(descriptor).st_size)
                at += len(piece)
                yield piece
        now = os.fstat(descriptor)
        if now.st_size != status.st_size:
            raise self._resized(path, status.st_size, now.st_size)
        if (now.st_mtime_ns, now.st_ctime_ns) != (status.st_mtime_ns, status.st_ctime_ns):
            raise self._changed(path, "was changed")

    def _special(
        self, child: os.DirEntry[str], directory: int, path: str
    ) -> Iterator[tuple[Entry, Iterable[bytes]]]:
        """Yield a symbolic link, a device or a FIFO; take note of a socket."""
        try:
            status = child.stat(follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFSOCK:
                text = f"{path!r} is a socket, which only the process that made it can use; it is left out"
                self._options.note(diagnose("socket-skipped", text, source=self._top))
                return
            xattrs = self._xattrs_of_name(directory, child.name, path)
            if kind == stat.S_IFLNK:
                target = os.readlink(child.name, dir_fd=directory)
                entry = self._entry(path, EntryType.SYMLINK, status, xattrs, target=target)
            elif kind in _SPECIAL:
                entry = self._entry(path, _SPECIAL[kind], status, xattrs)
            else:
                raise self._changed(path, "is no longer what it was")
        except OSError as error:
            raise self._failed(error, path) from error
        yield entry, ()

    def _link(self, status: os.stat_result, path: str) -> Entry | None:
        """Return a hard link to an earlier name of the same file, if there was one; else keep this one."""
        key = status.st_dev, status.st_ino
        first, left = self._links.pop(key, ("", status.st_nlink))
        if left > 1:
            self._links[key] = (first or path, left - 1)
        if not first:
            return None
        return self._entry(path, EntryType.HARD_LINK, status, NO_XATTRS, target=self._options.prefix + first)

    # ---- attributes ----------------------------------------------------------------------------------------------

    def _entry(
        self,
        path: str,
        kind: EntryType,
        status: os.stat_result,
        xattrs: Mapping[str, bytes],
        data: tuple[tuple[int, int], ...] | None = None,
        target: str = "",
    ) -> Entry:
        options, mtime = self._options, status.st_mtime_ns
        uid, gid = status.st_uid, status.st_gid
        if options.map_owner is not None:
            try:
                uid, gid = options.map_owner(uid, gid)
            except LookupError as error:
                raise self._unmapped(path, f"its owner is {uid}:{gid}") from error
        device = None
        if kind is EntryType.CHARACTER_DEVICE or kind is EntryType.BLOCK_DEVICE:
            device = os.major(status.st_rdev), os.minor(status.st_rdev)
        return Entry(
            path=self._prefix + path,
            type=kind,
            mode=status.st_mode & 0o7777,
            uid=uid,
            gid=gid,
            mtime_ns=mtime if self._latest is None or mtime <= self._latest else self._latest,
            size=status.st_size if kind is EntryType.FILE else 0,
            target=target,
            device=device,
            xattrs=xattrs,
            data=data,
        )

    def _xattrs_of_name(self, directory: int, name: str, path: str) -> Mapping[str, bytes]:
        # There is no call for names within a directory; below /proc the kernel resolves the descriptor itself.
        return self._xattrs(f"{_DESCRIPTORS}/{directory}/{name}", path)

    def _xattrs(self, file: int | str, path: str) -> Mapping[str, bytes]:
        """Return the extended attributes of an open file, or of a name that is not followed."""
        follow = isinstance(file, int)
        try:
            names = _listxattr(file) if follow else _listxattr(file, follow_symlinks=False)
            if not names:
                return NO_XATTRS
            found = {
                name: os.getxattr(file, name, follow_symlinks=follow)
                for name in sorted(names)
                if not name.startswith(_LOCAL_XATTRS)
            }
        except OSError as error:
            if error.errno in {errno.ENOTSUP, errno.ENOSYS} or not (follow or _DESCRIPTORS.is_dir()):
                return NO_XATTRS
            if error.errno == errno.ENODATA:
                raise self._changed(path, "lost an extended attribute") from error
            raise self._failed(error, path) from error
        if not found or self._options.map_xattrs is None:
            return found
        try:
            return self._options.map_xattrs(found)
        except LookupError as error:
            raise self._unmapped(path, f"its extended attributes name the id {error}") from error

    # ---- failures ------------------------------------------------------------------------------------------------

    def _open(self, name: str, flags: int, directory: int, path: str) -> int:
        try:
            return os.open(name, flags, dir_fd=directory)
        except OSError as error:
            if error.errno == errno.EPERM and flags & _NOATIME:
                # Only the owner may read without leaving a trace.
                self._flags = _READ
                return self._open(name, flags & ~_NOATIME, directory, path)
            raise self._failed(error, path) from error

    def _failed(self, error: OSError, path: str) -> Exception:
        """Return what to raise for an error of the system on *path*."""
        if error.errno in _CHANGED:
            return self._changed(path, "vanished or was replaced")
        if error.errno in _UNREADABLE:
            text = f"{_named(path)} cannot be read: {os.strerror(error.errno or 0)}"
            return BuildError(diagnose("unreadable-file", text, source=self._top))
        error.filename = f"{self._top}/{path}"
        return error

    def _changed(self, path: str, what: str) -> BuildError:
        return BuildError(
            diagnose("file-changed", f"{_named(path)} {what} while it was read", source=self._top)
        )

    def _unmapped(self, path: str, what: str) -> BuildError:
        text = f"{_named(path)} is outside the id map: {what}"
        return BuildError(diagnose("unmapped-owner", text, source=self._top))

    def _resized(self, path: str, size: int, found: int) -> BuildError:
        now = f"more than {size}" if found > size else f"only {found}"
        return self._changed(path, f"had {size} bytes at first and then {now}, so it changed")


def _named(path: str) -> str:
    """Return what messages call a path below the top, which itself has none."""
    return repr(path or ".")


def _sorted(directory: int) -> Iterator[os.DirEntry[str]]:
    """Return the entries of a directory in the order of their names' bytes."""
    with os.scandir(directory) as found:
        children = list(found)
    # Only for ASCII is the order of text surely that of the bytes.
    ascii_only = all(child.name.isascii() for child in children)
    children.sort(key=attrgetter("name") if ascii_only else lambda child: os.fsencode(child.name))
    return iter(children)
