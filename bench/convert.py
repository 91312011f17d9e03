"""
Prints how fast images are converted, edited and extracted beside what people would use instead.

Whole processes in paired rounds, as in `run.py`; see README.md beside this file.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data import Data
from run import HERE, medians, row, warm

LXDIMAGE = [sys.executable, "-m", "lxdimage"]
PEERS = HERE / "peers"


class Case(NamedTuple):
    """What is converted, the options of both sides, and what each peer's ratio should be at least."""

    title: str
    image: tuple[str, str]
    codec: str
    wanted: Mapping[str, float]


CONVERSIONS = (
    Case("unified → split, small zst", ("small", "zst"), "zstd", {"bsdtar": 1.35, "tar x+c": 2}),
    Case("unified → split, many zst", ("many", "zst"), "zstd", {"bsdtar": 1.35, "tar x+c": 2}),
    Case("unified → split, small plain", ("small", ""), "none", {"bsdtar": 1, "tar x+c": 2}),
)
EDITS = (("big", "zst"), ("big", ""))
MOST_MEMORY = 64


def conversions(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of conversions from one file to two."""
    for case in CONVERSIONS:
        file = warm(str(data.image(*case.image)))
        commands = _resplit(file, data.directory / "out", case.codec)
        times = medians(commands, options.rounds)
        for peer, wanted in case.wanted.items():
            if peer in times:
                ratio = times[peer] / times["ours"]
                yield row(case.title, f"{times['ours']:.2f} s", peer, f"{times[peer]:.2f} s", ratio, wanted)


def _resplit(file: str, out: Path, codec: str) -> dict[str, Sequence[str]]:
    """Return what makes two files of one; every side writes both and computes the fingerprint."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    verb = ["convert", file, "-q", "--layout", "split", "--compression", codec]
    ours = [*LXDIMAGE, *verb, "-o", str(out / "meta"), "--output-rootfs", str(out / "root")]
    commands: dict[str, Sequence[str]] = {"ours": ours}
    if shutil.which("bsdtar"):
        commands["bsdtar"] = [str(PEERS / "resplit-bsdtar.sh"), file, str(out), codec]
    commands["tar x+c"] = [str(PEERS / "resplit-tar.sh"), file, str(out), codec]
    return commands


def edits(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of edits: another property in an image whose metadata is apart from the root."""
    for stem, packing in EDITS[:1] if options.skip_big else EDITS:
        name = "small" if options.skip_big else stem
        apart = _apart(data, name, packing)
        out = data.directory / "edited"
        edit = [*LXDIMAGE, "edit", apart, "-q", "-p", "edited=yes", "-o", str(out)]
        # Ours replaces a file and cp overwrites it; both write a new one.
        ours = ["sh", "-c", 'rm -f "$0"; exec "$@"', str(out), *edit]
        copy = ["sh", "-c", 'rm -f "$1"; cp "$0" "$1" && sync "$1"', apart, str(out)]
        times = medians({"ours": ours, "cp": copy}, options.rounds)
        title = f"edit {name} {packing or 'plain'}"
        ratio = times["cp"] / times["ours"]
        yield row(title, f"{times['ours']:.2f} s", "cp, sync", f"{times['cp']:.2f} s", ratio, 1)


def _apart(data: Data, name: str, packing: str) -> str:
    """Return an image as we write it."""
    path = data.directory / f"{name}-apart.tar.{packing or 'plain'}"
    if not path.exists():
        source = str(data.image(name, packing))
        subprocess.run(
            [*LXDIMAGE, "convert", source, "-q", "-o", str(path)], stdout=subprocess.DEVNULL, check=True
        )
    return warm(str(path))


def extractions(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of extractions, into a directory that is new each time."""
    out = str(data.directory / "extracted")
    for name in ("small", "many"):
        file = warm(str(data.image(name, "zst")))
        clean = f'rm -rf "{out}"; mkdir "{out}"; exec "$@"'
        ours = ["sh", "-c", clean, "sh", *LXDIMAGE, "extract", "-q", file, "-o", out]
        tar = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", file, "-C", out]
        times = medians({"ours": ours, "tar": ["sh", "-c", clean, "sh", *tar]}, options.rounds)
        ratio = times["tar"] / times["ours"]
        yield row(f"extract {name} zst", f"{times['ours']:.2f} s", "tar", f"{times['tar']:.2f} s", ratio, 0.4)
    shutil.rmtree(out, ignore_errors=True)


def memory(data: Data, _options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of peak memory."""
    code = "import resource, sys; from lxdimage.cli import main; main(sys.argv[1:]); "
    code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    out = data.directory / "out"
    for name, codec in (("small", "zstd"), ("many", "zstd"), ("small", "gzip")):
        file = str(data.image(name, "zst"))
        verb = ["convert", file, "-q", "--layout", "split", "--compression", codec, "-o", str(out / "meta")]
        done = subprocess.run([sys.executable, "-c", code, *verb], stdout=subprocess.PIPE, check=True)
        peak = int(done.stdout.split()[-1]) / 1024
        title = f"peak memory, convert {name} zst to {codec}"
        yield row(title, f"{peak:.1f} MiB", "", "", peak, MOST_MEMORY, least=False)


def main() -> int:
    """Make the data, run everything and print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where the data is made and kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-big", action="store_true", help="leave out what needs 1.4 GB images")
    options = parser.parse_args()
    data = Data(options.data)
    print("| case | ours | peer | its | ratio | wanted | |\n|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    for group in (conversions, edits, extractions, memory):
        for line in group(data, options):
            print(line, flush=True)
            missed += line.endswith("missed |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
