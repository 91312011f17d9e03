"""Rules of fingerprints."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import threading
import time
from pathlib import Path

import pytest

from lxdimage import Fingerprint, FingerprintMismatchError, fingerprint_files
from lxdimage._chunks import drain
from lxdimage.fingerprint import Digest

HEX = "3e2efb8787b514dcb0330d1a4b0c15a241f66e8586bfd0be454ef758cb4181da"
BIG = os.urandom(3 << 20)


def test_short_is_the_twelve_digits_that_lists_show() -> None:
    assert Fingerprint(HEX).short == "3e2efb8787b5"


@pytest.mark.parametrize("prefix", ["3", "3e2efb", "3E2EFB", HEX])
def test_a_prefix_matches_in_either_case(prefix: str) -> None:
    assert Fingerprint(HEX).matches(prefix)


@pytest.mark.parametrize("prefix", ["", "4", "%", "3_", HEX + "0", " 3e"])
def test_wildcards_and_other_digits_do_not_match(prefix: str) -> None:
    assert not Fingerprint(HEX).matches(prefix)


@pytest.mark.parametrize("text", ["", HEX[:-1], HEX.upper(), HEX + "\n", "g" * 64])
def test_only_64_lower_case_digits_are_a_fingerprint(text: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case"):
        Fingerprint(text)


def test_two_files_are_hashed_one_behind_the_other(tmp_path: Path) -> None:
    (tmp_path / "meta").write_bytes(b"meta")
    (tmp_path / "root").write_bytes(BIG)
    expected = hashlib.sha256(b"meta" + BIG).hexdigest()
    assert expected == fingerprint_files(tmp_path / "meta", tmp_path / "root").hex


def test_a_fingerprint_that_is_not_the_expected_one_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"image")
    expected = hashlib.sha256(b"image").hexdigest()
    assert fingerprint_files(tmp_path / "image", expected=expected[:12]).hex == expected
    assert fingerprint_files(tmp_path / "image", expected=Fingerprint(expected)).hex == expected
    for other in (HEX, Fingerprint(HEX), "", "no digits"):
        with pytest.raises(FingerprintMismatchError) as caught:
            fingerprint_files(tmp_path / "image", expected=other)
        (finding,) = caught.value.diagnostics
        assert finding.code == "fingerprint-mismatch"
        assert expected in finding.message


def test_a_pipe_has_a_fingerprint() -> None:
    reader, writer = os.pipe()

    def write() -> None:
        os.write(writer, b"image")
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb") as stream:
        assert hashlib.sha256(b"image").hexdigest() == fingerprint_files(stream).hex
    thread.join()


def test_progress_ends_at_the_total() -> None:
    seen: list[tuple[int, int | None]] = []
    fingerprint_files(io.BytesIO(BIG), progress=lambda done, total: seen.append((done, total)))
    assert (len(BIG), len(BIG)) == seen[-1]


@pytest.mark.parametrize("size", [1000, 1 << 16, 1 << 20, len(BIG)])
def test_a_digest_counts_and_hashes_what_passes(size: int) -> None:
    whole = Digest()
    digest = Digest(whole)
    chunks = (BIG[start : start + size] for start in range(0, len(BIG), size))
    assert len(BIG) == drain(digest.tap(chunks))
    assert hashlib.sha256(BIG).hexdigest() == digest.finish()
    assert (len(BIG), len(BIG)) == (digest.size, whole.size)
    assert hashlib.sha256(BIG).hexdigest() == whole.finish()


def test_no_block_is_filled_again_before_it_was_used() -> None:
    """Whoever takes the bytes is slower than they come; chunks are of all sizes."""
    data = os.urandom(12 << 20)
    sizes = itertools.cycle([1, 70_000, 3 << 20, 1 << 20])
    taken: list[bytes] = []

    def write(block: bytes | memoryview) -> None:
        time.sleep(0.02)
        taken.append(bytes(block))

    digest = Digest(write=write)
    start = 0
    while start < len(data):
        size = next(sizes)
        digest.update(data[start : start + size])
        start += size
    assert digest.finish() == hashlib.sha256(data).hexdigest()
    assert b"".join(taken) == data


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_character_device_is_refused(device: str) -> None:
    with pytest.raises(OSError, match="character device") as refused:
        fingerprint_files(device)
    assert refused.value.filename == device
