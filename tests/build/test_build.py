"""Rules of built images: what goes in comes out, the same bytes each time, and nothing is half-written."""

from __future__ import annotations

import lzma
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from lxdimage import (
    Compression,
    ImageType,
    Layout,
    Metadata,
    Target,
    TemplateRule,
    build_image,
    dump_metadata,
    fingerprint_files,
    open_image,
    scan_targets,
)
from lxdimage._tree import TreeOptions, read_tree
from lxdimage.archive import Entry, EntryType
from lxdimage.build import BuiltImage
from lxdimage.errors import BuildError, InvalidMetadataError, LimitExceededError, LXDImageError
from lxdimage.image import open_members
from piping import pipe

METADATA = Metadata(
    architecture="x86_64",
    creation_date=1_700_000_000,
    properties={"os": "Debian", "number": "1"},
    templates={"/etc/hostname": TemplateRule(template="hostname.tpl", when=("create",))},
)
TEMPLATES = {"hostname.tpl": b"{{ container.name }}", "unused.tpl": b""}
QCOW2 = Path(__file__).parent.parent / "corpus" / "qcow2" / "version3.qcow2"
CODECS = ["none", "gzip", "bzip2", "xz", "lzma", "zstd"]
FORMS = [
    *(f"unified-{codec}-tar" for codec in CODECS),
    *(f"split-{codec}-tar" for codec in CODECS),
    *(f"split-{codec}-squashfs" for codec in ("gzip", "xz", "zstd", "none")),
]


def _elf(machine: int, bits: int = 64) -> bytes:
    head = (
        b"\x7fELF"
        + bytes([2 if bits == 64 else 1, 1, 1])
        + bytes(9)
        + b"\3\0"
        + machine.to_bytes(2, "little")
    )
    return head.ljust(64, b"\0")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small root file system with something of every kind that anybody may make."""
    top = tmp_path / "tree"
    for directory in ("bin", "etc", "dev", "d" * 110, "empty"):
        (top / directory).mkdir(parents=True)
        (top / directory).chmod(0o755)
    (top / "bin/sh").write_bytes(_elf(62))
    (top / "bin/sh").chmod(0o4755)
    (top / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME="Debian 13"\n')
    (top / "etc/hostname").symlink_to("../bin/" + "t" * 120)
    (top / "large").write_bytes(random.Random(1).randbytes((1 << 20) + 5))
    (top / "hard").hardlink_to(top / "large")
    (top / "\udcff").write_bytes(b"odd")
    (top / "\u00e4").write_bytes(b"umlaut")
    os.mkfifo(top / "dev/initctl", 0o600)
    with (top / "sparse").open("wb") as file:
        file.seek(8 << 20)
        file.write(b"x")
    for path in sorted(top.rglob("*"), reverse=True):
        os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    os.utime(top, (1_600_000_000, 1_600_000_000))
    return top


def _build(rootfs: Any, to: Any, form: str = "unified-none-tar", **options: Any) -> BuiltImage:
    layout, codec, root = form.split("-")
    given = {"metadata": METADATA, "templates": TEMPLATES, "level": 1 if codec in {"xz", "bzip2"} else None}
    return build_image(
        rootfs,
        to,
        layout=Layout(layout),
        compression=Compression(codec),
        rootfs_format=root,
        **{**given, **options},
    )


def _codes(built: BuiltImage) -> list[str]:
    """Return the codes of the notes, but for what depends on who runs the tests."""
    return [note.code for note in built.notes if note.code != "root-not-owned-by-root"]


def _root(*files: Any) -> dict[str, tuple[Entry, bytes]]:
    """Return the members of an image's root by their paths, as a directory would give them."""
    found = {}
    with open_members(*files) as members:
        for image_member in members:
            member = image_member.member
            path = image_member.path.removeprefix("rootfs/")
            if path == image_member.path and path != "rootfs":
                continue
            entry, content = member.entry, b"".join(member.chunks())
            slash = "/" if entry.type is EntryType.DIRECTORY else ""
            target = (
                entry.target.removeprefix("rootfs/") if entry.type is EntryType.HARD_LINK else entry.target
            )
            path = path.strip("/") + slash if path.strip("/") and path != "rootfs" else "/"
            found[path] = attrs.evolve(entry, path=path, target=target), content
    return found


def _expected(top: Path) -> dict[str, tuple[Entry, bytes]]:
    found = {}
    for entry, content in read_tree(top, TreeOptions(top="/")):
        whole = attrs.evolve(entry, mtime_ns=entry.mtime_ns // 10**9 * 10**9)
        found[entry.path] = whole, b"".join(content)
    return found


def _links_both_ways(found: dict[str, tuple[Entry, bytes]]) -> dict[str, object]:
    """Return what does not depend on which name of a file is the first, and on which blocks are holes."""
    contents = {path: content for path, (_, content) in found.items()}
    result: dict[str, object] = {}
    for path, (entry, content) in found.items():
        if entry.type is EntryType.HARD_LINK:
            original = found[entry.target][0]
            result[path] = attrs.evolve(original, path=path, data=None), contents[entry.target]
        else:
            result[path] = attrs.evolve(entry, data=None), content
    return result


@pytest.mark.parametrize("form", FORMS)
def test_every_member_reads_back_as_the_tree_has_it(tree: Path, tmp_path: Path, form: str) -> None:
    built = _build(tree, tmp_path / "image", form)
    files = [Path(file.path) for file in built.files]
    for target, scan in scan_targets(*files).items():
        assert scan.ok, f"{target}: {scan.diagnostics}"
        assert scan.image is not None
        assert scan.fingerprint == built.fingerprint == fingerprint_files(*files)
        assert scan.image.metadata == METADATA == built.metadata
        assert dict(scan.image.templates) == TEMPLATES
        assert (scan.layout, scan.image.type) == (built.layout, built.type)
        assert scan.size == built.size == sum(file.stat().st_size for file in files)
        assert [file.sha256 for file in built.files] == [facts.sha256 for facts in scan.files]
    assert _links_both_ways(_expected(tree)) == _links_both_ways(_root(*files))


def test_the_root_of_a_split_image_goes_beside_it(tree: Path, tmp_path: Path) -> None:
    built = _build(tree, tmp_path / "image", "split-none-tar")
    assert [file.path for file in built.files] == [f"{tmp_path}/image", f"{tmp_path}/image.root"]
    built = _build(tree, (tmp_path / "image", tmp_path / "elsewhere"), "split-none-tar")
    assert [file.path for file in built.files] == [f"{tmp_path}/image", f"{tmp_path}/elsewhere"]


def test_members_come_in_the_order_that_every_reader_likes(tree: Path, tmp_path: Path) -> None:
    _build(tree, tmp_path / "image")
    with open_members(tmp_path / "image") as members:
        names = [member.member.name for member in members]
    assert names[:5] == [
        b"metadata.yaml",
        b"templates/",
        b"templates/hostname.tpl",
        b"templates/unused.tpl",
        b"rootfs/",
    ]
    assert all(name.startswith(b"rootfs/") for name in names[4:])


def _first_member(codec: str, data: bytes) -> bytes:
    """Return the content of the first gzip member, xz stream or the like."""
    if codec == "gzip":
        return zlib.decompressobj(31).decompress(data)
    if codec == "xz":
        return lzma.LZMADecompressor().decompress(data)
    import bz2

    return bz2.BZ2Decompressor().decompress(data)


@pytest.mark.parametrize("codec", ["gzip", "bzip2", "xz"])
def test_metadata_and_templates_are_a_compressed_stream_of_their_own(
    tree: Path, tmp_path: Path, codec: str
) -> None:
    _build(tree, tmp_path / "image", f"unified-{codec}-tar")
    head = _first_member(codec, (tmp_path / "image").read_bytes())
    assert head[:13] == b"metadata.yaml"
    assert b"templates/hostname.tpl" in head
    assert b"rootfs/" not in head
    assert len(head) % 512 == 0
    # No blocks of zeros: the archive goes on in the next stream.
    assert head[-512:].strip(b"\0")


# ---- the same bytes each time ---------------------------------------------------------------------------------------


def _bytes(built: BuiltImage) -> list[bytes]:
    return [Path(file.path).read_bytes() for file in built.files]


@pytest.mark.parametrize("form", FORMS)
def test_the_number_of_threads_does_not_show(tree: Path, tmp_path: Path, form: str) -> None:
    one, *others = [
        _bytes(_build(tree, tmp_path / str(threads), form, threads=threads)) for threads in (1, 2, 5)
    ]
    assert all(one == other for other in others)


_PROGRAM = """
import os, sys
os.umask(int(sys.argv[3], 8))
os.chdir(sys.argv[4])
from lxdimage import build_image, Metadata, Compression
print(build_image(sys.argv[1], sys.argv[2], compression=Compression.GZIP,
    metadata=Metadata(architecture="x86_64", creation_date=1, properties={"b": "1", "a": "2"})).fingerprint)
"""


def test_machine_and_surroundings_do_not_show(tree: Path, tmp_path: Path) -> None:
    """Neither umask nor locale, hash seed, time zone, working directory, nor the way to the tree."""
    found = set()
    (tmp_path / "way").symlink_to(tree)
    surroundings: list[tuple[str, Path, Path, dict[str, str]]] = [
        ("022", tree, tmp_path, {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONHASHSEED": "0"}),
        ("077", tmp_path / "way", Path("/"), {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}),
        (
            "000",
            tree,
            tree,
            {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "America/Lima"},
        ),
    ]
    for number, (umask, top, here, variables) in enumerate(surroundings):
        command = [sys.executable, "-c", _PROGRAM, str(top), str(tmp_path / f"out{number}"), umask, str(here)]
        environment = {**os.environ, **variables}
        done = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_a_copy_of_the_tree_gives_the_same_image(tree: Path, tmp_path: Path) -> None:
    """Made in another order, on another file system, with zeros where holes were."""
    names = [entry.path for entry, _ in read_tree(tree)]
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and os.access(memory, os.W_OK) else tmp_path
    copy = where / f"lxdimage-{os.getpid()}"
    copy.mkdir()
    try:
        random.Random(5).shuffle(names)
        for name in names:
            _copy(tree, copy, name)
        for path in sorted(copy.rglob("*"), reverse=True):
            os.utime(path, (1_600_000_000, 1_600_000_000), follow_symlinks=False)
        os.utime(copy, (1_600_000_000, 1_600_000_000))
        copy.chmod(tree.stat().st_mode & 0o7777)
        first = _build(tree, tmp_path / "first")
        second = _build(copy, tmp_path / "second")
        assert first.fingerprint == second.fingerprint
    finally:
        shutil.rmtree(copy)


def _copy(tree: Path, copy: Path, name: str) -> None:
    source, path = tree / name, copy / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        path.symlink_to(source.readlink())
    elif source.is_dir():
        path.mkdir(exist_ok=True)
        path.chmod(source.stat().st_mode & 0o7777)
    elif source.is_fifo():
        os.mkfifo(path, 0o600)
    elif name in {"large", "hard"} and (copy / {"large": "hard", "hard": "large"}[name]).exists():
        path.hardlink_to(copy / {"large": "hard", "hard": "large"}[name])
    else:
        path.write_bytes(source.read_bytes())
        path.chmod(source.stat().st_mode & 0o7777)


def test_times_after_the_source_date_epoch_become_it(tree: Path, tmp_path: Path) -> None:
    """So that files touched since do not show; earlier times stay."""
    first = _build(tree, tmp_path / "first", source_date_epoch=1_650_000_000)
    os.utime(tree / "large", (1_660_000_000, 1_660_000_000))
    second = _build(tree, tmp_path / "second", source_date_epoch=1_650_000_000)
    third = _build(tree, tmp_path / "third", source_date_epoch=1_600_000_000)
    assert first.fingerprint != second.fingerprint
    times = {path: entry.mtime_ns // 10**9 for path, (entry, _) in _root(tmp_path / "second").items()}
    assert (times["large"], times["etc/"]) == (1_650_000_000, 1_600_000_000)
    os.utime(tree / "etc", (1_670_000_000, 1_670_000_000))
    assert third.fingerprint == _build(tree, tmp_path / "fourth", source_date_epoch=1_600_000_000).fingerprint


def test_an_epoch_of_zero_is_a_time(tree: Path, tmp_path: Path) -> None:
    built = _build(tree, tmp_path / "image", metadata=None, templates=None, source_date_epoch=0)
    assert built.metadata.creation_timestamp == 1
    assert {entry.mtime_ns for entry, _ in _root(tmp_path / "image").values()} == {0}


# ---- metadata -------------------------------------------------------------------------------------------------------


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "metadata.yaml"
    path.write_text(text)
    return path


def test_what_is_not_given_is_taken_from_the_root(tree: Path, tmp_path: Path) -> None:
    built = _build(tree, tmp_path / "image", metadata=None, templates=None)
    assert built.metadata.architecture.value == "x86_64"
    assert dict(built.metadata.properties) == {
        "os": "debian",
        "release": "trixie",
        "description": "Debian 13",
    }
    assert abs(built.metadata.creation_timestamp - time.time()) < 60
    assert _codes(built) == ["derived-metadata"] * 3
    assert open_image(tmp_path / "image").metadata == built.metadata


def test_a_note_says_of_one_property_that_it_was_taken_and_of_more_that_they_were(
    tree: Path, tmp_path: Path
) -> None:
    built = _build(
        tree, tmp_path / "image", metadata=None, templates=None, properties={"os": "x", "release": "y"}
    )
    assert "description='Debian 13' was taken from the os-release file" in str(built.notes[1])
    built = _build(tree, tmp_path / "image", metadata=None, templates=None)
    assert "description='Debian 13' were taken from the os-release file" in str(built.notes[1])


def test_what_is_given_comes_before_what_is_found(tree: Path, tmp_path: Path) -> None:
    built = _build(
        tree,
        tmp_path / "image",
        metadata=None,
        templates=None,
        architecture="arm64",
        creation_date=5,
        expiry_date=7,
        properties={"os": "mine", "a": "b"},
    )
    assert built.metadata == Metadata(
        architecture="aarch64",
        creation_date=5,
        expiry_date=7,
        properties={"os": "mine", "a": "b", "release": "trixie", "description": "Debian 13"},
    )


@pytest.mark.parametrize("as_stream", [False, True], ids=["path", "stream"])
def test_a_file_is_read_and_options_override_it(tree: Path, tmp_path: Path, *, as_stream: bool) -> None:
    path = _file(tmp_path, dump_metadata(METADATA))
    with path.open("rb") as stream:
        built = _build(
            tree,
            tmp_path / "image",
            metadata=stream if as_stream else path,
            architecture="armhf",
            creation_date=9,
            properties={"number": "2"},
        )
    assert built.metadata == METADATA.evolve(
        allow_immutable=True,
        architecture="armv7l",
        creation_date=9,
        properties={"os": "Debian", "number": "2"},
    )


def test_rules_of_incus_keep_owner_and_mode(tree: Path, tmp_path: Path) -> None:
    rule_text = "{template: hostname.tpl, when: [start], uid: '5', gid: '6', mode: '0600'}"
    text = f"architecture: x86_64\ncreation_date: 5\ntemplates:\n  /etc/x: {rule_text}\n"
    built = _build(tree, tmp_path / "image", metadata=_file(tmp_path, text))
    rule = open_image(tmp_path / "image", target=Target.INCUS).metadata.templates["/etc/x"]
    assert (rule.uid, rule.gid, rule.mode) == ("5", "6", "0600")
    assert built.metadata.templates["/etc/x"] == rule


@pytest.mark.parametrize(
    ("text", "options", "codes"),
    [
        ("{}", {}, {"missing-architecture", "missing-creation-date"}),
        ("creation_date: 5", {}, {"missing-architecture"}),
        ("architecture: x86_64", {}, {"missing-creation-date"}),
        ("properties: {a: b}", {"architecture": "x86_64"}, {"missing-creation-date"}),
        ("properties: {a: b}", {"creation_date": 5}, {"missing-architecture"}),
    ],
)
def test_what_is_missing_and_not_given_is_an_error(
    tree: Path, tmp_path: Path, text: str, options: dict[str, Any], codes: set[str]
) -> None:
    with pytest.raises(BuildError) as caught:
        _build(tree, tmp_path / "image", metadata=_file(tmp_path, text), **options)
    assert codes == {finding.code for finding in caught.value.diagnostics}
    assert not (tmp_path / "image").exists()


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("properties: {a: b}", {"architecture": "x86_64", "creation_date": 5}),
        ("properties: {a: b}\narchitecture: x86_64", {"creation_date": 5}),
        ("properties: {a: b}\ncreation_date: 5", {"architecture": "x86_64"}),
    ],
)
def test_what_is_missing_may_be_given_by_options(
    tree: Path, tmp_path: Path, text: str, options: dict[str, Any]
) -> None:
    built = _build(tree, tmp_path / "image", metadata=_file(tmp_path, text), templates=None, **options)
    assert built.metadata == Metadata(architecture="x86_64", creation_date=5, properties={"a": "b"})


@pytest.mark.parametrize("text", ["architecture: zorg\ncreation_date: 5", "[", "", "architecture: [x]", "\0"])
def test_metadata_that_no_daemon_reads_is_an_error(tree: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidMetadataError):
        _build(tree, tmp_path / "image", metadata=_file(tmp_path, text))
    assert not (tmp_path / "image").exists()


def test_warnings_about_metadata_are_notes(tree: Path, tmp_path: Path) -> None:
    text = "architecture: x86_64\ncreation_date: 5\nproperty: {a: b}\n"
    built = _build(tree, tmp_path / "image", metadata=_file(tmp_path, text), templates=None)
    assert built.notes


# ---- templates ------------------------------------------------------------------------------------------------------


def test_templates_are_read_from_a_directory(tree: Path, tmp_path: Path) -> None:
    directory = tmp_path / "templates"
    (directory / "sub").mkdir(parents=True)
    (directory / "hostname.tpl").write_bytes(b"h")
    (directory / "sub" / "x.tpl").write_bytes(b"x")
    (directory / "hostname.tpl").chmod(0o600)
    built = _build(tree, tmp_path / "image", templates=directory)
    assert dict(open_image(tmp_path / "image").templates)["hostname.tpl"] == b"h"
    assert _codes(built) == ["template-unused"]
    with open_members(tmp_path / "image") as members:
        entries = {member.path: member.member.entry for member in members}
    assert list(entries)[1:5] == [
        "templates/",
        "templates/hostname.tpl",
        "templates/sub/",
        "templates/sub/x.tpl",
    ]
    assert entries["templates/hostname.tpl"].mode == 0o644
    assert {entries[path].mtime_ns for path in list(entries)[:5]} == {1_700_000_000 * 10**9}


def test_a_rule_without_its_file_is_an_error(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"'/etc/hostname'.*'hostname.tpl'.*template-missing"):
        _build(tree, tmp_path / "image", templates={"other.tpl": b""})
    assert not (tmp_path / "image").exists()


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_template_that_is_no_file_is_an_error(tree: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "templates").mkdir()
    path = tmp_path / "templates" / "hostname.tpl"
    if kind == "link":
        path.symlink_to("/etc/passwd")
    else:
        os.mkfifo(path)
    with pytest.raises(BuildError, match="template-not-regular"):
        _build(tree, tmp_path / "image", templates=tmp_path / "templates")


def test_a_huge_template_is_an_error(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    with (tmp_path / "templates" / "hostname.tpl").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LimitExceededError, match="template-too-large"):
        _build(tree, tmp_path / "image", templates=tmp_path / "templates")


# ---- an image unpacked ----------------------------------------------------------------------------------------------


def test_a_directory_with_metadata_and_rootfs_is_an_image_unpacked(tree: Path, tmp_path: Path) -> None:
    top = tmp_path / "unpacked"
    (top / "templates").mkdir(parents=True)
    (top / "templates" / "hostname.tpl").write_bytes(TEMPLATES["hostname.tpl"])
    (top / "templates" / "unused.tpl").write_bytes(TEMPLATES["unused.tpl"])
    (top / "metadata.yaml").write_text(dump_metadata(METADATA))
    tree.rename(top / "rootfs")
    built = _build(top, tmp_path / "image", metadata=None, templates=None)
    again = _build(top / "rootfs", tmp_path / "again")
    assert built.fingerprint == again.fingerprint
    other = METADATA.evolve(properties={"os": "other"})
    assert _build(top, tmp_path / "other", metadata=other, templates=None).metadata == other


def test_a_directory_with_metadata_and_a_disk_is_a_virtual_machine(tmp_path: Path) -> None:
    top = tmp_path / "unpacked"
    top.mkdir()
    shutil.copy(QCOW2, top / "rootfs.img")
    (top / "metadata.yaml").write_text(dump_metadata(METADATA.evolve(templates={})))
    built = _build(top, tmp_path / "image", metadata=None, templates=None)
    assert built.type is ImageType.VIRTUAL_MACHINE


# ---- virtual machines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["unified-none-tar", "unified-xz-tar", "split-gzip-tar"])
@pytest.mark.parametrize("as_stream", [False, True], ids=["path", "stream"])
def test_a_disk_makes_a_virtual_machine(tmp_path: Path, form: str, *, as_stream: bool) -> None:
    rootfs = pipe(QCOW2.read_bytes()) if as_stream else QCOW2
    built = _build(rootfs, tmp_path / "image", form, metadata=METADATA.evolve(templates={}), templates=None)
    assert built.type is ImageType.VIRTUAL_MACHINE
    files = [file.path for file in built.files]
    for scan in scan_targets(*files).values():
        assert scan.accepted
        assert scan.image is not None
        assert scan.image.type is ImageType.VIRTUAL_MACHINE
    if len(files) == 2:
        assert Path(files[1]).read_bytes() == QCOW2.read_bytes()
    else:
        with open_members(*files) as members:
            contents = {member.path: b"".join(member.member.chunks()) for member in members}
        assert contents["rootfs.img"] == QCOW2.read_bytes()
        assert list(contents) == ["metadata.yaml", "rootfs.img"]


# ---- refusals -------------------------------------------------------------------------------------------------------


def _with_backing_file(tmp_path: Path) -> Path:
    head = bytearray(QCOW2.read_bytes())
    head[8:20] = (480).to_bytes(8, "big") + (4).to_bytes(4, "big")
    head[480:484] = b"/etc"
    (tmp_path / "disk").write_bytes(head)
    return tmp_path / "disk"


def _raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").write_bytes(bytes(4096))
    return tmp_path / "raw"


_TREE: Callable[[Path], Path] = lambda tmp_path: tmp_path / "tree"  # noqa: E731 - an entry of the table
REFUSALS: list[tuple[str, Callable[[Path], Path], dict[str, Any]]] = [
    ("wrong-type-of-root", _TREE, {"type": ImageType.VIRTUAL_MACHINE}),
    ("wrong-type-of-root", lambda _: QCOW2, {"type": ImageType.CONTAINER}),
    ("option-without-use", _TREE, {"strip_prefix": 1}),
    ("option-without-use", lambda _: QCOW2, {"exclude": ["x"]}),
    ("option-without-use", lambda _: QCOW2, {"map_owner": "0:0:5"}),
    ("option-without-use", _TREE, {"rootfs_format": "squashfs"}),
    ("option-without-use", lambda _: QCOW2, {"rootfs_format": "squashfs", "layout": Layout.SPLIT}),
    ("missing-architecture", lambda _: QCOW2, {"metadata": None, "templates": {}}),
    ("template-name", _TREE, {"templates": {**TEMPLATES, "../x": b""}}),
    ("template-name", _TREE, {"templates": {**TEMPLATES, "": b""}}),
    ("template-name", _TREE, {"templates": {**TEMPLATES, "/x": b""}}),
    ("number-out-of-range", _TREE, {"strip_prefix": -1}),
    ("number-out-of-range", _TREE, {"source_date_epoch": -1}),
    ("number-out-of-range", _TREE, {"threads": -1}),
    ("bad-id-map", _TREE, {"map_owner": "nonsense"}),
    ("unmapped-owner", _TREE, {"map_owner": "0:123456:1"}),
    ("unknown-level", _TREE, {"compression": Compression.GZIP, "level": 99}),
    ("unwritable-compression", _TREE, {"compression": Compression.SQUASHFS}),
    ("root-format", _TREE, {"rootfs_format": "zip"}),
    ("unknown-root", _raw, {}),
    ("qcow2-backing-file", _with_backing_file, {}),
    ("template-missing", _TREE, {"templates": {}}),
    ("missing-architecture", lambda tmp_path: tmp_path / "tree" / "etc", {"metadata": None, "templates": {}}),
]


@pytest.mark.parametrize(("code", "rootfs", "options"), REFUSALS)
def test_refusals_have_a_code_and_leave_nothing(
    tree: Path, tmp_path: Path, code: str, rootfs: Callable[[Path], Path], options: dict[str, Any]
) -> None:
    source = rootfs(tmp_path)
    before = sorted(tmp_path.iterdir())
    given = {"metadata": METADATA, "templates": TEMPLATES, "compression": Compression.NONE}
    with pytest.raises(LXDImageError) as caught:
        build_image(source, tmp_path / "image", **{**given, **options})
    assert code in {finding.code for finding in caught.value.diagnostics}
    assert before == sorted(tmp_path.iterdir())


def test_the_output_must_not_be_in_the_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(tree)
    for output in (tree / "image", tree / "etc" / "image", tmp_path / "way" / "image"):
        with pytest.raises(BuildError, match="output-inside-root"):
            _build(tree, output)
    built = _build(tree, tree / "image", exclude=["/image"])
    assert "image" not in _root(tree / "image")
    assert built.fingerprint == fingerprint_files(tree / "image")


def test_a_tree_without_a_file_is_worth_a_note(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    built = _build(
        tmp_path / "tree", tmp_path / "image", metadata=METADATA.evolve(templates={}), templates=None
    )
    assert _codes(built) == ["root-empty"]


def test_a_tree_that_belongs_to_somebody_else_is_worth_a_note(tmp_path: Path, tree: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    os.chown(tree, 1000, 1000)
    built = _build(tree, tmp_path / "image")
    assert "root-not-owned-by-root" in {note.code for note in built.notes}


def test_a_missing_root_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _build(tmp_path / "no", tmp_path / "image")


def test_a_full_device_is_an_error_of_the_system(tree: Path) -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        _build(tree, Path("/dev/full"))
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize("form", ["unified-none-tar", "split-none-tar", "split-gzip-squashfs"])
def test_a_file_that_may_not_grow_leaves_the_old_one(tree: Path, tmp_path: Path, form: str) -> None:
    """A limit on the size of files acts as a full disk does."""
    output = tmp_path / "out" / "image"
    output.parent.mkdir()
    output.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            _build(tree, output, form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename in {str(output), f"{output}.root"}
    assert [output] == sorted(output.parent.iterdir())
    assert output.read_bytes() == b"old"


def test_progress_counts_the_bytes_of_the_tree(tree: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    _build(tree, tmp_path / "image", progress=lambda done, total: told.append((done, total)))
    assert told
    assert all(total is None for _, total in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


_KILLED = """
import sys
from lxdimage import build_image, Metadata, Compression, Layout
metadata = Metadata(architecture="x86_64", creation_date=1)
print("ready", flush=True)
while True:
    build_image(sys.argv[1], sys.argv[2], metadata=metadata, compression=Compression.ZSTD, layout=Layout(sys.argv[3]))
"""


@pytest.mark.parametrize("layout", ["unified", "split"])
def test_kill_at_any_moment_leaves_whole_files(tree: Path, tmp_path: Path, layout: str) -> None:
    """Of a split image both files may be missing or there; the tree never changes, so neither does a file."""
    output = tmp_path / "out" / "image"
    output.parent.mkdir()
    metadata = Metadata(architecture="x86_64", creation_date=1)
    expected = build_image(
        tree, tmp_path / "expected", metadata=metadata, compression=Compression.ZSTD, layout=Layout(layout)
    )
    names = {Path(file.path).name.replace("expected", "image"): file for file in expected.files}
    for number in range(4):
        command = [sys.executable, "-c", _KILLED, str(tree), str(output), layout]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05 + 0.0313 * number)
            process.kill()
        for path in output.parent.iterdir():
            if not path.name.startswith("."):
                assert path.read_bytes() == Path(names[path.name].path).read_bytes()
    _build(tree, output, f"{layout}-none-tar")
    assert sorted(names) == sorted(path.name for path in output.parent.iterdir())
