"""
Whether GNU tar unpacks an archive as the daemons call it, when an instance is created (image format, section 2.6).

The daemons run tar as root with restrict, force-local, numeric owners and all xattrs.  It reads more strictly than
Go in some places and more loosely in others; what is checked here is where it fails although the import passed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from lxdimage._findings import Findings
from lxdimage._gnutar import SIZE_MAX, parse_decimal, parse_number, parse_records
from lxdimage._tar import (
    CONTINUED,
    DUMPED_DIRECTORY,
    OCTAL_DIGITS,
    SOLARIS_PAX,
    VOLUME_LABEL,
    HeaderError,
    is_gnu,
    is_ustar,
    parse_string,
)
from lxdimage.archive import Batch, EntryType, TarMember
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.formats import control_path
from lxdimage.rules import diagnose

__all__ = ["UnpackCheck"]

_REMEMBERED = 50_000
_OWNERS = 10_000
_PARENTS = 2_000
_EXTENSION = 1 << 20  # bytes of an extended header that is looked at
_DEEPEST = 256  # directories in one another; the links and files above deeper ones are not looked for
_NAME_MAX = 255
_PATH_MAX = 4095
_LINKS_FOLLOWED = 40
_ID_MAX = _DEVICE_MAX = 0xFFFF_FFFF
_MAJOR_MAX, _MINOR_MAX = 0xFFF, 0xF_FFFF
_FILE, _SYMLINK = b"02"
_REGULAR = frozenset(b"\x0007")
_LINKS = frozenset({EntryType.SYMLINK, EntryType.HARD_LINK})
_TIMES = (b"atime", b"ctime", b"mtime")
_SECONDS = re.compile(rb"(-?0*[0-9]{1,19})(?![0-9])")
_NUMBERS = {b"size": SIZE_MAX, b"GNU.volume.size": (1 << 64) - 1, b"GNU.volume.offset": (1 << 64) - 1}
_TIME_MIN, _TIME_MAX = -(1 << 63), (1 << 63) - 1
_MODE_MIN, _MODE_MAX = -(1 << 63), (1 << 64) - 1
_BLANK = 0x20
_TIME = OCTAL_DIGITS + b"\0 "  # what a time consists of when it is all right, given a digit comes first
_ASIDE = frozenset(b"gXV")  # global headers and others that tar reads for what they say
_EXCLUDED = tuple(start + name for start in (b"", b"/", b"./") for name in (b"dev/", b"rootfs/dev/"))
_NO_FILE = frozenset(b"/.")  # what a name ends in that may be more, or less, than that of a file
_DEVICES = frozenset({EntryType.CHARACTER_DEVICE, EntryType.BLOCK_DEVICE})


class UnpackCheck:
    """
    What tar makes of the members of one archive.

    Remembers the first fifty thousand names, as numbers: enough to see links without a target, members inside a
    file, and files in the place of a directory.  Beyond that number these are not looked for.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._findings = Findings()
        self._in_dev = Findings()
        self._files: set[int] = set()  # whatever cannot have members inside
        self._delayed: set[int] = set()  # links that are put in place only at the end
        self._links: dict[bytes, bytes] = {}  # links that tar follows
        self._directories: set[int] = set()  # those with content
        self._empty: set[int] = set()  # those without, so far
        self._owners: set[bytes] = set()
        self._shared: Mapping[bytes, bytes] = {}  # what global headers say
        # Directories found to be such, by the spelling of the archive; empty where that is how tar spells them.
        self._parents: dict[bytes, bytes] = {}
        self._above: set[int] = set()  # these, and all that they lie in

    def findings(self, *, unpacks_dev: bool) -> tuple[Diagnostic, ...]:
        """Return what was found, for a daemon that unpacks or excludes what lies below dev."""
        found = self._findings.all()
        return (*found, *self._in_dev.all()) if unpacks_dev else found

    @property
    def assumes(self) -> bool:
        """Whether anything is known to be there before the archive."""
        return bool(self._files or self._empty or self._links)

    def assume(self, path: bytes, kind: EntryType, target: bytes) -> None:
        """Take for granted what another archive has left at *path*; where its links lead out of the tree is unknown."""
        for ancestor in self._new_ancestors(path[: path.rfind(b"/") + 1]):
            if ancestor not in self._links and len(self._directories) < _REMEMBERED:
                self._directories.add(hash(ancestor))
        if kind is EntryType.SYMLINK:
            if not _leads_out(target) and len(self._links) < _OWNERS:
                self._links[path] = control_path(target)
        elif len(self._empty) + len(self._files) < _REMEMBERED:
            (self._empty if kind is EntryType.DIRECTORY else self._files).add(hash(path))

    def see_unsquashed(self, path: bytes, kind: EntryType) -> None:
        """Take what ``unsquashfs -f`` unpacks to *path* over what was assumed: it replaces files by files only."""
        code, text = "member-over-directory", None
        for ancestor in self._new_ancestors(path[: path.rfind(b"/") + 1]):
            if hash(ancestor) in self._files or self.leads_to_directory(ancestor) is False:
                code, text = (
                    "member-inside-file",
                    f"lies below {os.fsdecode(ancestor)!r}, which is no directory",
                )
        if kind is EntryType.DIRECTORY:
            if self.leads_to_directory(path) is False:
                text = "is a directory, and a symbolic link before that leads to none"
        elif hash(path) in self._directories or hash(path) in self._empty:
            text = f"is a {kind.title}, and a directory before"
        if text:
            text = f"{os.fsdecode(path)[:200]!r} {text}, in the metadata archive"
            self._findings.add(diagnose(code, text, stage=Stage.CREATE, source=self._source))

    def leads_to_directory(self, path: bytes) -> bool | None:
        """Return whether a symbolic link leads to a directory, None where there is none that stays in the tree."""
        return self._leads_to_directory(path) if path in self._links else None

    def see_batch(self, batch: Batch) -> None:
        """Take ordinary members that follow one another."""
        buffer, files, add = batch.buffer, self._files, self._files.add
        parents, owners, directories, above = self._parents, self._owners, self._directories, self._above
        roomy = len(files) + len(batch) <= _REMEMBERED
        # Nearly every one is a file or a link in a directory and has an owner that were seen: little can be wrong.
        for place, (name, begin, _) in enumerate(batch.members):
            cut = name.rfind(b"/") + 1
            parent = parents.get(name[:cut])
            if (
                parent is not None
                and name[-1] not in _NO_FILE
                and buffer[begin - 412 : begin - 388] in owners
                and buffer[begin - 376] > _BLANK
                and not buffer[begin - 376 : begin - 364].strip(_TIME)
                and (number := hash(path := parent + name[cut:] if parent else name)) not in directories
                and number not in above
            ):
                if buffer[begin - 356] == _FILE:
                    if roomy or len(files) < _REMEMBERED:
                        add(number)
                    continue
                if buffer[begin - 356] == _SYMLINK and (
                    target := parse_string(buffer[begin - 355 : begin - 255])
                ):
                    self._add_link(path, target)
                    continue
            self.see(batch[place])

    def see(self, member: TarMember) -> None:
        """Take the next member."""
        name = member.name
        if member.refused:
            self._refuse_header(member, member.refused)
        if member.flag in _ASIDE:
            self._see_aside(member)
            return
        if b".." in name and b".." in name.split(b"/"):
            self._refuse("dotdot-member", member, "contains '..'")
            return
        if member.shared_records is not self._shared:
            self._check_shared(member)
        path = control_path(name)
        owner = member.header[100:124]
        if owner not in self._owners or not member.plain or not _is_time(member.header[136:148]):
            self._check_numbers(member, owner)
        if len(path) > _NAME_MAX and not self._fits(member, path):
            return
        self._find_parent(member, path)
        self._place(member, path)

    def _see_aside(self, member: TarMember) -> None:
        """Take a member that is not unpacked, but that tar looks at: a volume's header, or Solaris' extended one."""
        if member.flag == VOLUME_LABEL:
            self._check_numbers(member, member.header[100:124])
        elif member.flag == SOLARIS_PAX and member.size <= _EXTENSION:
            try:
                parse_records(b"".join(member.chunks()))
            except HeaderError as error:
                self._refuse_header(member, str(error))

    def _find_parent(self, member: TarMember, path: bytes) -> None:
        """Check the directory of a member, unless it was found to be one under the same spelling."""
        name = member.name.rstrip(b"/")
        spelling = name[: name.rfind(b"/") + 1]
        parent = path[: path.rfind(b"/") + 1]
        known = self._parents.get(spelling)
        if known is not None and (known or spelling) == parent:
            return
        if len(self._parents) >= _PARENTS:
            self._forget_parents()
        new = self._new_ancestors(parent)
        if self._check_parents(member, new) and parent and len(path) <= _PATH_MAX - _NAME_MAX:
            self._parents[spelling] = b"" if spelling == parent else parent
            self._above.update(map(hash, new))

    def _place(self, member: TarMember, path: bytes) -> None:
        """Put a member into the tree; tar goes by the trailing slash where the type is a file."""
        kind = member.type
        name = member.name.lstrip(b"/")
        if kind is EntryType.DIRECTORY or (
            name.endswith(b"/") if member.flag in _REGULAR else member.flag == DUMPED_DIRECTORY
        ):
            self._see_directory(member, path)
            return
        if (name.rstrip(b"/") if kind in _LINKS else name).endswith(b"/."):
            self._refuse("member-over-directory", member, "is called like the directory itself")
            return
        self._check_place(member, path)
        if kind is EntryType.SYMLINK:
            self._see_symlink(member, path)
            return
        if kind is EntryType.HARD_LINK:
            self._see_hard_link(member)
        elif kind in _DEVICES:
            self._check_device(member)
        elif member.flag == CONTINUED:
            text = "is continued from another volume"
            self._refuse("multi-volume-member", member, text, unpacked=False)
        elif member.sparse and sum(length for _, length in member.sparse) > member.stored:
            self._refuse(
                "bad-sparse-map", member, f"has a sparse map for more than the {member.stored} bytes stored"
            )
        if len(self._files) < _REMEMBERED:
            self._files.add(hash(path))

    def _check_place(self, member: TarMember, path: bytes) -> None:
        """Report what is no directory in the place of one."""
        text = f"is a {member.type.title}"
        if not path:
            self._refuse("member-over-directory", member, f"{text} in the place of the directory itself")
        elif hash(path) in self._directories:
            self._refuse("member-over-directory", member, f"{text}, and a directory with content before")
        if hash(path) in self._above:
            self._forget_parents()  # what lies below is to be looked at anew

    def _forget_parents(self) -> None:
        self._parents.clear()
        self._above.clear()

    def _see_directory(self, member: TarMember, path: bytes) -> None:
        if member.flag in _REGULAR and member.stored:
            text = f"ends in a slash, so tar makes a directory of it, and stumbles over its {member.stored} bytes"
            self._refuse("directory-with-content", member, text)
        number = hash(path)
        if number in self._delayed:
            text = "is a directory, and a symbolic link before that leads out of the tree"
            self._refuse("member-over-directory", member, text)
        elif number in self._files and member.name.rstrip(b"/").endswith(b"/."):
            self._refuse(
                "member-inside-file", member, f"lies below {os.fsdecode(path)!r}, which is no directory"
            )
        self._files.discard(number)
        if len(self._empty) < _REMEMBERED:
            self._empty.add(number)
        self._links.pop(path, None)  # the directory takes its place, wherever it leads

    def _refuse(self, code: str, member: TarMember, text: str, *, unpacked: bool = True) -> None:
        """Report a member; what tar stumbles over when it reads the header it need not have *unpacked*."""
        excluded = unpacked and member.name.startswith(_EXCLUDED)
        (self._in_dev if excluded else self._findings).add(
            diagnose(
                code,
                f"{os.fsdecode(member.name)[:200]!r} {text}",
                stage=Stage.CREATE,
                source=self._source,
                offset=member.offset,
            )
        )

    # ---- fields ----------------------------------------------------------------------------------------------

    def _check_numbers(self, member: TarMember, owner: bytes) -> None:
        """Report owners and times that tar refuses; they are the same in nearly all headers of an archive."""
        header, records = member.header, member.records
        try:
            parse_number(owner[:8], "mode", _MODE_MIN, _MODE_MAX)
            for key, field in (("uid", owner[8:16]), ("gid", owner[16:24])):
                parse_number(field, key, 0, _ID_MAX)
                if (text := records.get(key.encode())) is not None:
                    parse_decimal(text, key, _ID_MAX)
            parse_number(header[136:148], "mtime", _TIME_MIN, _TIME_MAX)
        except HeaderError as error:
            self._refuse_header(member, str(error))
            return
        self._check_records(member, records)
        if len(self._owners) < _OWNERS:
            self._owners.add(owner)

    def _check_shared(self, member: TarMember) -> None:
        """Report what tar refuses of global headers, at the first member for which they hold."""
        self._shared = member.shared_records
        self._check_records(member, self._shared)
        for key in (b"uid", b"gid"):
            if (text := self._shared.get(key)) is not None and not _is_decimal(text, _ID_MAX):
                self._refuse_record(member, key, text, f"at most {_ID_MAX}")

    def _check_records(self, member: TarMember, records: Mapping[bytes, bytes]) -> None:
        """Report records that tar refuses."""
        for key in _NUMBERS.keys() & records.keys():
            if not _is_decimal(records[key], _NUMBERS[key]):
                self._refuse_record(member, key, records[key], "digits")
        for key in _TIMES:
            found = _SECONDS.match(records.get(key, b"0"))
            if not found or not _TIME_MIN <= int(found[1]) <= _TIME_MAX:
                self._refuse_record(member, key, records[key], "seconds")

    def _refuse_record(self, member: TarMember, key: bytes, value: bytes, expected: str) -> None:
        text = f"has the PAX record {key.decode()}={value[:40]!r}, expected {expected}"
        self._refuse("bad-pax-record", member, text, unpacked=False)

    def _refuse_header(self, member: TarMember, text: str) -> None:
        self._refuse("bad-header", member, f"has a header that tar refuses: {text}", unpacked=False)

    def _check_device(self, member: TarMember) -> None:
        header = member.header
        if not (is_ustar(header) or is_gnu(header)):
            return
        try:
            major = parse_number(header[329:337], "devmajor", 0, _DEVICE_MAX)
            minor = parse_number(header[337:345], "devminor", 0, _DEVICE_MAX)
        except HeaderError as error:
            self._refuse_header(member, str(error))
            return
        if major > _MAJOR_MAX or minor > _MINOR_MAX:
            self._refuse("bad-header", member, "is a device whose numbers no kernel takes")

    def _fits(self, member: TarMember, path: bytes) -> bool:
        longest = max(map(len, path.split(b"/")))
        if longest > _NAME_MAX:
            self._refuse(
                "name-too-long", member, f"has a component of {longest} bytes, at most 255 are possible"
            )
        elif len(path) > _PATH_MAX:
            self._refuse("name-too-long", member, f"has {len(path)} bytes, at most 4095 are possible")
        return longest <= _NAME_MAX and len(path) <= _PATH_MAX

    # ---- the tree --------------------------------------------------------------------------------------------

    def _new_ancestors(self, directory: bytes) -> list[bytes]:
        """Return what *directory*, ended by a slash, lies in and itself, the outermost first, as far as not known."""
        new: list[bytes] = []
        end = -1 if directory.count(b"/") > _DEEPEST else len(directory) - 1
        while end > 0 and hash(directory[:end]) not in self._above:
            new.append(directory[:end])
            end = directory.rfind(b"/", 0, end)
        return new[::-1]

    def _check_parents(self, member: TarMember, ancestors: Sequence[bytes]) -> bool:
        """
        Report a member below something that is not a directory; symbolic links within the tree are followed.

        Returns:
            Whether its *ancestors* are such.
        """
        for ancestor in ancestors:
            if hash(ancestor) in self._files:
                text = f"lies below {os.fsdecode(ancestor)!r}, which is no directory"
            elif ancestor in self._links:
                if self._leads_to_directory(ancestor):
                    continue
                text = f"lies below {os.fsdecode(ancestor)!r}, a symbolic link that leads to no directory"
            else:
                if len(self._directories) < _REMEMBERED:
                    self._directories.add(hash(ancestor))
                continue
            self._refuse("member-inside-file", member, text)
            return False
        return True

    def _leads_to_directory(self, path: bytes) -> bool:
        """Follow the symbolic link at *path* as far as the archive says where it leads."""
        for _ in range(_LINKS_FOLLOWED):
            target = self._links.get(path)
            if target is None:
                return hash(path) in self._directories or hash(path) in self._empty or self._forgetful
            path = _joined(path, target)
        return False

    def _holds(self, path: bytes) -> bool:
        """Tell whether a file or link was put at *path*."""
        return hash(path) in self._files or path in self._links

    def _resolved(self, path: bytes) -> bytes:
        """Return where *path* leads through the symbolic links among the directories that it lies in."""
        start = 0
        for _ in range(_LINKS_FOLLOWED if self._links else 0):
            end = path.find(b"/", start) if path.count(b"/") <= _DEEPEST else -1
            while end > 0 and path[:end] not in self._links:
                end = path.find(b"/", end + 1)
            if end <= 0:
                break
            start = path.rfind(b"/", 0, end) + 1  # what lies in front is no link
            path = _joined(path[:end], self._links[path[:end]], path[end + 1 :])
        return path

    @property
    def _forgetful(self) -> bool:
        return len(self._directories) >= _REMEMBERED or len(self._files) >= _REMEMBERED

    def _see_symlink(self, member: TarMember, path: bytes) -> None:
        target = member.target
        if not target or len(target) > _PATH_MAX:
            text = f"is a symbolic link to {len(target)} bytes, from 1 to 4095 are possible"
            self._refuse("bad-symlink", member, text)
        else:
            self._add_link(path, target)

    def _add_link(self, path: bytes, target: bytes) -> None:
        """Put a symbolic link to *target* at *path*."""
        if _leads_out(target):
            # Put in place only when all is unpacked; until then an empty file stands there.
            if len(self._files) < _REMEMBERED:
                self._files.add(hash(path))
                self._delayed.add(hash(path))
        elif len(self._links) < _OWNERS:
            self._files.discard(hash(path))
            self._delayed.discard(hash(path))
            self._links[path] = control_path(target)

    def _see_hard_link(self, member: TarMember) -> None:
        target = control_path(_without_dotdot(member.target))
        too_deep = bool(self._links) and target.count(b"/") > _DEEPEST
        if member.target.endswith((b"/", b"/.")):
            text = f"is a hard link to {os.fsdecode(member.target)!r}, which can be no file"
            self._refuse("dangling-hard-link", member, text)
        elif len(target) > _PATH_MAX:
            text = f"is a hard link to a name of {len(target)} bytes, at most 4095 are possible"
            self._refuse("dangling-hard-link", member, text)
        elif not (self._holds(target) or self._holds(self._resolved(target)) or self._forgetful or too_deep):
            text = f"is a hard link to {os.fsdecode(target)!r}, which is no file before it"
            self._refuse("dangling-hard-link", member, text)


def _is_time(field: bytes) -> bool:
    """Tell whether a time is in the form that nearly every program gives it."""
    return field[0] > _BLANK and not field.strip(_TIME)


def _is_decimal(text: bytes, high: int) -> bool:
    """Tell whether the value of a record is a number for tar."""
    try:
        parse_decimal(text, "", high)
    except HeaderError:
        return False
    return True


def _joined(link: bytes, target: bytes, rest: bytes = b"") -> bytes:
    """Return where *rest* lies behind a symbolic link, of which neither *target* nor name has odd components."""
    return b"/".join(filter(None, (link[: max(0, link.rfind(b"/"))], target, rest)))


def _leads_out(target: bytes) -> bool:
    """Return whether the target of a symbolic link may lie outside the tree."""
    return target.startswith(b"/") or (b".." in target and b".." in target.split(b"/"))


def _without_dotdot(name: bytes) -> bytes:
    """Return *name* behind its last ``..`` component, which is what tar makes of the target of a hard link."""
    parts = name.split(b"/")
    while b".." in parts:
        parts = parts[parts.index(b"..") + 1 :]
    return b"/".join(parts)
