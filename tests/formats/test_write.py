from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lxdimage.errors import BuildError
from lxdimage.formats import _sinks
from lxdimage.formats._write import OutputFiles, open_outputs


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of keeping a growing file out of sight."""
    if request.param == "named":
        monkeypatch.setattr(_sinks, "_TMPFILE", 0)
    return str(request.param)


pytestmark = pytest.mark.usefixtures("way")


def _sha(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _write(outputs: OutputFiles, *contents: bytes) -> None:
    for file, content in zip(outputs.files, contents, strict=True):
        file.write_all(iter([content[:3], content[3:]]))


def test_a_file_appears_with_its_size_and_digest(tmp_path: Path) -> None:
    target = tmp_path / "image"
    with open_outputs(target) as outputs:
        _write(outputs, b"some bytes")
    assert target.read_bytes() == b"some bytes"
    assert _sha(b"some bytes") == outputs.fingerprint.hex == outputs.written[0].sha256
    assert (str(target), 10) == (outputs.written[0].path, outputs.written[0].size)
    assert _names(tmp_path) == ["image"]


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    target = tmp_path / "image"
    target.write_bytes(b"old")
    with open_outputs(target) as outputs:
        _write(outputs, b"new bytes")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new bytes"
    assert _names(tmp_path) == ["image"]


def test_an_exception_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "image"
    target.write_bytes(b"old")

    def fail() -> None:
        with open_outputs(target) as outputs:
            _write(outputs, b"new bytes")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["image"]


def test_the_fingerprint_of_two_files_covers_metadata_then_root(tmp_path: Path) -> None:
    metadata, root = tmp_path / "meta", tmp_path / "root"
    with open_outputs(metadata, root) as outputs:
        _write(outputs, b"metadata", b"root" * 1_000_000)
    assert _sha(b"metadata", b"root" * 1_000_000) == outputs.fingerprint.hex
    assert [_sha(b"metadata"), _sha(b"root" * 1_000_000)] == [file.sha256 for file in outputs.written]
    assert ["meta", "root"] == _names(tmp_path)


def test_the_order_of_writing_does_not_change_the_fingerprint(tmp_path: Path) -> None:
    with open_outputs(tmp_path / "meta", tmp_path / "root") as outputs:
        metadata, root = outputs.files
        root.write(b"r1" * 2_000_000)
        metadata.write(b"m1")
        root.write(b"r2")
    assert _sha(b"m1", b"r1" * 2_000_000, b"r2") == outputs.fingerprint.hex
    assert _sha(b"r1" * 2_000_000, b"r2") == outputs.written[1].sha256


def test_random_access_counts_what_is_there_at_the_end(tmp_path: Path) -> None:
    with open_outputs(tmp_path / "meta", tmp_path / "root") as outputs:
        metadata, root = outputs.files
        with root.random_access() as stream:
            stream.write(b"....body")
            stream.seek(0)
            stream.write(b"head")
        metadata.write(b"meta")
    assert (tmp_path / "root").read_bytes() == b"headbody"
    assert _sha(b"meta", b"headbody") == outputs.fingerprint.hex
    assert (_sha(b"headbody"), 8) == (outputs.written[1].sha256, outputs.written[1].size)


def test_streams_are_written_directly_and_left_open(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with open_outputs(stream) as outputs:
        _write(outputs, b"some bytes")
    assert stream.getvalue() == b"some bytes"
    assert _sha(b"some bytes") == outputs.fingerprint.hex
    assert outputs.written[0].path == "<stream>"


def test_random_access_works_on_a_stream() -> None:
    stream = io.BytesIO(b"")
    with open_outputs(stream) as outputs, outputs.files[0].random_access() as access:
        access.write(b"....body")
        access.seek(0)
        access.write(b"head")
    assert stream.getvalue() == b"headbody"
    assert _sha(b"headbody") == outputs.fingerprint.hex


def test_streams_that_take_less_than_given_get_all() -> None:
    class Slow(io.RawIOBase):
        taken = b""

        def write(self, data: object) -> int:
            self.taken += bytes(memoryview(data)[:4])  # type: ignore[arg-type]
            return min(4, len(memoryview(data)))  # type: ignore[arg-type]

    slow = Slow()
    with open_outputs(slow) as outputs:  # type: ignore[arg-type]
        _write(outputs, b"0123456789")
    assert slow.taken == b"0123456789"


def test_a_stream_whose_bytes_are_needed_again_is_refused(tmp_path: Path) -> None:
    def unordered() -> None:
        with open_outputs(tmp_path / "meta", io.BytesIO()) as outputs:
            outputs.files[1].write(b"root")
            outputs.files[0].write(b"meta")

    with pytest.raises(BuildError, match="stream-not-readable"):
        unordered()
    assert _names(tmp_path) == []


def test_two_names_of_one_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("image")
    with (
        pytest.raises(BuildError, match="same-output"),
        open_outputs(tmp_path / "image", tmp_path / "link"),
    ):
        pass


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    with open_outputs("/dev/null") as outputs:
        _write(outputs, b"some bytes")
    assert not Path("/dev/null").is_file()
    assert _sha(b"some bytes") == outputs.fingerprint.hex


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with open_outputs(tmp_path / "link") as outputs:
        _write(outputs, b"new bytes")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new bytes"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_mode_follows_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with open_outputs(tmp_path / "image") as outputs:
            _write(outputs, b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "image").stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_directory_as_target_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught, open_outputs(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_outputs(tmp_path / "no" / "image"):
        pass


def test_relative_names_belong_to_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_outputs("image") as outputs:
        _write(outputs, b"x")
    assert _names(tmp_path) == ["image"]


@pytest.mark.parametrize("name", ["x" * 255, "a\udcff[*]\n", ".hidden", "\u00e4" * 120])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    for content in (b"one", b"two"):
        with open_outputs(tmp_path / name) as outputs:
            _write(outputs, content)
        assert (tmp_path / name).read_bytes() == content
    assert _names(tmp_path) == [name]


def test_the_file_appears_between_check_and_publishing(tmp_path: Path) -> None:
    """Somebody else creates the target meanwhile: it is replaced all the same."""
    with open_outputs(tmp_path / "image") as outputs:
        _write(outputs, b"ours")
        outputs.files[0].stage()
        (tmp_path / "image").write_bytes(b"theirs")
    assert (tmp_path / "image").read_bytes() == b"ours"
    assert _names(tmp_path) == ["image"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_file_system_that_names_no_nameless_file_gets_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    if old is not None:
        (tmp_path / "image").write_bytes(old)
    with open_outputs(tmp_path / "image") as outputs:
        _write(outputs, b"new bytes" * 100_000)
    assert (tmp_path / "image").read_bytes() == b"new bytes" * 100_000
    assert _names(tmp_path) == ["image"]


def test_a_full_disk_leaves_nothing_and_names_the_file(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "image"

    def fill() -> None:
        with open_outputs(target) as outputs:
            outputs.files[0]._sink.stream.close()
            outputs.files[0]._sink.stream = Full()  # type: ignore[misc]
            _write(outputs, b"some bytes")

    with pytest.raises(OSError, match="No space left") as caught:
        fill()
    assert caught.value.filename == str(target)
    assert str(caught.value).endswith(f": {str(target)!r}")
    assert _names(tmp_path) == []


@pytest.mark.parametrize("late", [False, True], ids=["the next write", "the end"])
def test_what_the_thread_cannot_write_is_an_error_of_the_writer(tmp_path: Path, *, late: bool) -> None:
    """Large files are written in a thread of their own."""
    target = tmp_path / "image"
    target.write_bytes(b"old")

    def fill() -> None:
        with open_outputs(target) as outputs:
            (file,) = outputs.files
            stream, write = io.BytesIO(), io.BytesIO.write

            def fill_up(data: Any) -> int:
                if stream.tell() >= 2 << 20:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(stream, data)

            stream.write = fill_up  # type: ignore[method-assign]
            outputs.files[0]._sink.stream.close()
            outputs.files[0]._sink.stream = stream  # type: ignore[misc]
            file.write(bytes(2 << 20))
            for _ in range(1 if late else 100):
                file.write(b"some bytes")

    with pytest.raises(OSError, match="No space left") as caught:
        fill()
    assert caught.value.filename == str(target)
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["image"]


@pytest.mark.parametrize("fails", [False, True])
def test_the_disk_begins_while_a_large_file_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """So that there is less to wait for at the end; a file system that cannot do it does no harm."""
    asked: list[tuple[int, int]] = []

    def advise(_: int, start: int, size: int, __: int) -> None:
        asked.append((start, size))
        if fails:
            raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "posix_fadvise", advise)
    with open_outputs(tmp_path / "image") as outputs:
        for _ in range(40):
            outputs.files[0].write(bytes(1 << 20))
    assert asked == [(0, 16 << 20), (16 << 20, 16 << 20)]
    assert (tmp_path / "image").stat().st_size == 40 << 20


def test_only_unlocked_leftovers_of_the_same_target_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".image.0123456789abcdef.part"
    kept = [tmp_path / ".image.part", tmp_path / ".other.0123456789abcdef.part", tmp_path / "image.part"]
    for path in (stale, *kept):
        path.write_bytes(b"x")
    with open_outputs(tmp_path / "image") as outputs:
        _write(outputs, b"y")
    assert sorted([*(path.name for path in kept), "image"]) == _names(tmp_path)


def test_a_writer_at_work_is_not_disturbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sinks, "_TMPFILE", 0)
    with open_outputs(tmp_path / "image") as outputs:
        _write(outputs, b"first")
        with open_outputs(tmp_path / "image") as second:
            _write(second, b"second")
        assert (tmp_path / "image").read_bytes() == b"second"
    assert (tmp_path / "image").read_bytes() == b"first"
    assert _names(tmp_path) == ["image"]


_WRITER = """
import sys
from lxdimage.formats import _sinks
from lxdimage.formats._write import open_outputs
if sys.argv[2] == "named":
    _sinks._TMPFILE = 0
print("ready", flush=True)
for number in range(1_000_000):
    with open_outputs(sys.argv[1]) as outputs:
        for _ in range(64):
            outputs.files[0].write(b"%d" % (number % 10) * 4096)
"""


def test_kill_at_any_moment_leaves_a_whole_file_or_none(tmp_path: Path, way: str) -> None:
    target = tmp_path / "image"
    for round_ in range(5):
        program = [sys.executable, "-c", _WRITER, str(target), way]
        with subprocess.Popen(program, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.021 * round_)
            process.send_signal(signal.SIGKILL)
        if target.exists():
            content = target.read_bytes()
            assert len(content) == 64 * 4096
            assert content == content[:1] * len(content)
    with open_outputs(target) as outputs:
        _write(outputs, b"last")
    assert _names(tmp_path) == ["image"]
