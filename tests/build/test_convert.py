"""Conversion: another form, the same image."""

from __future__ import annotations

import hashlib
import io
import random
import signal
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import BinaryIO

import pytest

from lxdimage import Compression, ImageType, Layout, Limits, Metadata, open_image, scan_image
from lxdimage.archive import Entry, EntryType
from lxdimage.build import BuiltImage, OutputTarget, convert_image
from lxdimage.compression import decode
from lxdimage.errors import (
    BuildError,
    InvalidImageError,
    InvalidMetadataError,
    LimitExceededError,
    LXDImageError,
    UnsupportedFormatError,
)
from lxdimage.formats._squashfs import read_squashfs
from making import CODECS, METADATA, TEMPLATED, container, member, pack
from piping import pipe
from rich import FORMATS, Made, contents, image, root, split

_IMAGE = [member("metadata.yaml", METADATA), member("rootfs/f", b"x")]
WRITABLE = [found for found in Compression if found not in {Compression.SQUASHFS, Compression.LZ4}]
# Version 2, clusters of 64 KiB, one for each table, a size of 1 MiB.
DISK = struct.pack(
    ">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 1 << 20, 0, 1, 3 << 16, 1 << 16, 1, 0, 0
).ljust(4 << 16, b"\0")  # fmt: skip


def convert(*files: bytes, output: OutputTarget, **options: object) -> BuiltImage:
    """Convert, and hold what must hold for everything that is written."""
    done = convert_image(*map(io.BytesIO, files), output=output, **options)  # type: ignore[arg-type]
    check(done, hashlib.sha256(b"".join(files)).hexdigest())
    return done


def check(done: BuiltImage, source: str | None) -> None:
    paths = [file.path for file in done.files]
    scan = scan_image(*paths)
    assert scan.fingerprint == done.fingerprint
    assert (done.size, done.layout) == (scan.size, scan.layout)
    assert [file.sha256 for file in done.files] == [file.sha256 for file in scan.files]
    assert scan.image is not None, scan.diagnostics
    assert scan.creates, scan.diagnostics
    assert (done.type, done.metadata) == (scan.image.type, scan.image.metadata)
    if source is not None:
        assert done.source is not None
        assert done.source.hex == source


def decoded(path: Path, compression: Compression) -> bytes:
    return b"".join(decode(compression, iter((path.read_bytes(),))))


def names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


# ── layouts ──


@pytest.mark.parametrize("form", FORMATS)
def test_split_and_unified_hold_the_same_members(tmp_path: Path, form: str) -> None:
    original = image(form)
    two = tmp_path / "meta", tmp_path / "root"
    done = convert(original, output=two, layout=Layout.SPLIT)
    assert contents(io.BytesIO(original)) == contents(*two)
    assert done.layout is Layout.SPLIT
    convert(*(path.read_bytes() for path in two), output=tmp_path / "one", layout=Layout.UNIFIED)
    assert contents(*two) == contents(tmp_path / "one")
    assert TEMPLATED == contents(tmp_path / "one")["metadata.yaml"][1]


@pytest.mark.parametrize("form", FORMATS)
def test_unified_and_split_hold_the_same_members(tmp_path: Path, form: str) -> None:
    original = split(form)
    convert(*original, output=tmp_path / "one", layout=Layout.UNIFIED)
    convert((tmp_path / "one").read_bytes(), output=tmp_path / "two", layout=Layout.SPLIT)
    before = contents(*map(io.BytesIO, original))
    assert before == contents(tmp_path / "one") == contents(tmp_path / "two", tmp_path / "two.root")


@pytest.mark.parametrize("form", FORMATS)
def test_gnu_tar_reads_what_it_read_before(tmp_path: Path, form: str) -> None:
    (tmp_path / "before").write_bytes(image(form))
    convert(image(form), output=tmp_path / "two", layout=Layout.SPLIT)
    listing = ["tar", "--list", "--verbose", "--numeric-owner", "--full-time", "-f"]
    before = subprocess.run([*listing, tmp_path / "before"], capture_output=True, check=True).stdout
    root_ = subprocess.run([*listing, tmp_path / "two.root"], capture_output=True, check=True).stdout
    expected = [line for line in before.splitlines() if b" rootfs/" in line]
    prefixed = [(line[: 48 + line[48:].index(b" ") + 1], line) for line in root_.splitlines()]
    assert len(expected) == len(prefixed)
    for line, (_, found) in zip(expected, prefixed, strict=True):
        stripped = line.replace(b" rootfs/", b" ", 1).replace(b"link to rootfs/", b"link to ")
        assert stripped == found.replace(b" ./", b" ", 1)


def test_headers_change_in_nothing_but_names(tmp_path: Path) -> None:
    original = image("ustar")
    convert(original, output=tmp_path / "two", layout=Layout.SPLIT)
    root_ = (tmp_path / "two.root").read_bytes()
    at = original.index(b"rootfs/\0")
    assert len(original) - at == len(root_)
    for start in range(0, len(root_), 512):
        before, after = original[at + start : at + start + 512], root_[start : start + 512]
        if before[257:262] != b"ustar":
            assert before == after  # content, padding, end
            continue
        for kept in (slice(100, 148), slice(156, 157), slice(257, 345), slice(500, 512)):
            assert before[kept] == after[kept]


def test_the_root_of_a_split_image_is_copied_when_only_the_metadata_is_packed_anew(tmp_path: Path) -> None:
    metadata, root_ = split()
    packed = CODECS["xz"](root_)
    done = convert(metadata, packed, output=tmp_path / "two", compression=Compression.XZ)
    assert packed == (tmp_path / "two.root").read_bytes()
    assert decoded(tmp_path / "two", Compression.XZ) == metadata
    assert done.files[1].sha256 == hashlib.sha256(packed).hexdigest()


def test_a_root_that_only_gets_another_compression_keeps_its_tar(tmp_path: Path) -> None:
    metadata, root_ = split()
    convert(metadata, CODECS["gzip"](root_), output=tmp_path / "two", compression=Compression.ZSTD)
    assert decoded(tmp_path / "two.root", Compression.ZSTD) == root_


@pytest.mark.parametrize(("before", "after"), [*product(CODECS, WRITABLE)])
def test_another_compression_keeps_the_tar(tmp_path: Path, before: str, after: Compression) -> None:
    tar = container()
    done = convert(CODECS[before](tar), output=tmp_path / "one", compression=after)
    assert tar == decoded(tmp_path / "one", after)
    assert [facts.compression for facts in scan_image(tmp_path / "one").files] == [after]
    assert done.notes == ()


@pytest.mark.parametrize("codec", [name for name in CODECS if name != "lzma"])
def test_the_compression_stays_unless_another_is_asked_for(tmp_path: Path, codec: str) -> None:
    convert(CODECS[codec](container()), output=tmp_path / "one")
    convert((tmp_path / "one").read_bytes(), output=tmp_path / "two", layout=Layout.SPLIT)
    found = scan_image(tmp_path / "two", tmp_path / "two.root").files
    assert [facts.compression for facts in found] == [Compression(codec)] * 2


# ── order ──


def _reordered(*order: str) -> bytes:
    """Return an image whose members are in the order of the first letters given."""
    members = {
        "m": [member("metadata.yaml", TEMPLATED)],
        "t": [member("templates/hostname.tpl", b"name\n")],
        "r": root("rootfs/", "pax"),
        "x": [member("extra", b"x")],
        "b": [member("metadata.yaml", b"architecture: aarch64\ncreation_date: 7\n")],
    }
    return pack([made for letter in order for made in members[letter]], tarfile.PAX_FORMAT)


@pytest.mark.parametrize("order", ["mrt", "rmt", "rtm", "tmr", "xmrt", "mtrx"])
@pytest.mark.parametrize("compression", [Compression.ZSTD, Compression.LZMA, Compression.NONE])
def test_metadata_and_templates_come_first_wherever_they_were(
    tmp_path: Path, order: str, compression: Compression
) -> None:
    original = _reordered(*order)
    done = convert(original, output=tmp_path / "one", compression=compression)
    assert contents(io.BytesIO(original)) == contents(tmp_path / "one")
    (tmp_path / "one.tar").write_bytes(decoded(tmp_path / "one", compression))
    first = names(tmp_path / "one.tar")
    assert first[0] == "metadata.yaml"
    assert first.index("templates/hostname.tpl") < first.index("rootfs")
    assert done.notes == ()
    two = tmp_path / "meta", tmp_path / "root"
    convert(original, output=two, layout=Layout.SPLIT, compression=compression)
    assert contents(io.BytesIO(original)) == contents(*two)


def test_the_head_is_a_stream_of_its_own(tmp_path: Path) -> None:
    convert(_reordered("m", "r", "t"), output=tmp_path / "one", compression=Compression.GZIP)
    file = (tmp_path / "one").open("rb")
    with file:
        opened = open_image(file)
    assert opened.templates == {"hostname.tpl": b"name\n"}
    assert (tmp_path / "one").read_bytes().count(b"\x1f\x8b\x08\0\0\0\0\0\0\x03") == 2


def test_several_metadata_become_one_that_says_the_same(tmp_path: Path) -> None:
    done = convert(_reordered("b", "m", "t", "r"), output=tmp_path / "one")
    assert [note.code for note in done.notes] == ["metadata-merged"]
    assert names(tmp_path / "one").count("metadata.yaml") == 1


def test_metadata_behind_the_beginning_of_the_root_is_left_out(tmp_path: Path) -> None:
    for number, order in enumerate(("mtrb", "mrtb", "mrbt")):
        for layout in Layout:
            done = convert(_reordered(*order), output=tmp_path / f"{number}{layout.value}", layout=layout)
            assert [note.code for note in done.notes] == ["metadata-after-root"]
            assert done.metadata.creation_timestamp == 1_600_000_000


def test_a_member_beside_the_root_that_comes_too_late_is_still_in_the_metadata_file(tmp_path: Path) -> None:
    original = _reordered("m", "t", "r", "x")
    convert(original, output=tmp_path / "two", layout=Layout.SPLIT, compression=Compression.GZIP)
    assert contents(io.BytesIO(original)) == contents(tmp_path / "two", tmp_path / "two.root")


def test_records_for_all_members_stay(tmp_path: Path) -> None:
    shared = tarfile.TarFile.open(
        fileobj=io.BytesIO(), mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "hello"}
    ).pax_headers
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT, pax_headers=shared) as archive:
        for info, content in [member("metadata.yaml", METADATA), *root("rootfs/", "pax")]:
            archive.addfile(info, io.BytesIO(content))
    convert(output.getvalue(), output=tmp_path / "two", layout=Layout.SPLIT, compression=Compression.NONE)
    with tarfile.open(tmp_path / "two.root") as archive:
        archive.getmembers()
        assert archive.pax_headers == {"comment": "hello"}


# ── SquashFS and disks ──


def test_a_squashfs_root_holds_what_the_tar_held(tmp_path: Path) -> None:
    original = split()
    two = tmp_path / "meta", tmp_path / "root"
    done = convert(*original, output=two, rootfs_format="squashfs", compression=Compression.XZ)
    assert scan_image(*two).files[1].compression is Compression.SQUASHFS
    convert(*(path.read_bytes() for path in two), output=tmp_path / "one", layout=Layout.UNIFIED)
    before, after = contents(*map(io.BytesIO, original)), contents(tmp_path / "one")
    assert {path: _plain(path, before) for path in before} == {path: _plain(path, after) for path in before}
    assert {note.code for note in done.notes} <= {"squashfs-lost-time"}


def _plain(path: str, members: dict[str, tuple[Entry, bytes]]) -> tuple[object, ...]:
    """Return what a SquashFS keeps of a member; which name of a file is the first differs."""
    entry, content = members[path]
    if entry.type is EntryType.HARD_LINK:
        entry, content = members[entry.target]
    kept = (entry.type, entry.mode, entry.uid, entry.gid, entry.size, entry.target, entry.device)
    return (*kept, dict(entry.xattrs), entry.mtime_ns // 10**9, content)


def test_a_file_whose_name_ends_in_a_slash_is_a_directory_in_a_squashfs(tmp_path: Path) -> None:
    """As GNU tar unpacks it; `tarfile` writes no such name, so a character is put in its place."""
    data = pack([*_IMAGE, member("rootfs/d#"), member("rootfs/d/inside", b"y")])
    at = data.index(b"rootfs/d#\0")
    header = bytearray(data[at : at + 512])
    header[8:9] = b"/"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data = data[:at] + bytes(header) + data[at + 512 :]
    meta, root_file = tmp_path / "meta", tmp_path / "root"
    convert(data, output=(meta, root_file), layout=Layout.SPLIT, rootfs_format="squashfs")
    with root_file.open("rb") as file:
        kinds = {member.name: member.type for member in read_squashfs(file)}
    assert kinds[b"d/"] is EntryType.DIRECTORY
    assert kinds[b"d/inside"] is EntryType.FILE


def test_a_squashfs_root_stays_as_it_is_unless_a_level_is_given(tmp_path: Path) -> None:
    convert(*split(), output=tmp_path / "a", rootfs_format="squashfs")
    files = (tmp_path / "a").read_bytes(), (tmp_path / "a.root").read_bytes()
    done = convert(*files, output=tmp_path / "b", compression=Compression.GZIP)
    assert files[1] == (tmp_path / "b.root").read_bytes()
    assert ["root-copied"] == [note.code for note in done.notes]
    assert not convert(*files, output=tmp_path / "b").notes
    convert(*files, output=tmp_path / "d", compression=Compression.GZIP, level=9)
    assert scan_image(tmp_path / "d", tmp_path / "d.root").files[1].facts["compressor"] == "gzip"
    convert(*files, output=tmp_path / "c", rootfs_format="tar", compression=Compression.XZ)
    assert scan_image(tmp_path / "c", tmp_path / "c.root").files[1].compression is Compression.XZ


def test_a_disk_is_a_file_or_a_member(tmp_path: Path) -> None:
    metadata = pack([member("metadata.yaml", METADATA)])
    done = convert(metadata, DISK, output=tmp_path / "one", layout=Layout.UNIFIED)
    assert done.type is ImageType.VIRTUAL_MACHINE
    assert contents(tmp_path / "one")["rootfs.img"][1] == DISK
    convert((tmp_path / "one").read_bytes(), output=tmp_path / "two", layout=Layout.SPLIT)
    assert DISK == (tmp_path / "two.root").read_bytes()
    convert(metadata, DISK, output=tmp_path / "again", compression=Compression.GZIP)
    assert DISK == (tmp_path / "again.root").read_bytes()


def test_behind_a_disk_a_root_is_just_other_files(tmp_path: Path) -> None:
    files = [member("rootfs.img", DISK), member("rootfs/etc/f", b"x"), member("rootfs/g", b"y")]
    convert(pack([*_IMAGE[:1], *files]), output=tmp_path / "new", layout=Layout.SPLIT)
    assert DISK == (tmp_path / "new.root").read_bytes()
    with tarfile.open(tmp_path / "new") as archive:
        assert sorted(archive.getnames()) == ["metadata.yaml", "rootfs/etc/f", "rootfs/g"]


def test_a_disk_behind_a_root_is_just_another_file(tmp_path: Path) -> None:
    files = [member("rootfs/etc/f", b"x"), member("rootfs.img", DISK), member("rootfs/g", b"y")]
    convert(pack([*_IMAGE[:1], *files]), output=tmp_path / "new", layout=Layout.SPLIT)
    with tarfile.open(tmp_path / "new.root") as archive:
        assert archive.getnames() == ["etc/f", "g"]
    with tarfile.open(tmp_path / "new") as archive:
        assert archive.getnames() == ["metadata.yaml", "rootfs.img"]


# ── names ──


@pytest.mark.parametrize("layout", Layout)
def test_leading_components_of_all_names_are_stripped(tmp_path: Path, layout: Layout) -> None:
    head = [member("./image/metadata.yaml", TEMPLATED), member("image/templates/hostname.tpl", b"name")]
    wrapped = pack(
        [member("image/", type=tarfile.DIRTYPE), *head, *root("image/rootfs/", "pax")], tarfile.PAX_FORMAT
    )
    plain = [member("metadata.yaml", TEMPLATED), member("templates/hostname.tpl", b"name")]
    expected = contents(io.BytesIO(pack([*plain, *root("rootfs/", "pax")], tarfile.PAX_FORMAT)))
    done = convert(wrapped, output=tmp_path / "new", layout=layout, strip_prefix=1)
    assert contents(*(file.path for file in done.files)) == expected


# ── a root alone ──

MADE = Metadata(architecture="amd64", creation_date=1_600_000_000, properties={"os": "made"})


def test_a_root_becomes_an_image(tmp_path: Path) -> None:
    tar = pack(root("debian-root/", "pax"), tarfile.PAX_FORMAT)
    done = convert(tar, output=tmp_path / "one", metadata=MADE, strip_prefix=1, compression=Compression.GZIP)
    assert done.metadata == MADE
    expected = contents(io.BytesIO(pack(root("rootfs/", "pax"), tarfile.PAX_FORMAT)))
    found = contents(tmp_path / "one")
    del found["metadata.yaml"]
    assert {path: entry for path, (entry, _) in found.items()} == {
        path: entry for path, (entry, _) in expected.items()
    }


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("members", [_IMAGE, _IMAGE[::-1]], ids=["metadata first", "root first"])
def test_an_image_is_no_root(tmp_path: Path, layout: Layout, members: list[Made]) -> None:
    with pytest.raises(BuildError) as raised:
        convert(CODECS["gzip"](pack(members)), output=tmp_path / "new", metadata=MADE, layout=layout)
    assert raised.value.diagnostics[0].code == "root-is-image"
    assert list(tmp_path.iterdir()) == []


def test_a_disk_becomes_an_image(tmp_path: Path) -> None:
    done = convert(DISK, output=tmp_path / "two", metadata=MADE, layout=Layout.SPLIT)
    assert done.type is ImageType.VIRTUAL_MACHINE
    assert DISK == (tmp_path / "two.root").read_bytes()


# ── streams, threads, memory ──


@pytest.mark.parametrize("layout", Layout)
def test_streams_need_not_seek(tmp_path: Path, layout: Layout) -> None:
    data = CODECS["gzip"](image())
    check(convert_image(pipe(data), output=tmp_path / "a", layout=layout), hashlib.sha256(data).hexdigest())
    convert(*split(), output=tmp_path / "s", rootfs_format="squashfs")
    files = (tmp_path / "s").read_bytes(), (tmp_path / "s.root").read_bytes()
    check(convert_image(*map(pipe, files), output=tmp_path / "b", layout=layout), None)
    disk = pack([member("metadata.yaml", METADATA)]), DISK
    check(convert_image(*map(pipe, disk), output=tmp_path / "c", layout=layout), None)


def test_output_may_be_a_stream(tmp_path: Path) -> None:
    stream = io.BytesIO()
    done = convert_image(io.BytesIO(container()), output=stream, compression=Compression.XZ)
    assert hashlib.sha256(stream.getvalue()).hexdigest() == done.fingerprint.hex
    two = io.BytesIO(), io.BytesIO()
    done = convert_image(io.BytesIO(container()), output=two, layout=Layout.SPLIT)
    whole = hashlib.sha256(two[0].getvalue() + two[1].getvalue())
    assert whole.hexdigest() == done.fingerprint.hex


@pytest.mark.parametrize("compression", WRITABLE)
def test_threads_and_pieces_do_not_show_in_the_output(tmp_path: Path, compression: Compression) -> None:
    noise = random.Random(1).randbytes(700_000)
    original = container(TEMPLATED, member("rootfs/zeros", bytes(2_000_000)), member("rootfs/noise", noise))
    outputs = []
    for threads, opened in ((1, io.BytesIO), (3, pipe)):
        for layout in Layout:
            output = tmp_path / f"{threads}{layout.value}"
            convert_image(
                opened(original), output=output, layout=layout, compression=compression, threads=threads
            )
            outputs.append([path.read_bytes() for path in sorted(tmp_path.glob(f"{output.name}*"))])
    assert outputs[:2] == outputs[2:]


MEASURE = """
import resource, sys
from lxdimage import Compression, Layout
from lxdimage.archive import Entry, EntryType
from lxdimage.build import convert_image
convert_image(sys.argv[1], output=sys.argv[2], layout=Layout.SPLIT, compression=Compression.ZSTD, threads=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    needed = []
    for size in (1 << 20, 96 << 20):
        with (tmp_path / "in").open("wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(*_opened(member("metadata.yaml", METADATA)))
            info, _ = member("rootfs/big")
            info.size = size
            archive.addfile(info, _Zeros())  # type: ignore[arg-type]
        command = [sys.executable, "-c", MEASURE, str(tmp_path / "in"), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, check=True)
        needed.append(int(done.stdout))
    small, large = needed
    assert large - small < 48 << 10  # a few pieces and one zstd job, whatever the size


class _Zeros:
    def read(self, size: int) -> bytes:
        return bytes(size)


def _opened(made: tuple[tarfile.TarInfo, bytes]) -> tuple[tarfile.TarInfo, BinaryIO]:
    return made[0], io.BytesIO(made[1])


# ── refusals ──


@pytest.mark.parametrize(
    ("files", "options", "error", "code"),
    [
        ([pack([*_IMAGE, member("rootfs/../x", b"")])], {}, InvalidImageError, "dotdot-member"),
        ([pack([_IMAGE[0]])], {}, BuildError, "root-missing"),
        ([pack([_IMAGE[1]])], {}, InvalidMetadataError, "metadata-missing"),
        ([b"nothing"], {}, UnsupportedFormatError, "unsupported-compression"),
        ([DISK], {}, UnsupportedFormatError, "not-an-archive"),
        ([pack(_IMAGE)] * 3, {}, InvalidImageError, "file-count"),
        ([pack(_IMAGE), pack(_IMAGE)], {"layout": Layout.UNIFIED}, InvalidImageError, "stray-root"),
        ([pack(_IMAGE)], {"layout": Layout.UNIFIED, "rootfs_format": "squashfs"}, BuildError, "root-format"),
        ([pack(_IMAGE)], {"rootfs_format": "zip"}, BuildError, "root-format"),
        ([pack(_IMAGE)], {"compression": Compression.XZ, "level": 77}, BuildError, "unknown-level"),
        ([CODECS["gzip"](pack(_IMAGE))[:-9]], {}, InvalidImageError, "truncated-stream"),
        (
            [pack([*_IMAGE, member("rootfs/l", b"", type=tarfile.LNKTYPE, linkname="metadata.yaml")])],
            {"layout": Layout.SPLIT},
            InvalidImageError,
            "dangling-hard-link",
        ),
        (
            [pack([*_IMAGE, member("rootfs", b"", type=tarfile.SYMTYPE, linkname="/etc")])],
            {},
            InvalidImageError,
            "root-not-directory",
        ),
        (
            [pack([member("metadata.yaml", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"), _IMAGE[1]])],
            {},
            InvalidImageError,
            "metadata-not-regular",
        ),
    ],
)
def test_what_is_no_image_is_refused_and_leaves_nothing(
    tmp_path: Path, files: Sequence[bytes], options: dict[str, object], error: type[LXDImageError], code: str
) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(error) as raised:
        convert(*files, output=tmp_path / "out", **options)
    assert raised.value.diagnostics[0].code == code
    assert (tmp_path / "out").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_two_files_do_not_fit_into_one_stream() -> None:
    for output, layout in ((io.BytesIO(), Layout.SPLIT), ((io.BytesIO(), io.BytesIO()), Layout.UNIFIED)):
        with pytest.raises(BuildError) as raised:
            convert_image(io.BytesIO(container()), output=output, layout=layout)
        assert raised.value.diagnostics[0].code == "output-count"


def _with_hole(name: str, size: int) -> Made:
    records = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.numblocks": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": str(size),
    }
    return member(name, b"x", pax_headers=records)


def test_a_hole_of_any_size_is_not_written_out(tmp_path: Path) -> None:
    huge = pack([*_IMAGE, _with_hole("rootfs/huge", 1 << 60)], tarfile.PAX_FORMAT)
    convert(huge, output=tmp_path / "one", layout=Layout.SPLIT)
    with pytest.raises(LimitExceededError):
        convert(huge, output=tmp_path / "two", layout=Layout.SPLIT, rootfs_format="squashfs")


@pytest.mark.parametrize(
    "members",
    [
        [member("rootfs/", type=tarfile.DIRTYPE), _with_hole("rootfs/large", 1 << 39)],
        [
            member("rootfs/", type=tarfile.DIRTYPE),
            *(_with_hole(f"rootfs/{at}", 1 << 27) for at in range(400)),
        ],
        [_with_hole("rootfs.img", 1 << 39)],
    ],
    ids=["one", "many", "disk"],
)
def test_holes_that_are_written_out_are_limited_by_the_size_of_the_image(
    members: list[Made], tmp_path: Path
) -> None:
    data = pack([member("metadata.yaml", METADATA), *members], tarfile.PAX_FORMAT)
    rootfs_format = None if members[0][0].name == "rootfs.img" else "squashfs"
    with pytest.raises(LimitExceededError, match=r"more than Limits\.ratio, 20 times the image"):
        convert(
            data,
            output=(tmp_path / "metadata", tmp_path / "root"),
            layout=Layout.SPLIT,
            rootfs_format=rootfs_format,
            limits=Limits(ratio=20),
        )
    assert not list(tmp_path.iterdir())


def test_limits_hold(tmp_path: Path) -> None:
    with pytest.raises(LimitExceededError):
        convert(container(), output=tmp_path / "out", limits=Limits(members=3))


# ── killed ──

KILLED = """
import sys
from lxdimage import Compression, Layout
from lxdimage.archive import Entry, EntryType
from lxdimage.build import convert_image
print(flush=True)
convert_image(sys.argv[1], output=sys.argv[2], layout=Layout.UNIFIED, compression=Compression.GZIP)
"""


def test_whoever_is_killed_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    noise = random.Random(2).randbytes(3_000_000)
    source, target = tmp_path / "in", tmp_path / "out"
    # Templates at the end, so that the root has to wait in a file of its own.
    source.write_bytes(pack([*_IMAGE, member("rootfs/noise", noise), member("templates/x", b"")]))
    convert_image(source, output=tmp_path / "new", layout=Layout.UNIFIED, compression=Compression.GZIP)
    new = (tmp_path / "new").read_bytes()
    seen = set()
    for delay in (0.01, 0.06, 0.12, 0.2, 2.0):
        target.write_bytes(b"old")
        process = subprocess.Popen([sys.executable, "-c", KILLED, source, target], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        seen.add(target.read_bytes() == new)
        assert target.read_bytes() in {b"old", new}
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "new", "out"]
    assert seen == {False, True}


@pytest.mark.parametrize("number", [{"strip_prefix": -1}, {"threads": -1}])
def test_negative_numbers_are_refused(number: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="must not be negative"):
        convert_image(io.BytesIO(container()), output=tmp_path / "out.tar", **number)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
