"""Detection decides as the daemons do, by the first 263 bytes alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from lxdimage.compression import HEAD_SIZE, Compression, detect
from lxdimage.targets import Target

IMAGES = Path(__file__).parent.parent / "corpus" / "images"
USTAR = bytes(257) + b"ustar"


def _with_ustar(head: bytes) -> bytes:
    return head.ljust(257, b"\0") + b"ustar\x0000"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b"BZ", Compression.BZIP2, id="two bytes are enough for bzip2"),
        pytest.param(b"BZ is a company", Compression.BZIP2, id="also in a text"),
        pytest.param(b"\x1f\x8b", Compression.GZIP, id="two bytes are enough for gzip"),
        pytest.param(b"\xfd7zXZ\0", Compression.XZ, id="xz"),
        pytest.param(b"\xfd7zXZ", Compression.XZ, id="xz without the zero of its magic"),
        pytest.param(b"\x007zXZ\0", Compression.LZMA, id="xz behind a wrong first byte is taken for lzma"),
        pytest.param(b"x7zXZ", Compression.LZMA, id="whatever the byte is"),
        pytest.param(b"7zXZ", None, id="but there must be one"),
        pytest.param(b"\x5d\x00\x00\x80\x00", Compression.LZMA, id="lzma"),
        pytest.param(b"\x5d", Compression.LZMA, id="a short file counts as padded with zeros"),
        pytest.param(b"\x5d\x00\x01", None, id="lzma with an odd dictionary"),
        pytest.param(b"\x00\x00\x00\x80\x00", None, id="lzma with other properties"),
        pytest.param(USTAR, Compression.NONE, id="a tar is known by five bytes"),
        pytest.param(USTAR[:-1], None, id="all five"),
        pytest.param(_with_ustar(b"hsqs"), Compression.NONE, id="a tar before a SquashFS"),
        pytest.param(_with_ustar(b"QFI\xfb"), Compression.NONE, id="a tar before a QCOW2"),
        pytest.param(_with_ustar(b"\x1f\x8b"), Compression.GZIP, id="gzip before a tar"),
        pytest.param(_with_ustar(b"\x5d\x00\x00"), Compression.LZMA, id="lzma before a tar"),
        pytest.param(b"hsqs", Compression.SQUASHFS, id="SquashFS"),
        pytest.param(b"sqsh", None, id="not a big-endian one"),
        pytest.param(b"\x28\xb5\x2f\xfd", Compression.ZSTD, id="zstd"),
        pytest.param(b"\x50\x2a\x4d\x18", None, id="not behind a skippable frame"),
        pytest.param(b"\x04\x22\x4d\x18", Compression.LZ4, id="lz4"),
        pytest.param(b"\x02\x21\x4c\x18", None, id="not the legacy one"),
        pytest.param(b"QFI\xfb", None, id="a disk is no compression"),
        pytest.param(b"KDMV", None, id="nor is another"),
        pytest.param(b"PK\x03\x04", None, id="zip"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_the_first_match_in_the_daemons_order_wins(head: bytes, expected: Compression | None) -> None:
    assert expected is detect(head)


def test_nothing_behind_the_head_counts() -> None:
    """A tar's magic one byte too late is none, and a longer head changes nothing."""
    assert detect(bytes(258) + b"ustar") is None
    assert HEAD_SIZE == 263
    assert detect(USTAR.ljust(10_000, b"x")) is Compression.NONE


@pytest.mark.parametrize("target", Target)
def test_only_incus_detects_lz4(target: Target) -> None:
    expected = Compression.LZ4 if target in {Target.INCUS, Target.INCUS_6_0} else None
    assert expected is detect(b"\x04\x22\x4d\x18", target)


@pytest.mark.parametrize("target", Target)
def test_all_daemons_agree_on_the_rest(target: Target) -> None:
    heads = [b"BZ", b"\x1f\x8b", b"\xfd7zXZ", b"\x5d\0\0", USTAR, b"hsqs", b"\x28\xb5\x2f\xfd", b"QFI", b""]
    assert [detect(head) for head in heads] == [detect(head, target) for head in heads]


def test_every_compression_has_the_extension_that_daemons_export() -> None:
    expected = {
        "none": ".tar",
        "gzip": ".tar.gz",
        "bzip2": ".tar.bz2",
        "xz": ".tar.xz",
        "lzma": ".tar.lzma",
        "zstd": ".tar.zst",
        "lz4": ".tar.lz4",
        "squashfs": ".squashfs",
    }
    assert expected == {compression.value: compression.extension for compression in Compression}


_RECORDED = sorted(
    path
    for case in IMAGES.iterdir()
    if case.name.startswith(("comp-unified", "comp-split"))
    for path in case.iterdir()
    if path.name != "disk.qcow2"
)


@pytest.mark.parametrize("path", _RECORDED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_recorded_images_are_what_their_names_say(path: Path) -> None:
    found = detect(path.read_bytes()[:HEAD_SIZE])
    assert found
    assert path.name.endswith(found.extension)
