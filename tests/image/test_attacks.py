"""Rules of archives made to break a reader: headers of two meanings, maps that go back, floods of headers."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from lxdimage import (
    ImageType,
    InvalidImageError,
    LimitExceededError,
    Limits,
    open_image,
    open_members,
    scan_image,
)
from lxdimage._tar import dump_extension, dump_header, dump_number, dump_pax, padding, sealed
from lxdimage.archive import TarReader

CORPUS = Path(__file__).parents[1] / "corpus"
METADATA = b"architecture: x86_64\ncreation_date: 1\n"
END = bytes(1024)


def file(name: bytes, content: bytes = b"") -> bytes:
    return dump_header(name, b"0", size=len(content)) + content + padding(len(content))


def unified(*members: bytes) -> io.BytesIO:
    root = dump_header(b"rootfs/", b"5", mode=0o755) + file(b"rootfs/a", b"hi")
    return io.BytesIO(file(b"metadata.yaml", METADATA) + root + b"".join(members) + END)


def pax(*records: tuple[bytes, bytes], flag: bytes = b"x") -> bytes:
    return dump_extension(flag, dump_pax(records), b"pax")


def sparse(pairs: list[tuple[int, int]], size: int, stored: int) -> bytes:
    header = bytearray(dump_header(b"rootfs/s", b"S", size=stored))
    header[257:265] = b"ustar  \0"
    header[345:512] = bytes(167)
    for number, (offset, length) in enumerate(pairs):
        header[386 + 24 * number : 410 + 24 * number] = dump_number(offset, 12) + dump_number(length, 12)
    header[483:495] = dump_number(size, 12)
    return sealed(bytes(header)) + b"D" * stored + padding(stored)


def read(image: io.BytesIO) -> None:
    with open_members(image) as members:
        for item in members:
            for _ in item.member.chunks():
                pass


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd"])
def test_unified_squashfs_can_be_opened(compression: str) -> None:
    path = CORPUS / "images" / f"comp-unified-squashfs-{compression}" / "image.squashfs"

    assert open_image(path).type is ImageType.CONTAINER


def test_extension_whose_size_only_gnu_tar_reads_is_read() -> None:
    extension = bytearray(pax((b"comment", b"hello")))
    extension[124:136] = b"00000021 777"
    extension[:512] = sealed(bytes(extension[:512]))

    assert scan_image(unified(bytes(extension) + file(b"rootfs/s"))).members == 4


@pytest.mark.parametrize("key", [b"GNU.sparse.map", b"GNU.sparse.numblocks"])
def test_sparse_map_with_thousands_of_digits_is_damage(key: bytes) -> None:
    records = {b"GNU.sparse.major": b"0", b"GNU.sparse.minor": b"1", b"GNU.sparse.size": b"10"}
    records |= {b"GNU.sparse.map": b"0,1", b"GNU.sparse.numblocks": b"1"}
    records[key] = b"1" * 5000 if key.endswith(b"blocks") else b"0," + b"1" * 5000

    with pytest.raises(InvalidImageError):
        read(unified(pax(*records.items()) + file(b"rootfs/s", b"x" * 10)))


@pytest.mark.parametrize("pairs", [[(100, 50), (10, 20)], [(-100, 50)]])
def test_sparse_map_that_goes_back_is_damage(pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidImageError):
        read(unified(sparse(pairs, 1000, 70)))


def test_long_extension_headers_take_time_in_proportion() -> None:
    data = pax((b"comment", b"v" * (7 << 20))) + file(b"x") + END
    chunks = (data[at : at + 65536] for at in range(0, len(data), 65536))
    start = time.process_time()

    assert [member.name for member in TarReader(chunks)] == [b"x"]
    assert time.process_time() - start < 2


def test_many_extension_headers_before_one_member_take_time_in_proportion() -> None:
    data = b"".join(pax((b"comment%d" % number, b"v")) for number in range(6000)) + file(b"x") + END
    start = time.process_time()

    assert [member.name for member in TarReader(iter([data]))] == [b"x"]
    assert time.process_time() - start < 4


def test_global_headers_are_limited_in_all() -> None:
    data = b"".join(pax((b"k%d" % number, b"v" * 1000), flag=b"g") for number in range(100)) + END

    with pytest.raises(LimitExceededError):
        list(TarReader(iter([data]), limits=Limits(extension=50_000)))


def test_many_global_headers_take_time_in_proportion() -> None:
    data = b"".join(pax((b"k%d" % number, b"v"), flag=b"g") for number in range(10_000)) + file(b"x") + END
    start = time.process_time()
    reader = TarReader(iter([data]))

    assert [member.name for member in reader] == [b"x"]
    assert len(reader.global_records) == 10_000
    assert time.process_time() - start < 4
