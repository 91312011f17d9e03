"""Whatever the bytes are: differences or our errors, in bounded time and memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
import textwrap
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage import (
    InvalidImageError,
    Layout,
    LimitExceededError,
    Limits,
    LXDImageError,
    MemberField,
    convert_image,
    diff_images,
)
from making import CODECS, METADATA, TEMPLATED, container, member, pack
from rich import image

GOOD = container()


def codes(before: bytes, after: bytes, **options: object) -> list[str]:
    """Return the codes of the error that comparing ends in."""
    with pytest.raises(LXDImageError) as caught:
        diff_images(io.BytesIO(before), io.BytesIO(after), **options)  # type: ignore[arg-type]
    return [finding.code for finding in caught.value.diagnostics]


def squashed() -> tuple[bytes, bytes]:
    """Return the files of a split image with a SquashFS."""
    files = io.BytesIO(), io.BytesIO()
    convert_image(io.BytesIO(image()), output=files, layout=Layout.SPLIT, rootfs_format="squashfs")
    return files[0].getvalue(), files[1].getvalue()


# ---- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_a_cut_image_is_refused_whichever_of_the_two_it_is(codec: str) -> None:
    data = CODECS[codec](image())
    for end in range(0, len(data) - 1, max(1, len(data) // 25)):
        assert codes(GOOD, data[:end])
        assert codes(data[:end], GOOD)


def test_a_cut_tar_is_refused_or_reported() -> None:
    data = image()
    for end in range(0, len(data) - 1024, 256):
        try:
            found = diff_images(io.BytesIO(data), io.BytesIO(data[:end]))
        except LXDImageError:
            continue
        assert ["no-end-of-archive"] == [finding.code for finding in found.diagnostics]
        assert not found.same or end > len(data) - 2048


def test_a_wrong_checksum_behind_the_last_member_is_refused() -> None:
    """Nobody can tell then which content is wrong."""
    data = bytearray(gzip.compress(GOOD, mtime=0))
    data[-8] ^= 1
    assert codes(GOOD, bytes(data)) == ["checksum-mismatch"]


def test_what_follows_the_compressed_data_is_reported_and_no_difference() -> None:
    data = gzip.compress(GOOD, mtime=0) + b"garbage"
    found = diff_images(io.BytesIO(GOOD), io.BytesIO(data))
    assert found.same
    assert ["trailing-garbage"] == [finding.code for finding in found.diagnostics]


def test_a_cut_squashfs_is_refused() -> None:
    metadata, root = squashed()
    for end in range(0, len(root) - 4096, max(1, len(root) // 40)):
        with pytest.raises(LXDImageError):
            diff_images(io.BytesIO(GOOD), (io.BytesIO(metadata), io.BytesIO(root[:end])))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    assert codes(GOOD, data)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_images_end_in_differences_or_a_refusal(data: st.DataObject) -> None:
    changed = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "repeat", "zero"])):
            case "flip":
                changed[at] = data.draw(st.integers(0, 255))
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 600))]
            case "repeat":
                changed[at:at] = changed[at : at + 512]
            case _:
                changed[at : at + 512] = bytes(512)
        if not changed:
            return
    codec = data.draw(st.sampled_from(sorted(CODECS)))
    with suppress(LXDImageError):
        diff_images(io.BytesIO(GOOD), io.BytesIO(CODECS[codec](bytes(changed))))


_METADATA_FILE, _ROOT_FILE = squashed()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(_ROOT_FILE) - 1), st.integers(1, 255))
def test_a_changed_byte_in_a_squashfs_ends_in_differences_or_a_refusal(at: int, mask: int) -> None:
    root = bytearray(_ROOT_FILE)
    root[at] ^= mask
    with suppress(LXDImageError):
        diff_images(io.BytesIO(GOOD), (io.BytesIO(_METADATA_FILE), io.BytesIO(root)))


# ---- limits --------------------------------------------------------------------------------------------------------


def test_too_many_members_are_refused() -> None:
    many = container(TEMPLATED, *(member(f"rootfs/{number}") for number in range(50)))
    assert codes(GOOD, many, limits=Limits(members=30)) == ["member-limit"]


def test_a_bomb_is_refused() -> None:
    info, _ = member("rootfs/zeros")
    info.size = 300 << 20
    compressor = zlib.compressobj(9, wbits=31)
    parts = [compressor.compress(pack([member("metadata.yaml", METADATA)])[:-1024] + info.tobuf())]
    parts += [compressor.compress(bytes(1 << 20)) for _ in range(300)]
    data = b"".join(parts) + compressor.compress(bytes(1024)) + compressor.flush()
    assert codes(GOOD, data, limits=Limits(ratio=500)) == ["decompression-limit"]
    assert codes(GOOD, data, limits=Limits(size=1 << 20)) == ["decompression-limit"]


def sparse(size: int) -> bytes:
    """Return an image with a file that is nothing but a hole."""
    records = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "rootfs/hole",
        "GNU.sparse.realsize": str(size),
    }
    hole = member(
        "rootfs/GNUSparseFile.1/hole", f"1\n{size}\n0\n".encode().ljust(512, b"\0"), pax_headers=records
    )
    return pack([member("metadata.yaml", METADATA), hole], tarfile.PAX_FORMAT)


@pytest.mark.parametrize("size", [300 << 20, 1 << 39, 1 << 45, (1 << 63) - 1])
def test_holes_count_as_content(size: int) -> None:
    """They cost as much to read, and no count of decompressed bytes has them."""
    assert codes(GOOD, sparse(size)) == ["decompression-limit"]
    found = diff_images(io.BytesIO(GOOD), io.BytesIO(sparse(size)), ignore={MemberField.CONTENT})
    assert [("rootfs/hole", size)] == [
        (change.path, change.after.size) for change in found.members if change.after and "hole" in change.path
    ]


def test_a_hole_equals_the_zeros_that_it_stands_for() -> None:
    zeros = pack(
        [member("metadata.yaml", METADATA), member("rootfs/hole", bytes(1 << 20)), member("rootfs/x", b"x")]
    )
    hole = sparse(1 << 20)[:-1024].rstrip(b"\0")
    hole += bytes(-len(hole) % 512) + pack([member("rootfs/x", b"x")])
    assert diff_images(io.BytesIO(zeros), io.BytesIO(hole)).same


def test_templates_beyond_the_limits_are_compared_by_digest() -> None:
    one = container(TEMPLATED, member("templates/big", b"x" * 2000))
    other = container(TEMPLATED, member("templates/big", b"y" * 2000))
    found = diff_images(io.BytesIO(one), io.BytesIO(other), limits=Limits(template_size=1000))
    assert [("big", None, None)] == [
        (change.name, change.before_content, change.after_content) for change in found.templates
    ]
    both = diff_images(io.BytesIO(one), io.BytesIO(other), limits=Limits(templates_size=2010))
    assert [None] == [change.before_content for change in both.templates]


def test_metadata_files_without_end_are_refused() -> None:
    many = pack([member("metadata.yaml", METADATA)] * 50)
    assert codes(GOOD, many, limits=Limits(templates_size=1000)) == ["decompression-limit"]


@pytest.mark.parametrize("length", [4096, 4097, 100_000])
def test_names_and_targets_of_any_length_are_compared_and_long_ones_not_kept(length: int) -> None:
    def made(last: str) -> bytes:
        name = "rootfs/" + "n" * (length - 8) + last
        target = "t" * (length - 1) + last
        link = member(name, type=tarfile.SYMTYPE, linkname=target)
        return pack([member("metadata.yaml", METADATA), link], tarfile.PAX_FORMAT)

    assert diff_images(io.BytesIO(made("a")), io.BytesIO(made("a"))).same
    found = diff_images(io.BytesIO(made("a")), io.BytesIO(made("b")))
    assert 2 == len(found.members)
    assert all(len(change.path) <= 4096 for change in found.members)


def test_a_name_of_many_dots_is_read_at_once() -> None:
    """Taking them away one by one would take time that grows with the square of their number."""
    one = pack([member("metadata.yaml", METADATA), member("rootfs/x")])
    other = pack([member("metadata.yaml", METADATA), member("./" * 2_000_000 + "rootfs/x")])
    assert diff_images(io.BytesIO(one), io.BytesIO(other)).same


def test_memory_does_not_grow_with_contents() -> None:
    program = textwrap.dedent("""
        import io, resource, sys
        from lxdimage import diff_images

        class Long(io.RawIOBase):
            def __init__(self, head, size, tail):
                self._parts, self._left, self._tail = [head], size, tail
            def readable(self):
                return True
            def read(self, size=-1):
                if self._parts:
                    return self._parts.pop()
                if self._left:
                    taken = min(size, self._left)
                    self._left -= taken
                    return b"x" * taken
                tail, self._tail = self._tail, b""
                return tail

        sys.path.insert(0, sys.argv[1])
        from making import METADATA, member, pack
        head = pack([member("metadata.yaml", METADATA)])[:-1024]
        info, _ = member("rootfs/big")
        info.size = 400 << 20
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        images = [Long(head + info.tobuf(), info.size, bytes(1024)) for _ in range(2)]
        assert diff_images(*images).same
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) < 60 << 10


def test_an_image_that_is_no_archive_is_refused() -> None:
    assert codes(GOOD, b"QFI\xfb" + bytes(1000)) == ["not-an-archive"]
    with pytest.raises(InvalidImageError):
        diff_images(io.BytesIO(GOOD), (io.BytesIO(GOOD), io.BytesIO(b"")))


def test_limits_are_errors_of_their_own_kind() -> None:
    with pytest.raises(LimitExceededError):
        diff_images(io.BytesIO(GOOD), io.BytesIO(sparse(1 << 45)))
