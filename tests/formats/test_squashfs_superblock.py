"""The superblock: read, dumped, and judged against the file."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from lxdimage.diagnostics import Stage
from lxdimage.errors import InvalidImageError, TruncatedImageError, UnsupportedFormatError
from lxdimage.formats._squashfs import Compressor, Flags, Superblock, check_superblock, read_superblock
from lxdimage.formats._squashfs._superblock import MISSING, dump_superblock

CORPUS = Path(__file__).parent.parent / "corpus" / "squashfs"

GOOD = Superblock(
    inode_count=3,
    mkfs_time=1600000000,
    block_size=1 << 17,
    fragment_count=1,
    compressor=Compressor.ZSTD,
    flags=Flags.DUPLICATES_REMOVED | Flags.NO_XATTRS,
    id_count=1,
    root_inode=0x40,
    used_bytes=5000,
    id_table=4990,
    xattr_table=MISSING,
    inode_table=4000,
    directory_table=4500,
    fragment_table=4900,
    export_table=MISSING,
)


def test_what_is_dumped_is_read_again() -> None:
    dumped = dump_superblock(GOOD)
    assert len(dumped) == 96
    assert read_superblock(dumped + b"more") == GOOD


def test_a_superblock_of_another_program_is_read() -> None:
    superblock = read_superblock((CORPUS / "tar2sqfs-xz.squashfs").read_bytes())
    assert (superblock.compressor, superblock.block_size) == (Compressor.XZ, 4096)
    assert (superblock.mkfs_time, superblock.inode_count) == (1600000000, 13)
    assert superblock.padded_bytes == 4096


@pytest.mark.parametrize("size", [0, 1, 3, 4, 50, 95])
def test_a_cut_superblock_is_truncated(size: int) -> None:
    with pytest.raises(TruncatedImageError) as caught:
        read_superblock(dump_superblock(GOOD)[:size], source="root.squashfs")
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.offset, finding.source) == ("squashfs-truncated", size, "root.squashfs")


@pytest.mark.parametrize(
    ("offset", "value", "place"),
    [
        (0, b"sqsh", 0),
        (12, (1 << 16).to_bytes(4, "little"), 12),  # block size against its logarithm
        (22, (21).to_bytes(2, "little"), 22),  # logarithm
        (26, bytes(2), 26),  # no owners
        (32, (600 << 16).to_bytes(8, "little"), 32),  # root behind the inodes
        (40, bytes(8), 40),  # no bytes used
        (48, (5000).to_bytes(8, "little"), 48),  # ids behind the end
        (64, (95).to_bytes(8, "little"), 40),  # inodes in the superblock
        (72, (4000).to_bytes(8, "little"), 40),  # directories before inodes
    ],
)
def test_a_value_that_cannot_be_is_refused_with_its_place(offset: int, value: bytes, place: int) -> None:
    data = bytearray(dump_superblock(GOOD))
    data[offset : offset + len(value)] = value
    with pytest.raises(InvalidImageError) as caught:
        read_superblock(bytes(data))
    assert [(found.code, found.offset) for found in caught.value.diagnostics] == [
        ("squashfs-superblock", place)
    ]


@pytest.mark.parametrize(("offset", "code"), [(28, "squashfs-superblock"), (20, "squashfs-compressor")])
def test_an_unknown_version_or_compressor_is_unsupported(offset: int, code: str) -> None:
    data = bytearray(dump_superblock(GOOD))
    data[offset] = 7
    with pytest.raises(UnsupportedFormatError) as caught:
        read_superblock(bytes(data))
    assert caught.value.diagnostics[0].code == code


def test_flags_without_a_name_are_dropped() -> None:
    data = bytearray(dump_superblock(GOOD))
    data[25] |= 0xF0
    assert read_superblock(bytes(data)) == GOOD


def test_a_file_of_the_used_bytes_is_fine_with_and_without_padding() -> None:
    head = dump_superblock(GOOD)
    assert check_superblock(head, 5000) == check_superblock(head, 8192) == ()


def test_a_file_shorter_than_the_used_bytes_cannot_be_unpacked() -> None:
    (finding,) = check_superblock(dump_superblock(GOOD), 4999, "root")
    assert (finding.code, finding.stage) == ("squashfs-truncated", Stage.CREATE)
    assert "5000 bytes" in finding.message
    assert "4999" in finding.message


def test_bytes_behind_the_padding_are_harmless() -> None:
    (finding,) = check_superblock(dump_superblock(GOOD), 8193)
    assert (finding.code, finding.stage, finding.offset) == ("squashfs-trailing-data", None, 8192)


def test_a_bad_superblock_is_found_at_the_stage_that_reads_it() -> None:
    bad = b"hsqs" + bytes(92)
    assert [found.stage for found in check_superblock(bad, 96)] == [Stage.CREATE]
    assert [found.stage for found in check_superblock(bad, 96, stage=Stage.IMPORT)] == [Stage.IMPORT]


def test_the_export_table_is_not_needed_to_read() -> None:
    wild = attrs.evolve(GOOD, export_table=1 << 60)
    assert read_superblock(dump_superblock(wild)) == wild
