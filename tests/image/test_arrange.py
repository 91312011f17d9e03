"""Which files are which: the order of one image's files, and the files of two images."""

from __future__ import annotations

import io
import itertools
import os
import struct
import threading
from pathlib import Path

import pytest

from lxdimage import Compression, InvalidImageError, Layout, arrange_files, convert_image
from lxdimage._sources import FileArgument
from lxdimage.image import group_files
from making import CODECS, METADATA, container, member, pack

DISK = struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 0, 0, 16, 1 << 20).ljust(1 << 16, b"\0")
BIG = member("bin/big", os.urandom(5 << 20))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with files of every kind; the first letter of a name says which."""
    top = tmp_path_factory.mktemp("files")
    files = {
        "u": container(),
        "u.dotted": pack([member("./"), member("./metadata.yaml", METADATA), member("./rootfs/x")]),
        "u.xz": CODECS["xz"](container()),
        "u.disk": pack([member("metadata.yaml", METADATA), member("rootfs.img", DISK + b"1")]),
        # Its metadata is too far behind to be seen.
        "u.late": pack([member("rootfs/big", BIG[1]), member("metadata.yaml", METADATA)]),
        "m": pack([member("metadata.yaml", METADATA)]),
        "m.gz": CODECS["gzip"](pack([member("metadata.yaml", METADATA), member("templates/x")])),
        "r": pack([member("bin/sh", b"x"), member("etc/x")]),
        "r.big": pack([BIG]),
        "r.inner": pack([member("etc/x"), BIG]),
        "r.qcow2": DISK,
        "x.junk": b"junk" * 500,
        "x.cut": b"hsqs" + bytes(500),
        "x.odd": pack([member("rootfs/x"), member("etc/x")]),
    }
    for name, data in files.items():
        (top / name).write_bytes(data)
    two = top / "m.of-squashfs", top / "r.squashfs"
    convert_image(top / "u", output=two, layout=Layout.SPLIT, rootfs_format="squashfs")
    convert_image(top / "u", output=top / "u.zstd", compression=Compression.ZSTD)
    return top


def grouped(top: Path, names: str) -> list[list[str]] | None:
    """Return the names of the files of each image, None where they are refused."""
    try:
        images = group_files(*(top / name for name in names.split()))
    except InvalidImageError as error:
        assert ["not-two-images"] == [finding.code for finding in error.diagnostics]
        return None
    return [[Path(str(file)).name for file in files] for files in images]


WHOLE = ["u", "u.dotted", "u.xz", "u.disk", "u.late", "u.zstd"]
PARTS = ["m", "m.gz", "m.of-squashfs"]
ROOTS = ["r", "r.big", "r.inner", "r.qcow2", "r.squashfs"]


def test_two_whole_images_are_two_images(made: Path) -> None:
    for one, other in itertools.product(WHOLE, WHOLE):
        assert grouped(made, f"{one} {other}") == [[one], [other]]


def test_a_split_image_and_a_whole_one_are_told_apart_in_any_order(made: Path) -> None:
    for whole, part, root in itertools.product(WHOLE, PARTS, ROOTS):
        assert grouped(made, f"{whole} {part} {root}") == [[whole], [part, root]]
        assert grouped(made, f"{whole} {root} {part}") == [[whole], [part, root]]
        assert grouped(made, f"{part} {root} {whole}") == [[part, root], [whole]]
        assert grouped(made, f"{root} {part} {whole}") == [[part, root], [whole]]


def test_four_files_are_two_split_images(made: Path) -> None:
    for part, root in itertools.product(PARTS, ROOTS):
        assert grouped(made, f"m r {part} {root}") == [["m", "r"], [part, root]]
        assert grouped(made, f"r m {root} {part}") == [["m", "r"], [part, root]]


@pytest.mark.parametrize("names", ["m m.gz", "r r.qcow2", "r.squashfs r.big"])
def test_two_parts_of_one_kind_are_compared_as_they_are(made: Path, names: str) -> None:
    assert grouped(made, names) == [[name] for name in names.split()]


@pytest.mark.parametrize("names", ["u x.junk", "u x.cut", "x.junk r", "x.odd u", "u x.odd", "m x.odd"])
def test_what_cannot_be_told_may_be_anything(made: Path, names: str) -> None:
    assert grouped(made, names) == [[name] for name in names.split()]


@pytest.mark.parametrize(
    "names",
    [
        *("m r", "r m", "u m", "u r", "r.squashfs u", "u.late m", "m.of-squashfs r.squashfs"),
        *("m u r", "u u u", "u r r", "u m m", "m r r", "m r m", "u u m"),
        *("m m r r", "m r u r", "u m r u", "m r m m", "u u u u", "r r m m"),
        *("u", "m r m r u"),
    ],
)
def test_what_makes_no_two_images_is_refused(made: Path, names: str) -> None:
    assert grouped(made, names) is None


def test_a_refusal_says_what_each_file_is(made: Path) -> None:
    with pytest.raises(InvalidImageError) as caught:
        group_files(str(made / "u"), str(made / "m"))
    (finding,) = caught.value.diagnostics
    assert (
        f"'{made}/u' (a whole image) and '{made}/m' (the metadata file of a split image)" in finding.message
    )


class Pipe(io.RawIOBase):
    """A stream that cannot seek; nobody may read it to find out what it is."""

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1, /) -> bytes:
        raise AssertionError


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("- u", ["-", "u"]),
        ("u -", ["u", "-"]),
        ("- m r", ["-", "m r"]),
        ("- r m", ["-", "m r"]),
        ("m r -", ["m r", "-"]),
        ("m - u", ["m -", "u"]),
        ("- m u", ["- m", "u"]),
        ("r - u", ["- r", "u"]),
        ("- r u", ["- r", "u"]),
        ("u - r", ["u", "- r"]),
        ("u m -", ["u", "m -"]),
        ("m - m r", ["m -", "m r"]),
        ("m r r -", ["m r", "- r"]),
    ],
)
def test_a_stream_that_is_read_once_is_what_the_other_files_lack(
    made: Path, names: str, expected: list[str]
) -> None:
    pipe: FileArgument = Pipe()  # type: ignore[assignment]
    files = [pipe if name == "-" else made / name for name in names.split()]
    images = group_files(*files)
    found = [" ".join("-" if file is pipe else Path(str(file)).name for file in image) for image in images]
    assert sorted(" ".join(expected).split()) == sorted(" ".join(found).split())
    assert [set(image.split()) for image in expected] == [set(image.split()) for image in found]
    assert all(image.index("m") == 0 for image in found if "m" in image and "-" not in image)


def test_streams_that_can_be_more_than_one_thing_are_refused(made: Path) -> None:
    one: FileArgument = Pipe()  # type: ignore[assignment]
    other: FileArgument = Pipe()  # type: ignore[assignment]
    with pytest.raises(InvalidImageError) as caught:
        group_files(one, made / "m", other)
    assert "more than one way" in caught.value.diagnostics[0].message
    assert ((made / "m", one), (other,)) == group_files(made / "m", one, other)


def test_a_seekable_stream_stays_where_it_stands(made: Path) -> None:
    stream = io.BytesIO(b"skipped" + (made / "m").read_bytes())
    stream.seek(7)
    assert ((stream, made / "r"), (made / "u",)) == group_files(made / "r", stream, made / "u")
    assert stream.tell() == 7


def test_a_named_pipe_is_not_opened(tmp_path: Path, made: Path) -> None:
    """Whoever opens it and goes away breaks what is written to it."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    done: list[object] = []
    thread = threading.Thread(target=lambda: done.append(group_files(fifo, made / "u")), daemon=True)
    thread.start()
    thread.join(10)
    assert done == [((fifo,), (made / "u",))]


def test_a_file_that_is_not_there_is_named(made: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        group_files(made / "u", made / "none")


def test_the_metadata_file_of_one_image_goes_first(made: Path) -> None:
    for part, root in itertools.product(PARTS, ROOTS):
        files, findings = arrange_files(made / root, made / part)
        assert (made / part, made / root) == files
        assert ["swapped-parts"] == [finding.code for finding in findings]
        assert ((made / part, made / root), ()) == arrange_files(made / part, made / root)


def test_files_whose_order_nobody_can_tell_keep_it(made: Path) -> None:
    assert ((made / "r",), ()) == arrange_files(made / "r")
    pipe: FileArgument = Pipe()  # type: ignore[assignment]
    assert ((pipe, made / "m"), ()) == arrange_files(pipe, made / "m")
