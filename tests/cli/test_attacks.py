"""Rules of the command line where its surroundings fail: closed and full streams, narrow encodings, odd arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from making import container


def run(*arguments: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a shell that redirects its streams."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {shell}', "sh", sys.executable, "-m", "lxdimage", *arguments],
        capture_output=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "image.tar"
    text = "architecture: x86_64\ncreation_date: 1\nproperties: {name: \u00e9\u6f22}\n"
    path.write_bytes(container(text.encode()))
    return str(path)


@pytest.mark.parametrize("arguments", [["info"], ["show"], ["fingerprint"], ["ls"], ["cat"]])
def test_closed_standard_output_is_an_error_and_no_traceback(image: str, arguments: list[str]) -> None:
    done = run(*arguments, image, shell=">&-")

    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["info", "FILE"], ["ls", "FILE"]])
@pytest.mark.parametrize("stream", ["1", "2"])
def test_full_device_ends_in_a_status_of_ours(image: str, arguments: list[str], stream: str) -> None:
    done = run(*(image if word == "FILE" else word for word in arguments), shell=f"{stream}>/dev/full")

    assert done.returncode == (2 if stream == "1" else 0)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("verb", ["convert", "extract"])
def test_words_that_cannot_be_written_do_not_undo_what_was_done(image: str, verb: str) -> None:
    done = run(verb, image, "-o", image + ".new", shell="2>/dev/full")

    assert (done.returncode, Path(image + ".new").exists()) == (0, True)


def test_a_name_that_is_empty_is_named(image: str) -> None:
    done = run("convert", image, "-o", "")

    assert (done.returncode, b"''" in done.stderr) == (2, True)


def test_words_for_a_closed_standard_error_do_not_go_to_standard_output() -> None:
    done = run("info", "/nonexistent", shell="2>&-")

    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize("verb", ["info", "show", "ls", "validate"])
def test_what_the_encoding_of_the_terminal_lacks_is_escaped(image: str, verb: str) -> None:
    done = run(verb, image, PYTHONIOENCODING="ascii")

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)


def test_control_characters_of_wrong_options_are_escaped(image: str) -> None:
    done = run("info", image, "--x\x1b[31m")

    assert done.returncode == 2
    assert b"\x1b" not in done.stderr


def test_an_editor_that_is_no_command_is_an_error(image: str) -> None:
    done = run("edit", image, "-o", image + ".new", VISUAL="'", EDITOR="'")

    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize("option", ["--fingerprint", "--json"])
def test_what_is_read_only_once_gets_no_fingerprint_of_what_is_left(image: str, option: str) -> None:
    piped = subprocess.run(
        ["sh", "-c", 'cat "$1" | "$2" -m lxdimage info /dev/stdin "$3"', "sh", image, sys.executable, option],
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert b"e3b0c44298fc" not in piped.stdout
    assert piped.returncode == (2 if option == "--fingerprint" else 0)
