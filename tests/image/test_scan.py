"""Rules of scanning: the fingerprint is never lost, streams work, and each finding has its place."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import tarfile
import threading
from pathlib import Path

import pytest

from lxdimage import (
    Image,
    ImageType,
    InvalidImageError,
    InvalidMetadataError,
    Layout,
    Limits,
    Scan,
    Stage,
    Target,
    UnsupportedFormatError,
    open_image,
    scan_image,
    scan_targets,
)
from making import CODECS, METADATA, TEMPLATED, container, member, pack


def scan(*files: bytes, target: Target = Target.LXD) -> Scan:
    """Scan an image in memory."""
    return scan_image(*map(io.BytesIO, files), target=target)


def codes(found: Scan) -> set[str]:
    """Return the codes of all findings."""
    return {diagnostic.code for diagnostic in found.diagnostics}


@pytest.mark.parametrize("codec", CODECS)
def test_a_good_image_is_accepted_without_errors_under_every_compression(codec: str) -> None:
    data = CODECS[codec](container())
    found = scan(data)
    assert found.accepted
    assert found.ok, found.diagnostics
    assert hashlib.sha256(data).hexdigest() == found.fingerprint.hex
    assert (len(data), 8) == (found.size, found.members)
    assert isinstance(found.image, Image)
    assert (Layout.UNIFIED, ImageType.CONTAINER) == (found.image.layout, found.image.type)
    assert {"hostname.tpl": b"{{ container.name }}\n"} == dict(found.image.templates)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("keep", [0.3, 0.8, 0.99])
def test_damage_never_loses_the_fingerprint(codec: str, keep: float) -> None:
    data = CODECS[codec](container() + os.urandom(5000))
    data = data[: int(len(data) * keep)]
    assert hashlib.sha256(data).hexdigest() == scan(data).fingerprint.hex


@pytest.mark.parametrize("codec", CODECS)
def test_bytes_behind_the_archive_belong_to_the_fingerprint(codec: str) -> None:
    data = CODECS[codec](container()) + b"garbage" * 100_000
    found = scan(data)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (found.size, found.fingerprint.hex)


def test_every_byte_is_hashed_when_reading_stops_at_a_bad_header_of_a_large_image() -> None:
    data = container()[:-1024] + b"not a header" * 500_000
    found = scan(data)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (found.size, found.fingerprint.hex)
    assert "bad-checksum" in codes(found)


def test_a_pipe_can_be_scanned() -> None:
    data = CODECS["gzip"](container())
    reader, writer = os.pipe()
    thread = threading.Thread(target=lambda: [os.write(writer, data), os.close(writer)])  # type: ignore[func-returns-value]
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as stream:
        found = scan_image(stream)
    thread.join()
    assert found.ok
    assert hashlib.sha256(data).hexdigest() == found.fingerprint.hex


def test_one_pass_judges_for_every_target() -> None:
    metadata = METADATA + b"  released: 2020-01-01\n"
    found = scan_targets(io.BytesIO(container(metadata)))
    verdicts = {target.value: judged.accepted for target, judged in found.items()}
    assert {"lxd-5.0": True, "lxd": True, "incus-6.0": True, "incus": False} == verdicts


def test_a_split_image_has_one_fingerprint_over_both_files_and_one_for_each() -> None:
    meta, root = pack([member("metadata.yaml", METADATA)]), CODECS["xz"](pack([member("sbin/init", b"x")]))
    found = scan(meta, root)
    assert found.accepted
    assert Layout.SPLIT is found.layout
    assert hashlib.sha256(meta + root).hexdigest() == found.fingerprint.hex
    assert [hashlib.sha256(data).hexdigest() for data in (meta, root)] == [
        file.sha256 for file in found.files
    ]


def test_swapped_files_are_refused_as_the_daemon_refuses_them() -> None:
    meta, root = pack([member("metadata.yaml", METADATA)]), pack([member("sbin/init", b"x")])
    found = scan(root, meta)
    assert not found.accepted
    assert "metadata-missing" in codes(found)


def test_a_cut_within_a_member_is_refused_at_create_once_the_root_began() -> None:
    data = container()
    (finding,) = [d for d in scan(data[: -1024 - 510]).diagnostics if d.code == "truncated-archive"]
    assert Stage.CREATE is finding.stage
    assert finding.offset is not None


@pytest.mark.parametrize(
    ("root", "what"),
    [
        (container(), "are those of a whole image"),
        (pack([member("rootfs/", type=tarfile.DIRTYPE), member("rootfs/a")]), "begin with 'rootfs/'"),
        (pack([member("metadata.yaml", METADATA), member("templates/a")]), None),
        (pack([member("rootfs/a"), member("metadata.yaml"), member("etc/a"), member("sbin/init")]), None),
    ],
    ids=["an image", "its root", "a metadata file", "a root with such names"],
)
def test_a_root_file_that_has_its_files_below_rootfs_is_noticed(root: bytes, what: str | None) -> None:
    metadata = pack([member("metadata.yaml", METADATA)])
    scan = scan_image(io.BytesIO(metadata), io.BytesIO(root))
    found = [finding.message for finding in scan.diagnostics if finding.code == "root-prefixed"]
    assert found == (
        [f"all members of the root {what}, so its files end up in /rootfs of the instance"] if what else []
    )


def test_an_unexpected_fingerprint_is_refused() -> None:
    found = scan_image(io.BytesIO(container()), expected="0" * 64)
    assert not found.accepted
    assert "fingerprint-mismatch" in codes(found)


@pytest.mark.parametrize(("digits", "accepted"), [(64, True), (12, True), (11, False)])
def test_the_first_twelve_digits_of_a_fingerprint_are_enough(digits: int, accepted: bool) -> None:
    image = container()
    assert (
        scan_image(io.BytesIO(image), expected=hashlib.sha256(image).hexdigest()[:digits]).accepted
        is accepted
    )


def test_a_missing_template_points_into_metadata() -> None:
    metadata = TEMPLATED.replace(b"hostname.tpl", b"hostnam.tpl")
    (finding,) = [d for d in scan(container(metadata)).diagnostics if d.code == "template-missing"]
    assert (8, Stage.START) == (finding.line, finding.stage)
    assert "did you mean 'hostname.tpl'?" == finding.hint


_BEFORE = [member("metadata.yaml", TEMPLATED), member("rootfs/etc/", type=tarfile.DIRTYPE)]
_BEHIND = [member("rootfs/x", b"x" * 2000), member("templates/hostname.tpl", b"name\n")]
_IN_TWO = (pack([_BEFORE[0]]), pack([member("etc/", type=tarfile.DIRTYPE), member("x", b"x" * 2000)]))


@pytest.mark.parametrize(
    ("data", "limits", "expected"),
    [
        (pack([*_BEFORE, *_BEHIND]), Limits(members=2), {"member-limit"}),
        (pack([*_BEHIND, *_BEFORE]), Limits(members=1), {"member-limit"}),
        (pack([*_BEFORE, *_BEHIND]), Limits(size=2560), {"decompression-limit"}),
        (pack([*_BEFORE, *_BEHIND]), Limits(size=1800), {"decompression-limit"}),
        (pack([*_BEFORE, *_BEHIND]), Limits(size=1300), {"decompression-limit"}),
        (pack([*_BEFORE, *_BEHIND])[:3000], Limits(), {"truncated-archive"}),
        (CODECS["gzip"](pack([*_BEFORE, *_BEHIND]))[:-40], Limits(), {"truncated-stream"}),
        (pack([*_BEFORE, *_BEHIND]).replace(b"rootfs/x", b"rootfs/y"), Limits(), {"bad-checksum"}),
    ],
)
def test_what_was_not_read_is_not_called_missing(data: bytes, limits: Limits, expected: set[str]) -> None:
    found = scan_image(io.BytesIO(data), limits=limits)
    assert expected <= codes(found)
    assert codes(found).isdisjoint(
        {"template-missing", "root-empty", "metadata-missing", "no-end-of-archive"}
    )


def test_what_was_not_read_of_the_root_file_does_not_hide_a_missing_template() -> None:
    found = scan_image(*map(io.BytesIO, _IN_TWO), limits=Limits(members=1))
    assert codes(found) == {"member-limit", "template-missing"}


def test_a_limit_in_the_middle_of_a_header_is_the_limit_alone() -> None:
    found = scan_image(io.BytesIO(pack([*_BEFORE, *_BEHIND])), limits=Limits(size=1800))
    assert codes(found) == {"decompression-limit"}


def test_a_template_behind_an_end_that_tar_passes_over_is_missing() -> None:
    data = pack(_BEFORE)[:1536] + bytes(512) + pack([member("templates/hostname.tpl", b"name\n")])
    assert {"lone-zero-block", "template-missing"} <= codes(scan_image(io.BytesIO(data)))


def test_a_template_behind_ten_thousand_others_is_not_called_missing() -> None:
    many = [member(f"templates/{number}", b"") for number in range(10_001)]
    found = scan_image(io.BytesIO(pack([_BEFORE[0], *many, _BEHIND[1], member("rootfs/x")])))
    assert "template-missing" not in codes(found)


@pytest.mark.parametrize("name", ["/metadata.yaml", "image/metadata.yaml", "metadata.yml", "METADATA.YAML"])
def test_names_that_nearly_are_metadata_do_not_count_and_are_named(name: str) -> None:
    found = scan(pack([member(name, METADATA), member("rootfs/x")]))
    (finding,) = [d for d in found.diagnostics if d.code == "metadata-missing"]
    assert name in str(finding.hint)


def test_a_symbolic_link_called_rootfs_is_reported_for_what_it_does() -> None:
    meta = pack([member("metadata.yaml", METADATA), member("rootfs", type=tarfile.SYMTYPE, linkname="/root")])
    assert "root-not-directory" in codes(scan(meta, pack([member("x")])))


@pytest.mark.parametrize("name", ["metadata.yaml", "backup.yaml"])
def test_links_in_the_place_of_control_files_are_reported(name: str) -> None:
    link = member(name, type=tarfile.SYMTYPE, linkname="/etc/shadow")
    found = scan(container(METADATA, link))
    assert {"control-file-link"} <= codes(found)
    assert not found.creates


def test_opening_reads_no_more_than_needed() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    stream = Counting(container(METADATA, member("rootfs/big", bytes(50 << 20))))
    assert "x86_64" == str(open_image(stream).metadata.architecture)
    assert stream.taken < 200_000


def test_opening_goes_on_to_templates_behind_the_root() -> None:
    data = pack(
        [member("metadata.yaml", TEMPLATED), member("rootfs/x"), member("templates/hostname.tpl", b"hi")]
    )
    assert {"hostname.tpl": b"hi"} == dict(open_image(io.BytesIO(data)).templates)


def test_opening_what_is_no_image_raises_the_fitting_error() -> None:
    with pytest.raises(UnsupportedFormatError):
        open_image(io.BytesIO(b"hello" * 200))
    with pytest.raises(InvalidMetadataError):
        open_image(io.BytesIO(container(b"architecture: vax\ncreation_date: 1\n")))
    with pytest.raises(InvalidImageError):
        open_image(io.BytesIO(pack([member("rootfs/x")])))


@pytest.mark.parametrize("number", [0, 3])
def test_an_image_is_one_file_or_two(number: int) -> None:
    with pytest.raises(InvalidImageError, match="file-count"):
        scan_image(*[io.BytesIO()] * number)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan_image(tmp_path / "none")


@pytest.mark.parametrize(
    "first",
    [b"architecture: x86_64\n", b"{}\n", b"---\n", b"architecture: none\n", b"creation_date: 0\n"],
    ids=["half", "empty", "null", "unknown", "zero"],
)
def test_what_one_metadata_lacks_a_further_one_before_the_root_may_bring(first: bytes) -> None:
    image = pack([member("metadata.yaml", first), member("./metadata.yaml", METADATA), member("rootfs/f")])
    assert scan(image).accepted
    late = pack([member("metadata.yaml", first), member("rootfs/f"), member("metadata.yaml", METADATA)])
    assert not scan(late).accepted


def test_nothing_makes_up_for_metadata_that_cannot_be_decoded() -> None:
    image = pack([member("metadata.yaml", b"a: [\n"), member("metadata.yaml", METADATA), member("rootfs/f")])
    assert "yaml-syntax" in codes(scan(image))


def test_a_root_that_ends_within_its_first_header_is_refused_at_create() -> None:
    root = pack([member("f"), member("g")])
    metadata = pack([member("metadata.yaml", METADATA)])
    stages = {d.code: d.stage for end in (300, 511) for d in scan(metadata, root[:end]).diagnostics}
    assert stages["truncated-header"] is Stage.CREATE
    later = {d.code: d.stage for d in scan(metadata, root[:700]).diagnostics}
    assert later["truncated-header"] is None


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
@pytest.mark.parametrize("end", [1, 300, 511])
def test_a_compressed_root_that_ends_within_its_first_header_is_an_empty_one(codec: str, end: int) -> None:
    metadata = pack([member("metadata.yaml", METADATA)])
    assert scan(metadata, CODECS[codec](pack([member("f")])[:end])).creates


@pytest.mark.parametrize(
    ("codec", "zeros", "stage"),
    [
        ("gzip", 10_000, Stage.CREATE),
        ("gzip", 200_000, None),
        ("xz", 4_000, Stage.CREATE),
        ("xz", 40_000, None),
        ("bzip2", 40_000, None),
        ("zstd", 40_000, Stage.CREATE),
    ],
)
def test_damage_is_met_at_creation_up_to_what_each_decompressor_writes_behind_the_last_record(
    codec: str, zeros: int, stage: Stage | None
) -> None:
    data = CODECS[codec](container() + bytes(zeros))[:-1]
    stages = {found.code: found.stage for found in scan(data).diagnostics}
    assert stages["truncated-stream"] is stage


@pytest.mark.parametrize("codec", ["gzip", "xz", "zstd"])
def test_damage_behind_other_data_that_follows_the_archive_is_found(codec: str) -> None:
    data = CODECS[codec](container()) + CODECS[codec](pack([member("more", os.urandom(1000))]))[:-1]
    found = scan(data, target=Target.INCUS_6_0)
    assert {"data-after-end", "truncated-stream"} <= codes(found)
    assert not found.creates


@pytest.mark.parametrize(("zeros", "stage"), [(10_000, Stage.CREATE), (200_000, None)])
def test_damage_that_the_pipe_never_delivers_fails_nothing(zeros: int, stage: Stage | None) -> None:
    data = bytearray(CODECS["gzip"](container() + bytes(zeros)))
    data[-5] ^= 1
    stages = {found.code: found.stage for found in scan(bytes(data)).diagnostics}
    assert stages["checksum-mismatch"] is stage


def test_what_lies_behind_a_limit_is_not_called_missing() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}]
    found = scan(lzma.compress(container(), filters=filters))
    assert not found.accepted
    assert codes(found) & {"decompression-limit", "metadata-missing"} == {"decompression-limit"}


def test_daemons_that_cut_properties_at_nul_cut_keys_as_well() -> None:
    text = METADATA.replace(b"properties:", b'properties:\n  "a\\0b": "v\\0w"', 1)
    assert text != METADATA
    found = scan(container(text), target=Target.LXD_5_0)
    assert found.image is not None
    assert found.image.metadata.properties["a"] == "v"
