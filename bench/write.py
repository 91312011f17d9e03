"""
Prints how fast lxdimage writes images, beside what people would use instead.

Whole processes in paired rounds, as `run.py` measures reading.  What is written goes to memory where there is a
file system in memory, because ours waits for the disk before it ends and the peers do not.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from data import Data
from run import HERE, medians, row

TAR = "tar --xattrs --xattrs-include='*' --sort=name --numeric-owner -C {parent} -cf - {name}"
METADATA = ["--architecture", "x86_64", "--creation-date", "1600000000"]


class Case(NamedTuple):
    """One row of the table: a tree, our options, a peer's shell command and the ratio that is wanted."""

    title: str
    tree: str
    options: str
    peer: str
    command: str
    wanted: float


CASES = (
    Case("120,000 files to tar", "many", "none", "tar --xattrs", f"{TAR} | cat > {{out}}", 0.8),
    Case("120,000 files to tar", "many", "none", "tarfile", "{python} {here}/peers/pack.py {tree} {out}", 8),
    Case(
        "root to zstd and fingerprint",
        "small",
        "zstd",
        "tar | zstd -T2; sha256sum",
        f"{TAR} | zstd -q -3 -T2 > {{out}}; sha256sum {{out}}",
        1.35,
    ),
    Case(
        "root to gzip and fingerprint",
        "small",
        "gzip",
        "tar | gzip; sha256sum",
        f"{TAR} | gzip -6 -n > {{out}}; sha256sum {{out}}",
        2,
    ),
    Case(
        "root to gzip and fingerprint",
        "small",
        "gzip",
        "tar | pigz; sha256sum",
        f"{TAR} | pigz -6 -n > {{out}}; sha256sum {{out}}",
        1,
    ),
    Case(
        "root to xz and fingerprint",
        "small",
        "xz",
        "tar | xz -T2; sha256sum",
        f"{TAR} | xz -6 -T2 > {{out}}; sha256sum {{out}}",
        0.95,
    ),
    Case(
        "root to SquashFS, zstd",
        "small",
        "zstd --split --rootfs-format squashfs",
        "mksquashfs; sha256sum",
        "mksquashfs {tree} {out} -comp zstd -noappend -quiet -no-progress; sha256sum {out}",
        0.8,
    ),
)
MEMORY = {
    ("many", "none"): 64,
    ("small", "none"): 64,
    ("small", "gzip"): 64,
    ("small", "zstd"): 64,
    ("small", "bzip2"): 64,
    ("small", "xz --threads 1"): 160,
}


class Trees:
    """The directories that are packed."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def path(self, name: str) -> Path:
        """Return a tree, made when it is not there."""
        if name == "small":
            return self._data.root("small")
        tree = self._data.directory / "tree" / "rootfs"
        if not tree.exists():
            partial = self._data.directory / "tree.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            subprocess.run(["tar", "-xf", str(self._data.image("many")), "-C", str(partial)], check=True)
            partial.rename(tree.parent)
        return tree


def ours(tree: Path, output: Path, options: str) -> list[str]:
    """Return our command."""
    command = [sys.executable, "-m", "lxdimage", "build", str(tree), "-o", str(output), *METADATA]
    return [*command, "--compression", *options.split()]


def theirs(case: Case, tree: Path, output: Path) -> list[str]:
    """Return a peer's command."""
    names = {"parent": tree.parent, "name": tree.name, "tree": tree, "out": output}
    return ["bash", "-euo", "pipefail", "-c", case.command.format(python=sys.executable, here=HERE, **names)]


def is_there(command: str) -> bool:
    """Tell whether the programs of a shell command are installed."""
    words = ("tar", "gzip", "pigz", "zstd", "xz", "mksquashfs")
    return all(shutil.which(word) for word in words if f"{word} " in command)


def times(trees: Trees, directory: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of times."""
    for case in CASES:
        if not is_there(case.command) or (options.only and options.only not in case.title):
            continue
        tree = trees.path(case.tree)
        subprocess.run(ours(tree, directory / "ours", "none"), stdout=subprocess.DEVNULL, check=True)  # warm
        commands = {
            "ours": ours(tree, directory / "ours", case.options),
            "peer": theirs(case, tree, directory / "theirs"),
        }
        taken = medians(commands, options.rounds)
        ratio = taken["peer"] / taken["ours"]
        yield row(
            case.title, f"{taken['ours']:.2f} s", case.peer, f"{taken['peer']:.2f} s", ratio, case.wanted
        )


def memory(trees: Trees, directory: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of peak memory."""
    for (name, form), most in MEMORY.items():
        title = f"peak memory, {name} to {form}"
        if options.only and options.only not in title:
            continue
        peak = _peak(ours(trees.path(name), directory / "ours", form))
        yield row(title, f"{peak:.1f} MiB", "", "", peak, most, least=False)


_MEASURED = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=2)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _peak(command: Sequence[str]) -> float:
    """Return the peak resident size of a process, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return int(done.stdout) / 1024


def main() -> int:
    """Make the data, run everything and print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where the data is made and kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", metavar="WORD", help="only the rows with this in their titles")
    options = parser.parse_args()
    shared = Path("/dev/shm")
    print("| case | ours | peer | its | ratio | wanted | |\n|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        trees = Trees(Data(options.data))
        for group in (times, memory):
            for line in group(trees, Path(directory), options):
                print(line, flush=True)
                missed += line.endswith("missed |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
