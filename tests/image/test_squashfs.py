"""Images in SquashFS: judged as the daemons do, who import with ``sqfs2tar`` and unpack with ``unsquashfs``."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest

from lxdimage import Scan, Stage, open_members, scan_image
from lxdimage.archive import Entry, EntryType
from lxdimage.formats._squashfs import write_squashfs
from making import METADATA, member, pack

PART = pack([member("metadata.yaml", METADATA)])
CONTENT = b"some text that becomes shorter, some text that becomes shorter; " * 50
ROOT = [("etc/text", CONTENT), ("name", b"small"), ("sbin/init", b"#!/bin/sh\n")]
UNIFIED = [
    ("a", CONTENT[1:]),
    ("metadata.yaml", METADATA),
    *((f"rootfs/{name}", data) for name, data in ROOT),
]


def squashfs(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a SquashFS with *files*, each file larger than a block in blocks of its own."""
    output = io.BytesIO()
    members = ((Entry(path=path, type=EntryType.FILE, size=len(data)), iter([data])) for path, data in files)
    write_squashfs(members, output, level=1, block_size=4096, threads=1)
    return output.getvalue()


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing compressed, so that what is stored is found in the file."""
    monkeypatch.setattr("lxdimage.formats._squashfs._encoders.BlockEncoder.__call__", lambda *_: None)


def judged(*files: bytes) -> tuple[Scan, list[tuple[str, Stage | None]]]:
    scan = scan_image(*map(io.BytesIO, files))
    return scan, [(found.code, found.stage) for found in scan.diagnostics]


def damaged(image: bytes, place: int) -> bytes:
    """Return *image* with bytes of the compressed block at *place* changed."""
    return image[:place] + bytes(byte ^ 0xFF for byte in image[place : place + 8]) + image[place + 8 :]


@pytest.mark.parametrize("unified", [True, False])
def test_a_stream_is_read_from_where_it_stands(unified: bool) -> None:
    stream = io.BytesIO(b"before" + squashfs(UNIFIED if unified else ROOT))
    files = (stream,) if unified else (io.BytesIO(PART), stream)
    stream.seek(6)
    assert scan_image(*files).diagnostics == ()
    stream.seek(6)
    files[0].seek(6 if unified else 0)
    with open_members(*files) as members:
        found = {item.path: b"".join(item.member.chunks()) for item in members}
    assert found["rootfs/etc/text"] == CONTENT


def test_good_images_have_no_findings() -> None:
    assert judged(squashfs(UNIFIED))[1] == []
    assert judged(PART, squashfs(ROOT))[1] == []


@pytest.mark.parametrize("unified", [True, False])
def test_content_that_does_not_decompress_is_found_at_creation(unified: bool) -> None:
    big = ("rootfs/big" if unified else "big", CONTENT * 3)
    image = damaged(squashfs([big, *(UNIFIED if unified else ROOT)]), 96)
    scan, found = judged(image) if unified else judged(PART, image)
    assert found == [("squashfs-block", Stage.CREATE)]
    assert scan.accepted
    assert not scan.creates


def test_content_before_the_metadata_that_does_not_decompress_ends_the_import() -> None:
    """The daemons read the files that come first, and the tar ends there."""
    found = judged(damaged(squashfs([("a", CONTENT * 3), *UNIFIED[1:]]), 96))[1]
    assert found == [("squashfs-block", Stage.IMPORT)]


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("unified", [True, False])
def test_a_directory_that_is_damaged_anywhere_ends_the_import(unified: bool) -> None:
    """The daemons read the whole tree before anything of it."""
    image = squashfs(UNIFIED if unified else ROOT).replace(b"init", b"in/t")
    found = judged(image)[1] if unified else judged(PART, image)[1]
    assert found == [("squashfs-name", Stage.IMPORT if unified else Stage.CREATE)]


def packed(*members: tuple[Entry, bytes]) -> bytes:
    """Return a SquashFS with *members*."""
    output = io.BytesIO()
    write_squashfs(((entry, iter([data])) for entry, data in members), output, level=1, threads=1)
    return output.getvalue()


@pytest.mark.parametrize(("path", "accepted"), [("a", False), ("rootfs/z", True)])
def test_a_socket_ends_what_is_seen_at_import(path: str, accepted: bool) -> None:
    """There is none in a tar, and the daemons tell ``sqfs2tar`` to skip nothing."""
    files = [("metadata.yaml", METADATA), ("rootfs/name", b"small")]
    members = [(Entry(path=name, type=EntryType.FILE, size=len(data)), data) for name, data in files]
    scan, found = judged(packed(*members, (Entry(path=path, type=EntryType.SOCKET), b"")))
    assert (scan.accepted, scan.creates) == (accepted, accepted)
    assert found == ([] if accepted else [("squashfs-refused-import", Stage.IMPORT)])


def flagged(image: bytes, flag: int) -> bytes:
    """Return *image* with a flag set in its superblock."""
    return image[:24] + bytes([image[24] | flag & 0xFF, image[25] | flag >> 8]) + image[26:]


def test_the_flag_of_no_fragments_hides_the_ends_of_files_from_the_import_only() -> None:
    assert judged(flagged(squashfs(UNIFIED), 0x10))[1] == [("squashfs-refused-import", Stage.IMPORT)]
    assert judged(PART, flagged(squashfs(ROOT), 0x10))[1] == []


def test_attributes_that_no_kernel_takes_fail_the_creation() -> None:
    """``unsquashfs`` fails where tar warns; what is written here has none."""
    pipe = Entry(path="pipe", type=EntryType.FIFO, xattrs={"user.note": b"x", "trusted.note": b"y"})
    output = io.BytesIO()
    written = write_squashfs([(pipe, iter(()))], output, threads=1)
    assert [found.code for found in written.diagnostics] == ["squashfs-lost-xattr"]
    assert judged(PART, output.getvalue())[1] == []
