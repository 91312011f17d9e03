"""Whatever the bytes are: findings or our errors, in bounded time and memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import textwrap
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage import Limits, Scan, Stage, Target, open_image, scan_image, scan_targets
from making import CODECS, METADATA, container, member, pack

SMALL = pack([member("metadata.yaml", METADATA), member("rootfs/x", b"content")])


def judged(data: bytes, limits: Limits | None = None) -> Scan:
    """Scan *data* for both kinds of daemon, and hold what must hold for any bytes."""
    # One daemon for each generation of the YAML library.
    scans = scan_targets(io.BytesIO(data), targets=(Target.LXD, Target.INCUS), limits=limits)
    for scan in scans.values():
        assert hashlib.sha256(data).hexdigest() == scan.fingerprint.hex
        assert scan.accepted == (scan.image is not None)
    return next(iter(scans.values()))


@pytest.mark.parametrize("codec", CODECS)
def test_every_cut_of_a_small_image_ends_in_findings(codec: str) -> None:
    data = CODECS[codec](SMALL)
    for end in range(0, len(data), max(1, len(data) // 40)):
        scan = judged(data[:end])
        assert scan.diagnostics or end > len(data) - 1025


@pytest.mark.parametrize("codec", CODECS)
def test_every_flip_in_a_small_image_ends_in_a_verdict(codec: str) -> None:
    data = CODECS[codec](SMALL)
    generator = random.Random(codec)
    for at in range(0, min(len(data), 1600), 3 if len(data) < 400 else 31):
        flipped = bytearray(data)
        flipped[at] ^= generator.randrange(1, 256)
        judged(bytes(flipped))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000))
def test_arbitrary_bytes_end_in_a_refusal(data: bytes) -> None:
    assert not judged(data).accepted


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(CODECS)), st.binary(max_size=1500))
def test_arbitrary_bytes_in_a_known_compression_end_in_a_refusal(codec: str, data: bytes) -> None:
    assert not judged(CODECS[codec](data)).accepted


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutated_images_end_in_a_verdict(data: st.DataObject) -> None:
    image = bytearray(container())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(image) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "repeat", "zero"]))
        if change == "flip":
            image[at] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del image[at : at + data.draw(st.integers(1, 600))]
        elif change == "repeat":
            image[at:at] = image[at : at + 512]
        else:
            image[at : at + 512] = bytes(512)
        if not image:
            return
    codec = data.draw(st.sampled_from(sorted(CODECS)))
    judged(CODECS[codec](bytes(image)))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_metadata_ends_in_a_verdict(text: bytes) -> None:
    judged(container(text))


def bomb(size: int) -> bytes:
    """Return an image whose root is *size* zeros, compressed a thousand times smaller."""
    head = pack([member("metadata.yaml", METADATA)])[:-1024]
    info, _ = member("rootfs/zeros")
    info.size = size
    compressor = zlib.compressobj(9, wbits=31)
    parts = [compressor.compress(head + info.tobuf())]
    parts += [compressor.compress(bytes(1 << 20)) for _ in range(size >> 20)]
    return b"".join(parts) + compressor.compress(bytes(1024)) + compressor.flush()


def _with_metadata_files(count: int, text: bytes = METADATA) -> bytes:
    root = pack([member("rootfs/x", b"content")])
    return pack([member("metadata.yaml", text)])[:-1024] * count + root


def test_many_metadata_files_take_time_in_proportion() -> None:
    """Each is decoded once, not again with every one that follows."""
    data = _with_metadata_files(2000)
    start = time.process_time()
    scan = judged(data)
    assert scan.accepted
    assert "metadata-merged" in [found.code for found in scan.diagnostics]
    open_image(io.BytesIO(data))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(("count", "text"), [(5000, METADATA), (3, METADATA + b"# " + b"x" * 900_000)])
def test_metadata_files_are_bounded_together(count: int, text: bytes) -> None:
    scan = judged(_with_metadata_files(count, text))
    assert ["yaml-too-large"] == [found.code for found in scan.diagnostics if found.stage is Stage.IMPORT]


def test_a_bomb_ends_at_the_size_limit_and_keeps_its_fingerprint() -> None:
    scan = judged(bomb(64 << 20), limits=Limits(size=10 << 20))
    assert any("limit" in diagnostic.code for diagnostic in scan.diagnostics), scan.diagnostics


def test_a_limit_can_be_raised() -> None:
    scan = judged(bomb(16 << 20), limits=Limits(size=1 << 30))
    assert not any("limit" in diagnostic.code for diagnostic in scan.diagnostics), scan.diagnostics


def test_an_archive_of_too_many_members_ends_at_the_limit() -> None:
    image = pack([member("metadata.yaml", METADATA), *(member(f"rootfs/{number}") for number in range(30))])
    scan = judged(image, limits=Limits(members=20))
    assert "member-limit" in {diagnostic.code for diagnostic in scan.diagnostics}


def test_findings_of_one_kind_are_bounded() -> None:
    image = pack(
        [member("metadata.yaml", METADATA), *(member(f"rootfs/../{number}") for number in range(500))]
    )
    scan = judged(image)
    assert len(scan.diagnostics) < 60
    assert any("and 480 more" in diagnostic.message for diagnostic in scan.diagnostics)


def test_control_characters_in_names_are_escaped_when_printed() -> None:
    image = pack([member("metadata.yaml", METADATA), member("rootfs/../\x1b[31mred\n")])
    text = "\n".join(map(str, judged(image).diagnostics))
    assert "\x1b" not in text
    assert "\\x1b[31mred\\n" in text


@pytest.mark.parametrize(
    "text",
    [
        b"a: &a [x, x, x]\nb: &b [*a, *a, *a]\n" * 1
        + b"".join(b"k%d: &k%d [*b, *b]\n" % (n, n) for n in range(9)),
        b"architecture: &a x86_64\ncreation_date: 1\nproperties:\n"
        + b"".join(b"  p%d: &p%d {<<: [*p%d, *p%d]}\n" % (n, n, n - 1, n - 1) for n in range(1, 40)),
        b"[" * 30_000,
        b"{a: " * 20_000,
        b"- " * 50_000,
        b"? " * 20_000,
        b"a: " + b"x" * 900_000,
        b"!" * 100_000,
        b"&" * 100_000,
        b'"' + b"\\" * 99_999,
        b"'" * 100_001,
        b"|" + b"\n" * 200_000,
        b"%" * 100_000,
        b"a:\n" * 20_000,
        b"#" * 100_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_metadata_made_to_explode_ends_in_a_verdict(text: bytes) -> None:
    judged(container(text))


_MEASURE = """
import io, re
from lxdimage import scan_image

class Stream(io.RawIOBase):
    def __init__(self, pieces):
        self.pieces, self.rest = pieces, b""
    def readable(self):
        return True
    def seekable(self):
        return False
    def read(self, size=-1):
        while not self.rest:
            piece = next(self.pieces, None)
            if piece is None:
                return b""
            self.rest = piece
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

{setup}
scan = scan_image(Stream(pieces()))
assert scan.accepted, scan.diagnostics
# Not getrusage: its maximum is inherited from the process that started this one.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(peak >> 10, scan.members, scan.size)
"""


def measured(setup: str) -> tuple[int, int, int]:
    """Run a scan in a process of its own; return peak MiB, members and bytes."""
    program = _MEASURE.format(setup=textwrap.dedent(setup))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    peak, members, size = map(int, done.stdout.split())
    return peak, members, size


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "templates/", "rootfs/"])
def test_memory_does_not_grow_with_the_length_of_names(place: str) -> None:
    long = [member(f"{place}{number}" + "x" * 500_000) for number in range(120)]
    data = pack([member("metadata.yaml", METADATA), *long, member("rootfs/x")], tarfile.PAX_FORMAT)
    tracemalloc.start()
    try:
        scan_image(io.BytesIO(data))
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


def test_findings_about_templates_are_bounded() -> None:
    many = [member(f"templates/{number}", b"xx") for number in range(100)]
    data = pack([member("metadata.yaml", METADATA), *many, member("rootfs/x")])
    found = judged(data, Limits(template_size=1)).diagnostics
    assert [20] == [sum(finding.code == "template-too-large" for finding in found)]
    assert any("and 80 more" in finding.message for finding in found)


def test_names_of_links_to_templates_count_as_what_they_hold() -> None:
    links = [
        member(f"templates/{number:0>80}", type=tarfile.LNKTYPE, linkname="templates/first")
        for number in range(50)
    ]
    data = pack(
        [member("metadata.yaml", METADATA), member("templates/first", b"x"), *links, member("rootfs/x")]
    )
    scan = judged(data, Limits(templates_size=1000))
    assert scan.image is not None
    assert sum(map(len, scan.image.templates)) < 1000
    assert "template-too-large" in {found.code for found in scan.diagnostics}


def test_an_image_of_three_gigabytes_takes_forty_megabytes_of_memory() -> None:
    peak, members, size = measured(
        """
        from making import METADATA, member, pack
        def pieces():
            yield pack([member("metadata.yaml", METADATA)])[:-1024]
            info, _ = member("rootfs/big")
            info.size = 3 << 30
            yield info.tobuf()
            block = bytes(range(256)) * 4096
            for _ in range(3 << 10):
                yield block
            yield bytes(1024)
        """
    )
    assert (2, True) == (members, size > 3 << 30)
    assert peak <= 40


@pytest.mark.slow
def test_an_image_of_a_million_members_takes_forty_megabytes_of_memory() -> None:
    peak, members, _ = measured(
        """
        from making import METADATA, member, pack
        def pieces():
            yield pack([member("metadata.yaml", METADATA)])[:-1024]
            for block in range(1000):
                head = pack([member(f"rootfs/{block:06}/", type=b"5"), member(f"rootfs/{block:06}/0000")])
                yield head[:-1024]
                template = bytearray(head[512:1024])
                out = []
                for n in range(1000):
                    name = b"rootfs/%06d/%04d" % (block, n)
                    template[: len(name)] = name
                    template[148:156] = b" " * 8
                    template[148:156] = b"%06o\\0 " % sum(template)
                    out.append(bytes(template))
                yield b"".join(out)
            yield bytes(1024)
        """
    )
    assert members > 1_000_000
    assert peak <= 40


def test_a_slow_stream_of_short_reads_is_read_to_its_end() -> None:
    data = gzip.compress(container())

    class Trickle(io.RawIOBase):
        def __init__(self) -> None:
            self.pieces: Iterator[int] = iter(data)

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return False

        def read(self, size: int = -1) -> bytes:
            return bytes(value for _, value in zip(range(min(size, 3)), self.pieces, strict=False))

    scan = scan_image(Trickle())  # type: ignore[arg-type]
    assert hashlib.sha256(data).hexdigest() == scan.fingerprint.hex
    assert scan.accepted
