"""
Prints how fast lxdimage is beside what people would use instead.

Whole processes in paired rounds: each round runs ours and every peer once, one after the other, and the ratio is
that of the medians of the wall times, peer / ours.  See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data import Data

# Modules are compiled once, as they are where a package is installed, and output is buffered, as it is by default.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("PYTHONUNBUFFERED", None)

HERE = Path(__file__).resolve().parent
OURS = [sys.executable, str(HERE / "scan.py")]
SHELL = [str(HERE / "peers/shell.sh")]
NAIVE = [sys.executable, str(HERE / "peers/naive.py")]


class Case(NamedTuple):
    """One row of the table: a file, our command, and what each peer's ratio should be at least."""

    title: str
    image: tuple[str, str]
    wanted: Mapping[str, float]
    options: Sequence[str] = ()


SCANS = (
    Case("big zst", ("big", "zst"), {"shell": 2.8, "naive": 4, "go": 2.4}),
    Case("big plain", ("big", ""), {"shell": 4.5, "naive": 4.5}),
    Case("small gz", ("small", "gz"), {"shell": 5.5, "naive": 3, "go": 2.8}),
    Case("small gz, standard zlib", ("small", "gz"), {"shell": 3.8, "naive": 2}, ("--stdlib",)),
    Case("small xz, one block", ("small", "xz"), {"shell": 2, "naive": 1.2}),
    Case("small xz, several blocks", ("small", "mt.xz"), {"shell": 4, "naive": 1.9}),
    Case("small bz2", ("small", "bz2"), {"shell": 4, "naive": 2.4}),
    Case("many plain", ("many", ""), {"shell": 1, "naive": 9, "go": 1}),
    Case("many zst", ("many", "zst"), {"shell": 1, "naive": 11, "go": 1}),
)
OVERHEADS = {
    "small.tar.gz": 1.05,
    "small.tar.xz": 1.05,
    "small.tar": 1.05,
    "small.tar.zst": 1.15,
    "many.tar.zst": 1.7,
}
MEMORY = {("small", "zst"): 40, ("many", "zst"): 40, ("big", "gz"): 40, ("small", "xz"): 40}


def seconds(command: Sequence[str]) -> float:
    """Return the wall time of a process; a peer that fails is a mistake of the benchmark."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    taken = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode(errors='replace')}"
        )
    return taken


def warm(path: str) -> str:
    """Read a file once, so that no round pays for the disk."""
    with Path(path).open("rb", buffering=0) as file:
        while file.read(1 << 22):
            pass
    return path


def medians(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """Run every command once a round and return the median times."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            times[name].append(seconds(command))
    return {name: statistics.median(taken) for name, taken in times.items()}


def build_go(directory: Path) -> list[str]:
    """Return the command of the Go peer, or nothing where there is no Go."""
    program = directory / "goscan"
    if shutil.which("go") is None:
        return []
    environment = {**os.environ, "GO111MODULE": "off", "CGO_ENABLED": "0"}
    source = HERE / "goscan/main.go"
    subprocess.run(["go", "build", "-o", str(program), str(source)], env=environment, check=True)
    return [str(program)]


def row(
    title: str, ours: str, peer: str, theirs: str, ratio: float, wanted: float, *, least: bool = True
) -> str:
    """Return one line of the table; what misses its aim is marked."""
    met = ratio >= wanted if least else ratio <= wanted
    sign = "≥" if least else "≤"
    return f"| {title} | {ours} | {peer} | {theirs} | {ratio:.2f} | {sign} {wanted:g} | {'' if met else 'missed'} |"


def scans(data: Data, go: list[str], options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of full scans."""
    programs = {"shell": SHELL, "naive": NAIVE, "go": go}
    for case in SCANS:
        if (options.skip_big and case.image[0] == "big") or options.only not in case.title:
            continue
        file = warm(str(data.image(*case.image)))
        peers = {name: [*programs[name], file] for name in case.wanted if programs[name]}
        times = medians({"ours": [*OURS, *case.options, file], **peers}, options.rounds)
        for name in peers:
            ratio = times[name] / times["ours"]
            yield row(
                case.title, f"{times['ours']:.2f} s", name, f"{times[name]:.2f} s", ratio, case.wanted[name]
            )


def heads(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of early stops: info on a large image."""
    info = [sys.executable, "-m", "lxdimage", "info"]
    small, large = warm(str(data.image("small", "zst"))), warm(str(data.image("big", "zst")))
    tar = ["tar", "-xOf", large, "metadata.yaml"]
    times = medians({"large": [*info, large], "small": [*info, small], "tar": tar}, options.rounds)
    ours = f"{times['large']:.2f} s"
    yield row("info big zst", ours, "tar -xOf", f"{times['tar']:.2f} s", times["tar"] / times["large"], 25)
    yield row(
        "info big zst",
        ours,
        "info small zst",
        f"{times['small']:.2f} s",
        times["small"] / times["large"],
        0.9,
    )


def memory(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of peak memory."""
    for image, most in MEMORY.items():
        if options.skip_big and image[0] == "big":
            continue
        done = subprocess.run(
            [*OURS, "--memory", str(data.image(*image))], stdout=subprocess.PIPE, check=True
        )
        peak = float(done.stdout.split()[-1])
        yield row(f"peak memory {' '.join(image)}", f"{peak:.1f} MiB", "", "", peak, most, least=False)


def inprocess(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows that are measured within one process."""
    files = [
        str(data.image(stem, packing.lstrip(".")))
        for stem, packing in (name.split(".tar") for name in OVERHEADS)
    ]
    command = [
        sys.executable,
        str(HERE / "inprocess.py"),
        str(options.rounds),
        str(data.image("many")),
        *files,
    ]
    figures = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    for name, ratio in figures["overhead"].items():
        yield row(
            f"scan of {name}, in process",
            "",
            "slower of decode, hash",
            "",
            ratio,
            OVERHEADS[name],
            least=False,
        )
    yield row("µs for a member, in process", "", "", "", figures["microseconds"], 2.5, least=False)
    yield row("tar scan, in process", "", "tarfile r|", "", figures["tarfile"], 18)


def main() -> int:
    """Make the data, run everything and print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where the data is made and kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--skip-big", action="store_true", help="leave out what needs 1.4 GB images")
    parser.add_argument("--only", metavar="WORD", default="", help="only scans with this in their titles")
    options = parser.parse_args()
    data = Data(options.data)
    go = build_go(options.data)
    print("| case | ours | peer | its | ratio | wanted | |\n|---|---|---|---|---|---|---|", flush=True)
    groups = [scans(data, go, options)]
    if not (options.skip_big or options.only):
        groups.append(heads(data, options))
    if not options.only:
        groups += [memory(data, options), inprocess(data, options)]
    missed = 0
    for group in groups:
        for line in group:
            print(line, flush=True)
            missed += line.endswith("missed |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
