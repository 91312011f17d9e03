"""What a root file system says about itself: which system it is, and which processor it is for."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping

import attrs

from lxdimage._chunks import peek
from lxdimage.archive import EntryType, Member
from lxdimage.metadata import Architecture

__all__ = ["NO_FACTS", "RootFacts", "archive_facts", "directory_facts", "elf_architecture"]


@attrs.frozen(kw_only=True)
class RootFacts:
    """
    What was found in a root file system.

    Attributes:
        os_release: The fields of its os-release file.
        architecture: What its programs run on, and the path of the one that says so.
    """

    os_release: Mapping[str, str] = attrs.field(factory=dict)
    architecture: tuple[Architecture, str] | None = None

    @property
    def properties(self) -> dict[str, str]:
        """The properties of an image of this system: os, release and description, as far as known."""
        fields = self.os_release
        found = {
            "os": fields.get("ID", ""),
            "release": fields.get("VERSION_CODENAME") or fields.get("VERSION_ID", ""),
            "description": fields.get("PRETTY_NAME") or fields.get("NAME", ""),
        }
        return {key: value for key, value in found.items() if value}


NO_FACTS = RootFacts()

_OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
# Programs that nearly every system has; the first one found decides.
_PROGRAMS = tuple(
    f"{directory}/{name}"
    for name in ("sh", "bash", "dash", "busybox", "ls", "env", "toybox", "login", "init")
    for directory in ("usr/bin", "bin", "usr/sbin", "sbin")
)
_HEAD = 64
_TEXT = 1 << 16


# ---- os-release --------------------------------------------------------------------------------------------------

_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def _parse_os_release(text: bytes) -> dict[str, str]:
    """Return the fields of an os-release file: lines of KEY=VALUE, quoted as a shell quotes."""
    fields = {}
    for line in text.decode("utf-8", "replace").splitlines():
        if match := _FIELD.fullmatch(line.strip()):
            try:
                fields[match[1]] = "".join(shlex.split(match[2])[:1])
            except ValueError:  # a quote that nobody closes
                continue
    return fields


# ---- ELF ---------------------------------------------------------------------------------------------------------

_A = Architecture
# By e_machine: the architecture of 32 bits and of 64 bits.
_MACHINES: Mapping[int, tuple[Architecture | None, Architecture | None]] = {
    3: (_A.I686, None),
    8: (_A.MIPS, _A.MIPS64),
    20: (_A.PPC, None),
    21: (None, _A.PPC64),
    22: (None, _A.S390X),
    40: (_A.ARMV7L, None),
    62: (_A.X86_64, _A.X86_64),
    183: (None, _A.AARCH64),
    243: (_A.RISCV32, _A.RISCV64),
    258: (None, _A.LOONGARCH64),
}
_HARD_FLOAT = 0x400


def elf_architecture(head: bytes) -> Architecture | None:
    """
    Return the architecture that an ELF file is for, or None when it is none that images are made for.

    ARM programs with hardware floating point count as ARMv7, those without as ARMv6: that is what distributions
    build, and the file does not say more.

    Args:
        head: Its first 64 bytes.
    """
    if len(head) < 52 or head[:4] != b"\x7fELF" or head[4] not in {1, 2} or head[5] not in {1, 2}:
        return None
    order = "little" if head[5] == 1 else "big"
    machine = int.from_bytes(head[18:20], order)  # type: ignore[arg-type]
    found = _MACHINES.get(machine, (None, None))[head[4] - 1]
    if found is _A.PPC64 and order == "little":
        return _A.PPC64LE
    if found is _A.ARMV7L and not int.from_bytes(head[36:40], order) & _HARD_FLOAT:  # type: ignore[arg-type]
        return _A.ARMV6L
    return found


# ---- in a directory ----------------------------------------------------------------------------------------------


def directory_facts(top: str | os.PathLike[str]) -> RootFacts:
    """
    Return what the root file system in a directory says about itself.

    Symbolic links are followed as they would be inside of it, so that nothing outside is read.
    """
    root = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _facts(lambda path, size: _read_inside(root, path, size), _programs_inside(root))
    finally:
        os.close(root)


def _facts(read: Callable[[str, int], bytes], programs: Iterable[str]) -> RootFacts:
    texts = filter(None, (read(path, _TEXT) for path in _OS_RELEASE))
    found = ((elf_architecture(read(path, _HEAD)), path) for path in programs)
    return RootFacts(
        os_release=_parse_os_release(next(texts, b"")),
        architecture=next(((architecture, path) for architecture, path in found if architecture), None),
    )


def _programs_inside(root: int) -> Iterator[str]:
    """Yield paths of programs: the usual ones first, then all others."""
    yield from _PROGRAMS
    for directory in ("usr/bin", "bin", "usr/sbin", "sbin"):
        descriptor = _open_inside(root, directory, os.O_DIRECTORY)
        if descriptor is not None:
            try:
                names = sorted(os.listdir(descriptor))  # noqa: PTH208 - of a descriptor
            finally:
                os.close(descriptor)
            yield from (f"{directory}/{name}" for name in names)


def _read_inside(root: int, path: str, size: int) -> bytes:
    """Return the first bytes of a regular file, none when there is no such file."""
    descriptor = _open_inside(root, path, os.O_NONBLOCK)
    if descriptor is None:
        return b""
    try:
        return os.read(descriptor, size) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


_LINKS = 40


class _Inside:
    """A way through directories with one of them as the root directory: symbolic links stay inside of it."""

    def __init__(self, root: int) -> None:
        self._walked = [os.dup(root)]
        self._pending: list[str] = []
        self._links = 0

    def open(self, path: str, flags: int) -> int:
        """
        Return a descriptor for *path*.

        Raises:
            OSError: When there is no such file.
        """
        self._pending = path.split("/")[::-1]
        while self._pending:
            name = self._pending.pop()
            if name == "..":
                self._up()
            elif name not in {"", "."}:
                self._down(name, os.O_DIRECTORY if self._pending else flags)
        return self._walked.pop()

    def _up(self) -> None:
        if len(self._walked) > 1:
            os.close(self._walked.pop())

    def _down(self, name: str, flags: int) -> None:
        here = self._walked[-1]
        try:
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=here)
        except OSError as error:
            self._links += 1
            if error.errno not in {errno.ELOOP, errno.ENOTDIR} or self._links > _LINKS:
                raise
            target = os.readlink(name, dir_fd=here)
            if target.startswith("/"):
                while len(self._walked) > 1:
                    self._up()
            self._pending.extend(target.split("/")[::-1])
        else:
            self._walked.append(opened)

    def close(self) -> None:
        for descriptor in self._walked:
            os.close(descriptor)


def _open_inside(root: int, path: str, flags: int) -> int | None:
    """Open *path* with *root* as the root directory, or return None."""
    inside = _Inside(root)
    try:
        return inside.open(path, flags)
    except OSError:
        return None
    finally:
        inside.close()


# ---- in an archive -----------------------------------------------------------------------------------------------

_WANTED = frozenset({*_OS_RELEASE, *_PROGRAMS})
_BINARIES = re.compile(r"(?:usr/)?s?bin/[^/]+")


def archive_facts(members: Iterable[tuple[str, Member]]) -> RootFacts:
    """
    Return what the root file system in an archive says about itself, reading no more of it than that takes.

    Args:
        members: Path below the root and member.
    """
    texts: dict[str, bytes] = {}
    any_program: tuple[Architecture, str] | None = None
    for path, member in members:
        if member.type is not EntryType.FILE or not (path in _WANTED or _BINARIES.fullmatch(path)):
            continue
        texts[path], _ = peek(member.chunks(), _TEXT if path in _OS_RELEASE else _HEAD)
        architecture = None if path in _OS_RELEASE else elf_architecture(texts.pop(path))
        any_program = any_program or (architecture and (architecture, path)) or None
        if architecture and path in _PROGRAMS and texts:
            any_program = architecture, path
            break
    os_release = next((texts[path] for path in _OS_RELEASE if texts.get(path)), b"")
    return RootFacts(os_release=_parse_os_release(os_release), architecture=any_program)
