"""Reading a SquashFS that other programs wrote: listing, content in both orders, looking up."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from lxdimage._sources import spool
from lxdimage.archive import EntryType
from lxdimage.errors import LimitExceededError
from lxdimage.formats._squashfs import (
    Order,
    SquashfsMember,
    check_squashfs,
    open_squashfs,
    read_squashfs,
)
from lxdimage.formats._squashfs._inodes import BasicFile, GeneralInode
from lxdimage.limits import Limits

CORPUS = Path(__file__).parent.parent / "corpus" / "squashfs"
IMAGES = sorted(CORPUS.glob("*.squashfs"))
EXPECTED: dict[str, dict[str, Any]] = json.loads((CORPUS / "expected.json").read_text())


def _image(path: Path) -> io.BytesIO:
    return io.BytesIO(path.read_bytes())


def _describe(member: SquashfsMember) -> dict[str, Any]:
    entry = member.entry
    found: dict[str, Any] = {
        "type": entry.type.name,
        "mode": oct(entry.mode),
        "owner": [entry.uid, entry.gid],
        "time": entry.mtime_ns // 1_000_000_000,
    }
    if entry.type is EntryType.FILE:
        found["size"] = entry.size
        found["sha256"] = hashlib.sha256(b"".join(member.chunks())).hexdigest()
    if entry.data is not None:
        found["data"] = [list(stretch) for stretch in entry.data]
    if entry.target:
        found["target"] = entry.target
    if entry.device is not None:
        found["device"] = list(entry.device)
    if entry.xattrs:
        found["xattrs"] = {name: value.decode("latin-1") for name, value in entry.xattrs.items()}
    return found


def _expected(path: Path) -> dict[str, Any]:
    """Return what is in an image: tar, and so tar2sqfs, knows no sockets."""
    return {
        name: what
        for name, what in EXPECTED.items()
        if what["type"] != "SOCKET" or path.name.startswith("mksquashfs")
    }


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_everything_is_read_from_every_image(path: Path, threads: int, order: Order) -> None:
    with path.open("rb") as file:
        members = read_squashfs(file, order=order, threads=threads)
        found = {member.name.decode("latin-1"): _describe(member) for member in members}
    assert found == _expected(path)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_only_the_layout_of_lz4_by_tar2sqfs_is_refused_at_creation(path: Path) -> None:
    with path.open("rb") as file:
        codes = [found.code for found in check_squashfs(file) if found.stage]
    assert codes == (["squashfs-refused-layout"] if path.stem == "tar2sqfs-lz4" else [])


def test_the_name_and_the_entry_agree() -> None:
    with _image(IMAGES[0]) as file:
        for member in read_squashfs(file):
            entry = member.entry
            assert member.name == entry.path.encode("utf-8", "surrogateescape")
            assert (member.type, member.size) == (entry.type, entry.size)
            assert member.name.endswith(b"/") == (member.type is EntryType.DIRECTORY)
            assert not member.name.startswith(b"/")


def test_tree_order_has_directories_before_what_is_in_them() -> None:
    with _image(IMAGES[0]) as file:
        names = [member.name for member in read_squashfs(file)]
    assert names[0] == b"./"
    assert names[1:] == sorted(names[1:])


def test_data_order_has_content_in_the_order_of_the_file_and_links_last() -> None:
    with _image(CORPUS / "mksquashfs-zstd.squashfs") as file:
        members = list(read_squashfs(file, order=Order.DATA))
    sizes = [member.size for member in members]
    first = next(index for index, size in enumerate(sizes) if size)
    assert sizes[:first] == [0] * first
    assert [member.type for member in members[-2:]] == [EntryType.HARD_LINK] * 2
    assert all(sizes[first:-2])


def test_content_can_be_skipped_and_read_again() -> None:
    with open_squashfs(_image(CORPUS / "mksquashfs-xz.squashfs"), threads=2) as squashfs:
        files = [member for member in squashfs.members(Order.DATA) if member.size]
        whole = {member.name: b"".join(member.chunks()) for member in files}
        for member in reversed(files):
            assert b"".join(member.chunks()) == whole[member.name]
        for member in files[::2]:
            next(member.chunks())
        assert {member.name: b"".join(member.chunks()) for member in files} == whole


def test_a_path_is_looked_up_with_any_slashes_and_without_following_links() -> None:
    with open_squashfs(_image(CORPUS / "tar2sqfs-gzip.squashfs")) as squashfs:
        for path in ("dir/a", b"dir/a", "/dir//a/", b"./dir/b"):
            member = squashfs.lookup(path)
            assert member is not None
            assert b"".join(member.chunks()) == b"hello\n"
            assert member.type is EntryType.FILE
        for path in ("", "/", "./."):
            root = squashfs.lookup(path)
            assert root is not None
            assert root.name == b"./"
        directory = squashfs.lookup("dir/sub")
        assert directory is not None
        assert directory.name == b"dir/sub/"
        for path in ("nothing", "dir/a/b", "dir/link/a", ".."):
            assert squashfs.lookup(path) is None


def test_both_kinds_of_inode_have_their_number_in_one_place() -> None:
    """The numbers of a group are taken by that place, whatever its inodes are."""
    assert BasicFile._fields.index("number") == GeneralInode._fields.index("number")


def test_the_offset_is_in_the_inode_table() -> None:
    with open_squashfs(_image(IMAGES[0])) as squashfs:
        superblock = squashfs.superblock
        for member in squashfs.members():
            assert superblock.inode_table <= member.offset < superblock.directory_table


def test_input_that_cannot_seek_is_spooled() -> None:
    data = IMAGES[0].read_bytes()
    with spool(iter([data[:100], data[100:]])) as file:
        assert sum(1 for _ in read_squashfs(file)) == len(EXPECTED)


def test_a_spool_is_closed_when_its_input_fails() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"some"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        spool(chunks())


def test_a_decompressing_file_is_read_through_and_not_around(tmp_path: Path) -> None:
    """A gzip file has the descriptor of the compressed bytes, which must not be used."""
    path = tmp_path / "image.gz"
    path.write_bytes(gzip.compress(IMAGES[0].read_bytes()))
    with gzip.open(path, "rb") as file:
        assert len(list(read_squashfs(cast("BinaryIO", file)))) == len(EXPECTED)


def test_threads_end_with_the_iterator() -> None:
    before = threading.active_count()
    members = read_squashfs(_image(CORPUS / "mksquashfs-gzip.squashfs"), threads=4)
    for member in members:
        if member.size > 4096:
            next(member.chunks())
            break
    assert isinstance(members, Iterator)
    members.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


@pytest.mark.parametrize("limits", [Limits(members=5), Limits(size=10_000)])
def test_limits_end_the_reading(limits: Limits) -> None:
    with pytest.raises(LimitExceededError) as caught:
        for member in read_squashfs(_image(IMAGES[0]), limits=limits):
            for _ in member.chunks():
                pass
    assert caught.value.diagnostics[0].code == "squashfs-limit"
