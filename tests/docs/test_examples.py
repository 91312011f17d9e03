"""
The examples of the README and of the documentation do what they show.

A ``console`` block is a session: lines that begin with ``$`` are run, what follows must be printed, ``...`` standing
for anything.  A ``python`` block is run.  Of an ``sh`` block the options have to exist.  All blocks of a page share one directory, in which the repository's
``examples`` lie.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lxdimage.cli import VERBS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return language and text of the blocks that are run."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def steps(block: str) -> list[tuple[str, str]]:
    """Return the commands of a session with what each prints."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0][:-1] + line.strip(), [])
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in found]


def matches(expected: str, printed: str) -> bool:
    """Tell whether *printed* is what was expected, '...' standing for anything."""
    pattern = ".*".join(re.escape(part) for part in re.split(r"\.\.\.", expected.strip()))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """Return a directory with the examples and a program called lxdimage."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    program = tmp_path / "bin" / "lxdimage"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lxdimage "$@"\n')
    program.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_examples_of_a_page_print_what_it_shows(page: Path, workplace: Path) -> None:
    environment = os.environ | {
        "PATH": f"{workplace / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NO_COLOR": "1",
        "SOURCE_DATE_EPOCH": "1600000000",
        "LC_ALL": "C.UTF-8",
    }
    for language, text in blocks(page):
        commands = [(f"{sys.executable} - <<'END'\n{text}\nEND", "")] if language == "python" else steps(text)
        for command, expected in commands:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=workplace,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=60,
            )
            if language == "python":
                assert done.returncode == 0, done.stdout
            else:
                assert matches(expected, done.stdout), f"$ {command}\n{done.stdout}"


_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown_commands() -> list[list[str]]:
    """Return the words behind ``lxdimage`` of the commands that pages show without running them."""
    found = []
    for page in PAGES:
        for block in _SHELL.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                if words[:1] == ["lxdimage"]:
                    ends = [at for at, word in enumerate(words) if word in {"|", ">", "<", "&&"}]
                    found.append(words[1 : min(ends, default=len(words))])
    return found


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_a_command_that_is_shown_has_options_that_exist(words: list[str]) -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    import_module(f"lxdimage.cli.{VERBS[words[0]][0]}").configure(parser)
    parser.parse_args(words[1:])
