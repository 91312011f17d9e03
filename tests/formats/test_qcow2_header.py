"""The header of a qcow2 disk: read as qemu reads it, and judged as qemu judges it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lxdimage.diagnostics import Severity, Stage
from lxdimage.errors import InvalidImageError, TruncatedImageError, UnsupportedFormatError
from lxdimage.formats._qcow2 import (
    HEAD_SIZE,
    ClusterCompression,
    Encryption,
    Features,
    check_qcow2_header,
    read_qcow2_header,
)

CORPUS = Path(__file__).parent.parent / "corpus" / "qcow2"


def header(extensions: bytes = b"", /, *, length: int = 112, **values: int) -> bytes:
    """Return the header of a disk of 10 MiB with clusters of 64 KiB, and what follows it in the first cluster."""
    fields = {
        "version": 3,
        "backing_offset": 0,
        "backing_size": 0,
        "cluster_bits": 16,
        "virtual_size": 10 << 20,
        "encryption": 0,
        "l1_size": 1,
        "l1_table": 0x30000,
        "refcount_table": 0x10000,
        "refcount_table_clusters": 1,
        "snapshots": 0,
        "snapshot_table": 0,
        "features": 0,
        "compatible": 0,
        "autoclear": 0,
        "refcount_order": 4,
        "header_length": length,
        "compression": 0,
    }
    assert not values.keys() - fields.keys()
    fields |= values
    return b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQQQQIIB7x", *fields.values()) + extensions


def extension(kind: int, data: bytes) -> bytes:
    return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)


def test_a_plain_header_is_read() -> None:
    found = read_qcow2_header(header())
    assert (found.version, found.virtual_size, found.cluster_size) == (3, 10 << 20, 65536)
    assert (found.encryption, found.compression) == (Encryption.NONE, ClusterCompression.ZLIB)
    assert (found.refcount_bits, found.l2_entries, found.features) == (16, 8192, Features(0))
    assert found.backing_file is found.backing_format is found.data_file is None
    assert check_qcow2_header(header(), 1 << 20) == ()


def test_version_2_has_no_features() -> None:
    found = read_qcow2_header((CORPUS / "version2.qcow2").read_bytes())
    assert (found.version, found.header_length, found.refcount_bits) == (2, 72, 16)
    assert found.cluster_size == 512


@pytest.mark.parametrize(
    ("name", "cluster_size", "compression"),
    [
        ("version3", 512, ClusterCompression.ZLIB),
        ("large-clusters", 8192, ClusterCompression.ZLIB),
        ("zstd", 4096, ClusterCompression.ZSTD),
    ],
)
def test_headers_by_qemu_are_read(name: str, cluster_size: int, compression: ClusterCompression) -> None:
    found = read_qcow2_header((CORPUS / f"{name}.qcow2").read_bytes())
    assert (found.cluster_size, found.compression) == (cluster_size, compression)
    assert found.virtual_size == 1 << 20


def test_extensions_name_formats_and_files() -> None:
    names = extension(0xE2792ACA, b"raw") + extension(0x44415441, b"data.raw") + extension(0x12345678, b"?")
    names += extension(0x23852875, bytes(24)) + bytes(8)  # nobody looks at bitmaps without their bit
    found = read_qcow2_header(header(names, features=4))
    assert (found.backing_format, found.data_file, found.bitmaps) == ("raw", "data.raw", True)
    assert Features.DATA_FILE in found.features


def test_a_backing_file_behind_the_bytes_that_were_read_has_no_name() -> None:
    place = header(backing_offset=200, backing_size=6)
    assert read_qcow2_header(place.ljust(200, b"\0") + b"parent").backing_file == "parent"
    assert read_qcow2_header(place.ljust(200, b"\0") + b"par").backing_file == "par"  # zeros follow
    far = header(backing_offset=HEAD_SIZE, backing_size=6, cluster_bits=21, l1_table=0, refcount_table=0)
    assert read_qcow2_header(far.ljust(HEAD_SIZE, b"\0")).backing_file == ""


@pytest.mark.parametrize("name", [b"", b"\0parent", bytes(6)])
def test_an_empty_name_is_no_backing_file(name: bytes) -> None:
    place = header(backing_offset=200, backing_size=6)
    assert read_qcow2_header(place.ljust(200, b"\0") + name).backing_file is None


@pytest.mark.parametrize("size", [0, 3, 4, 50, 71, 72, 103])
def test_a_cut_header_is_truncated(size: int) -> None:
    with pytest.raises(TruncatedImageError) as caught:
        read_qcow2_header(header()[:size])
    assert caught.value.diagnostics[0].offset == size


@pytest.mark.parametrize("size", [104, 105, 111])
def test_a_header_cut_behind_its_fixed_part_reads_as_zeros(size: int) -> None:
    """As qemu does; that the tables are missing is another finding."""
    assert read_qcow2_header(header()[:size]).virtual_size == 10 << 20
    assert {found.code for found in check_qcow2_header(header()[:size], size)} == {"qcow2-truncated"}


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        ({"cluster_bits": 8}, 20),
        ({"cluster_bits": 22}, 20),
        ({"cluster_bits": 9, "l1_table": 512, "refcount_table": 512}, 36),  # L1 table too small for the size
        ({"virtual_size": 1 << 31}, 36),
        ({"l1_size": (32 << 20) // 8 + 1}, 36),
        ({"l1_table": 0x30001}, 40),
        ({"l1_table": 0xFFFFFFFFFFFF0000}, 40),
        ({"refcount_table": 0x10200}, 48),
        ({"refcount_table_clusters": 0}, 56),
        ({"refcount_table_clusters": 129}, 56),
        ({"snapshots": 65537}, 60),
        ({"snapshot_table": 7}, 64),
        ({"autoclear": 2}, 88),
        ({"refcount_order": 7}, 96),
        ({"header_length": 103}, 100),
        ({"header_length": 65537}, 100),
        ({"compression": 1}, 104),
        ({"features": 8}, 104),
        ({"backing_offset": 65537}, 8),
        ({"backing_offset": 65000, "backing_size": 537}, 16),
        ({"backing_offset": 200, "backing_size": 1024}, 16),
    ],
)
def test_what_qemu_refuses_is_refused_with_its_place(values: dict[str, int], offset: int) -> None:
    data = header(**values)
    with pytest.raises(InvalidImageError) as caught:
        read_qcow2_header(data, source="disk")
    (finding,) = caught.value.diagnostics
    assert (finding.code, finding.offset, finding.source) == ("qcow2-header", offset, "disk")
    assert [found.stage for found in check_qcow2_header(data)] == [Stage.CREATE]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"version": 1}, "qcow2-header"),
        ({"version": 9}, "qcow2-header"),
        ({"encryption": 3}, "qcow2-header"),
        ({"compression": 2, "features": 8}, "qcow2-header"),
        ({"features": 32}, "qcow2-feature"),
    ],
)
def test_what_qemu_does_not_know_is_unsupported(values: dict[str, int], code: str) -> None:
    with pytest.raises(UnsupportedFormatError) as caught:
        read_qcow2_header(header(**values))
    assert caught.value.diagnostics[0].code == code


def test_an_extension_that_leaves_the_header_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="leaves the header"):
        read_qcow2_header(header(struct.pack(">II", 1, 65536)))
    with pytest.raises(InvalidImageError, match="leaves the header"):
        read_qcow2_header(header(struct.pack(">II", 1, 100), backing_offset=200))


def test_an_end_of_the_extensions_that_is_long_or_cut_is_refused() -> None:
    with pytest.raises(InvalidImageError, match="leaves the header"):
        read_qcow2_header(header(struct.pack(">II", 0, 65536)))
    with pytest.raises(InvalidImageError, match="leaves the header"):
        read_qcow2_header(header(backing_offset=116))


def _bitmaps(count: int = 1, reserved: int = 0, size: int = 24, place: int = 65536) -> bytes:
    return extension(0x23852875, struct.pack(">IIQQ", count, reserved, size, place))


@pytest.mark.parametrize(
    ("extensions", "autoclear"),
    [
        (extension(0xE2792ACA, b"x" * 16), 0),
        (extension(0x0537BE77, bytes(16)), 0),  # LUKS, which the header does not name
        (extension(0x23852875, bytes(23)), 0),
        (_bitmaps(count=0), 1),
        (_bitmaps(count=65536), 1),
        (_bitmaps(reserved=1), 1),
        (_bitmaps(size=0), 1),
        (_bitmaps(size=65535 * 1024 + 1), 1),
        (_bitmaps(place=65537), 1),
    ],
)
def test_extensions_that_qemu_refuses_are_refused(extensions: bytes, autoclear: int) -> None:
    (finding,) = check_qcow2_header(header(extensions, autoclear=autoclear))
    assert (finding.code, finding.stage, finding.offset) == ("qcow2-header", Stage.CREATE, 112)


def test_a_fourth_byte_of_the_magic_that_is_wrong_is_no_qcow2() -> None:
    """The daemons look at three bytes only, and qemu at four."""
    (finding,) = check_qcow2_header(b"QFI\xfa" + header()[4:])
    assert (finding.code, finding.stage) == ("qcow2-header", Stage.CREATE)


@pytest.mark.parametrize(
    ("data", "code", "stage"),
    [
        (header(backing_offset=112, backing_size=6) + b"secret", "qcow2-backing-file", Stage.CREATE),
        (header(extension(0x44415441, b"d"), features=4), "qcow2-data-file", Stage.CREATE),
        (header(encryption=1), "qcow2-encrypted", Stage.CREATE),
        (header(encryption=2), "qcow2-encrypted", Stage.CREATE),
        (header(features=1), "qcow2-unclean", None),
        (header(features=2), "qcow2-unclean", None),
        (header(snapshots=2, snapshot_table=65536), "qcow2-snapshots", None),
    ],
)
def test_what_is_dangerous_is_told(data: bytes, code: str, stage: Stage | None) -> None:
    (finding,) = check_qcow2_header(data)
    assert (finding.code, finding.stage) == (code, stage)


def test_a_backing_file_is_named() -> None:
    (finding,) = check_qcow2_header((CORPUS / "backing.qcow2").read_bytes())
    assert "'/host/secret'" in finding.message
    assert finding.severity is Severity.ERROR


def test_tables_behind_the_end_are_truncated_but_do_not_stop_qemu() -> None:
    findings = check_qcow2_header(header(), 0x10000)
    assert [(found.code, found.stage, found.offset) for found in findings] == [
        ("qcow2-truncated", None, 0x10000),
        ("qcow2-truncated", None, 0x10000),
    ]


def test_every_cut_and_flip_of_a_header_is_typed() -> None:
    good = header(extension(0xE2792ACA, b"raw") + bytes(8), backing_offset=136, backing_size=6) + b"parent"
    for place in range(len(good)):
        check_qcow2_header(good[:place], place)
        for mask in (0xFF, 1, 0x80):
            damaged = bytearray(good)
            damaged[place] ^= mask
            check_qcow2_header(bytes(damaged), 1 << 20)
