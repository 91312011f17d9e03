"""Rules of what a root file system says about itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lxdimage.archive import Entry, EntryType, read_archive, write_archive
from lxdimage.build._facts import RootFacts, archive_facts, directory_facts, elf_architecture

ELF = [
    ("i686", 3, 32, "little", 0),
    ("x86_64", 62, 64, "little", 0),
    ("x86_64", 62, 32, "little", 0),
    ("armv7l", 40, 32, "little", 0x5000400),
    ("armv6l", 40, 32, "little", 0x5000200),
    ("aarch64", 183, 64, "little", 0),
    ("ppc", 20, 32, "big", 0),
    ("ppc64", 21, 64, "big", 1),
    ("ppc64le", 21, 64, "little", 2),
    ("s390x", 22, 64, "big", 0),
    ("mips", 8, 32, "little", 0),
    ("mips64", 8, 64, "little", 0),
    ("riscv32", 243, 32, "little", 0),
    ("riscv64", 243, 64, "little", 0),
    ("loongarch64", 258, 64, "little", 0),
    (None, 22, 32, "big", 0),
    (None, 2, 32, "big", 0),
    (None, 0, 64, "little", 0),
]


def _elf(machine: int, bits: int, order: str, flags: int) -> bytes:
    head = bytearray(64)
    head[:7] = b"\x7fELF" + bytes([bits // 32, 1 if order == "little" else 2, 1])
    head[18:20] = machine.to_bytes(2, order)  # type: ignore[arg-type]
    head[36 if bits == 32 else 48 :][:4] = b""
    place = 36 if bits == 32 else 48
    head[place : place + 4] = flags.to_bytes(4, order)  # type: ignore[arg-type]
    return bytes(head)


@pytest.mark.parametrize(("name", "machine", "bits", "order", "flags"), ELF)
def test_a_program_tells_its_architecture(
    name: str | None, machine: int, bits: int, order: str, flags: int
) -> None:
    found = elf_architecture(_elf(machine, bits, order, flags))
    assert name == (found.value if found else None)


@pytest.mark.parametrize(
    "head", [b"", b"#!/bin/sh\n" + bytes(60), _elf(62, 64, "little", 0)[:40], b"\x7fELF\3\1" + bytes(60)]
)
def test_what_is_no_program_tells_nothing(head: bytes) -> None:
    assert elf_architecture(head) is None


X86_64 = _elf(62, 64, "little", 0)
ARM64 = _elf(183, 64, "little", 0)
OS_RELEASE = [
    (
        'ID=debian\nVERSION_CODENAME=trixie\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n',
        ("debian", "trixie", "Debian 13"),
    ),
    ("ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME='Alpine v3.20'\n", ("alpine", "3.20.1", "Alpine v3.20")),
    ('# comment\n\nID=arch\nNAME="Arch\\"x"\nBROKEN="\nnonsense\n', ("arch", None, 'Arch"x')),
    ("ID=\nVERSION_CODENAME=\n", (None, None, None)),
    ("", (None, None, None)),
]


@pytest.mark.parametrize(("text", "expected"), OS_RELEASE)
def test_os_release_becomes_properties(tmp_path: Path, text: str, expected: tuple[str | None, ...]) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(text)
    named = zip(("os", "release", "description"), expected, strict=True)
    assert {key: value for key, value in named if value} == directory_facts(tmp_path).properties


def _tree(top: Path, files: dict[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.symlink_to(content)
    return top


OS = b"ID=found\n"
TREES: list[tuple[dict[str, bytes | str], str | None, str | None]] = [
    ({}, None, None),
    ({"usr/lib/os-release": OS, "etc/os-release": "../usr/lib/os-release"}, None, "found"),
    ({"usr/lib/os-release": OS}, None, "found"),
    ({"etc/os-release": "/usr/lib/os-release", "usr/lib/os-release": OS}, None, "found"),
    ({"etc/os-release": "/nowhere", "usr/lib/os-release": OS}, None, "found"),
    ({"bin/sh": X86_64}, "bin/sh", None),
    ({"bin": "usr/bin", "usr/bin/sh": "dash", "usr/bin/dash": X86_64}, "usr/bin/sh", None),
    ({"bin/sh": "/bin/busybox", "bin/busybox": X86_64}, "bin/sh", None),
    ({"bin/sh": b"#!", "usr/bin/a-foreign": b"#!", "usr/bin/python3": X86_64}, "usr/bin/python3", None),
    ({"bin/sh": "sh"}, None, None),
    ({"bin/sh": "../../../../../../../../../../bin/sh"}, None, None),
]


@pytest.mark.parametrize(("files", "program", "system"), TREES)
def test_links_are_followed_inside_the_tree(
    tmp_path: Path, files: dict[str, bytes | str], program: str | None, system: str | None
) -> None:
    found = directory_facts(_tree(tmp_path, files))
    assert program == (found.architecture[1] if found.architecture else None)
    assert system == found.os_release.get("ID")


def test_nothing_outside_the_tree_is_read(tmp_path: Path) -> None:
    """Absolute links and those that climb end in the tree, as they would in the container."""
    top = tmp_path / "top"
    _tree(tmp_path, {"outside": b"ID=outside\n", "bin/sh": X86_64, "top/etc/os-release": "../../outside"})
    _tree(
        top,
        {
            "usr/lib/os-release": str(tmp_path / "outside"),
            "bin/sh": "../../bin/sh",
            "usr/bin": str(tmp_path / "bin"),
        },
    )
    assert directory_facts(top) == RootFacts()


def test_devices_and_fifos_are_not_opened_for_long(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/os-release")
    assert directory_facts(tmp_path) == RootFacts()


def _facts(*files: tuple[str, bytes]) -> tuple[RootFacts, int]:
    """Return what an archive says, and how many members were looked at."""
    items = [(Entry(path=path, type=EntryType.FILE, size=len(content)), [content]) for path, content in files]
    count = 0

    def members() -> object:
        nonlocal count
        for member in read_archive(iter([b"".join(write_archive(items))])):
            count += 1
            yield member.name.decode(), member

    return archive_facts(members()), count  # type: ignore[arg-type]


def test_an_archive_is_read_no_further_than_needed() -> None:
    found, count = _facts(("bin/aaa", ARM64), ("etc/os-release", OS), ("bin/sh", X86_64), ("last", b""))
    assert (found.architecture and found.architecture[0].value, count) == ("x86_64", 3)
    assert found.os_release == {"ID": "found"}


def test_an_archive_without_the_usual_programs_tells_by_another() -> None:
    found, _ = _facts(("opt/aaa", ARM64), ("usr/bin/zzz", X86_64), ("usr/bin/zzzz", ARM64))
    assert (found.architecture and found.architecture[1], dict(found.os_release)) == ("usr/bin/zzz", {})
    assert _facts(("a", b""))[0] == RootFacts()
