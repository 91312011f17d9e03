"""Extracting: every member to its place, and the attributes of directories at the end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path

import attrs

from lxdimage._arguments import list_of
from lxdimage._sources import FileArgument, Progress
from lxdimage.archive import Entry, EntryType, Member, TarMember, pieces_within
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import InvalidImageError
from lxdimage.extract._attributes import Attributes
from lxdimage.extract._report import RefusedError, Report
from lxdimage.extract._tree import Parts, Tree, parse_path
from lxdimage.image import ImageMember, open_members, plain_path
from lxdimage.limits import Limits

__all__ = ["Extraction", "extract_image", "extract_members"]


@attrs.frozen(kw_only=True)
class Extraction:
    """
    What became of the members.

    Attributes:
        path: The directory.
        members: How many were extracted.
        diagnostics: What was not extracted, and what is not as the archive has it; empty when all is.
    """

    path: str
    members: int
    diagnostics: tuple[Diagnostic, ...]


def extract_image(
    *files: FileArgument,
    to: str | os.PathLike[str],
    members: Iterable[str] | None = None,
    overwrite: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """
    Write the members of an image, or some of them, into a directory.

    Nothing outside the directory is touched, whatever names, links and types the image has: no component of a path
    may be ``..`` or a symbolic link.  Of members with one name the last one stays.  What is not permitted is left out
    and reported: devices and owners for anyone but root, mostly.  A file appears when it is complete.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order;
            a root file alone will do, too.  The root of a split image goes to ``rootfs``.
        to: The directory, made when it is missing.
        members: Names as `lxdimage ls` prints them, a directory standing for all that is below it; everything
            unless given.
        overwrite: Write into a directory that has something in it, replacing files of the same names.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all.

    Returns:
        How many members were extracted, and what is not as the image has it.

    Raises:
        InvalidImageError: When a file cannot be read on; what was extracted before stays.
        OSError: When a file cannot be read, the directory is not empty, or something cannot be written.
    """
    wanted = None if members is None else list_of(members, "members")
    with open_members(*files, limits=limits, progress=progress) as found:
        first = list(islice(found, 1))  # no directory is made for what is no image
        with open_tree(os.fspath(to), overwrite=overwrite) as tree:
            return extract_members(chain(first, found), tree, wanted=wanted)


@contextmanager
def open_tree(path: str, *, overwrite: bool) -> Iterator[Tree]:
    """
    Give the directory *path* to write into, made when it is missing.

    Raises:
        OSError: It cannot be made, or has something in it and *overwrite* is not given.
    """
    Path(path).mkdir(parents=True, exist_ok=True)
    with closing(Tree(path)) as tree:
        if not overwrite and not tree.is_empty():
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        yield tree


def extract_members(
    found: Iterable[ImageMember], tree: Tree, *, wanted: Iterable[str] | None = None
) -> Extraction:
    """
    Write members to their places in *tree*.

    Raises:
        OSError: When something cannot be written.
    """
    selection = _Selection(wanted)
    writer = _Writer(tree)
    try:
        for item in found:
            if selection.takes(item.path):
                writer.write(os.fsencode(item.path), item.member)
    except InvalidImageError:
        writer.finish()
        raise
    writer.finish()
    for name in selection.missing():
        writer.report.add("member-not-found", os.fsencode(name), "no member has this name")
    return Extraction(path=tree.path, members=writer.count, diagnostics=writer.report.diagnostics())


class _Selection:
    """The members that are wanted."""

    def __init__(self, wanted: Iterable[str] | None) -> None:
        self._everything = wanted is None
        self._wanted = {plain_path(name): False for name in wanted or ()}

    def takes(self, path: str) -> bool:
        """Tell whether *path*, or a directory that it is in, is wanted."""
        if self._everything:
            return True
        plain = plain_path(path)
        end = len(plain)
        while end >= 0:
            if plain[:end] in self._wanted:
                self._wanted[plain[:end]] = True
                return True
            end = plain.rfind("/", 0, end) if end else -1
        return False

    def missing(self) -> Iterator[str]:
        """Yield the names that no member had."""
        return (name for name, met in self._wanted.items() if not met)


class _Writer:
    """
    Writes members into a tree.

    Attributes:
        count: Members written.
        report: What could not be done.
    """

    def __init__(self, tree: Tree) -> None:
        self.count = 0
        self.report = Report(tree.path)
        self._tree = tree
        self._attributes = Attributes(self.report)
        # Directories stay open to their owner until everything is in them.
        self._directories: dict[Parts, Entry] = {}

    def write(self, path: bytes, member: Member) -> None:
        """
        Write one member, or report why not.

        Raises:
            OSError: When it cannot be written for a reason that is not the member's.
        """
        try:
            parts = parse_path(path)
            self._tree.claim(parts)
            with self._errors_of(parts):
                self._write(parts, path, member)
            self.count += 1
        except RefusedError as refused:
            self.report.add(refused.code, path, refused.text)

    @contextmanager
    def _errors_of(self, parts: Parts) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if (code := _OF_MEMBER.get(error.errno or 0)) is not None:
                raise RefusedError(code, f"not extracted, {error.strerror}") from None
            error.filename = self._tree.full_path(parts)
            del error.filename2  # None would be shown
            raise

    def _write(self, parts: Parts, path: bytes, member: Member) -> None:
        if _is_directory(member):
            self._tree.make_directory(parts)
            self._directories[parts] = member.entry
            return
        if member.type is EntryType.HARD_LINK:
            replaced = self._tree.link(parts, _link_target(parts, member))
        else:
            replaced = self._tree.place(parts, partial(self._make, path, member))
        if replaced:
            self._directories.pop(parts, None)

    def _make(self, path: bytes, member: Member, parent: int, name: bytes) -> None:
        """Make anything but a directory or a hard link under *name*, with all its attributes."""
        entry = member.entry
        if entry.type is EntryType.FILE:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=parent)
            try:
                _write_content(descriptor, member)
                self._attributes.set_open(descriptor, path, entry)
            finally:
                os.close(descriptor)
        else:
            _make_node(entry, parent, name)
            self._attributes.set_named(parent, name, path, entry)

    def finish(self) -> None:
        """Give the directories their attributes, the inner ones first."""
        for parts in sorted(self._directories, reverse=True):
            with suppress(RefusedError, FileNotFoundError), self._errors_of(parts):
                descriptor = self._tree.enter(parts, create=False)
                self._attributes.set_open(descriptor, b"/".join(parts) or b".", self._directories[parts])


def _is_directory(member: Member) -> bool:
    """Tell whether a member is a directory; tar takes a file for one whose name ends in a slash."""
    if member.type is EntryType.FILE and member.name.endswith(b"/"):
        if member.size:
            text = "not extracted, a name that ends in a slash is a directory's, and this has content"
            raise RefusedError("directory-with-content", text)
        return True
    return member.type is EntryType.DIRECTORY


def _link_target(parts: Parts, member: Member) -> Parts:
    """Return where the target of a hard link is, which has the name that its own archive gives it."""
    within = parts[: len(parts) - len(parse_path(member.name))]
    return within + parse_path(os.fsencode(member.entry.target))


# What is wrong with a member, and not with the system it is written to.
_OF_MEMBER = {
    errno.ENAMETOOLONG: "name-too-long",
    errno.EILSEQ: "name-not-possible",
    errno.EINVAL: "name-not-possible",
    errno.EFBIG: "file-too-large",
}
_LARGEST = (1 << 63) - 1


def _write_content(descriptor: int, member: Member) -> None:
    """Write the content of a file; what a sparse file's map leaves out becomes holes."""
    data = member.entry.data
    if member.size > _LARGEST:
        raise RefusedError("file-too-large", "not extracted, no system has files of this size")
    if data is None:
        for chunk in member.chunks():
            _write_at(descriptor, chunk, None)
        return
    pieces = member.stretches() if isinstance(member, TarMember) else pieces_within(member.chunks(), data)
    for offset, piece in pieces:
        _write_at(descriptor, piece, offset)
    os.truncate(descriptor, member.size)


def _write_at(descriptor: int, data: bytes, offset: int | None) -> None:
    if offset is not None:
        os.lseek(descriptor, offset, os.SEEK_SET)
    written = os.write(descriptor, data)
    while written < len(data):
        data = data[written:]
        written = os.write(descriptor, data)


def _make_node(entry: Entry, parent: int, name: bytes) -> None:
    match entry.type:
        case EntryType.SYMLINK:
            _make_symlink(os.fsencode(entry.target), parent, name)
        case EntryType.CHARACTER_DEVICE:
            _make_device(stat.S_IFCHR, entry, parent, name)
        case EntryType.BLOCK_DEVICE:
            _make_device(stat.S_IFBLK, entry, parent, name)
        case EntryType.FIFO:
            _make_special(lambda: os.mkfifo(name, 0o600, dir_fd=parent))
        case EntryType.SOCKET:
            _make_special(lambda: os.mknod(name, stat.S_IFSOCK | 0o600, dir_fd=parent))
        case kind:
            raise AssertionError(kind)  # files, directories and hard links are made elsewhere


def _make_symlink(target: bytes, parent: int, name: bytes) -> None:
    target = target.split(b"\0", 1)[0]
    if not 0 < len(target) <= 4095:
        text = "not extracted, the target of a symbolic link has from 1 to 4095 bytes"
        raise RefusedError("bad-symlink", text)
    os.symlink(target, name, dir_fd=parent)


def _make_device(kind: int, entry: Entry, parent: int, name: bytes) -> None:
    major, minor = entry.device or (-1, -1)
    if not (0 <= major <= 0xFFF and 0 <= minor <= 0xF_FFFF):
        raise RefusedError("device-not-created", "not extracted, no system has a device with these numbers")
    _make_special(lambda: os.mknod(name, kind | 0o600, os.makedev(major, minor), dir_fd=parent))


def _make_special(make: Callable[[], None]) -> None:
    try:
        make()
    except OSError as error:
        if error.errno not in _NOT_MADE:
            raise
        raise RefusedError("device-not-created", f"not extracted, {error.strerror}") from None


_NOT_MADE = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS})
