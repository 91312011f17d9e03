"""
Prints how fast SquashFS is read and written beside the programs that people use.

Whole processes in paired rounds as in run.py; for listings the time of listing an empty image is taken off, since
that is the start of the interpreter.  Peers: squashfs-tools, squashfs-tools-ng, and PySquashfsImage where it is
installed below --peers (``pip install --target DIR PySquashfsImage``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from data import Data
from run import medians, row, warm

HERE = Path(__file__).resolve().parent
SELF = [sys.executable, str(HERE / "squashfs.py")]
USUAL, FAST = 15, 3
"""The level of zstd that mksquashfs takes by itself, and one at which compression is a small part of the time."""
BLOCK = 1 << 17


def list_members(file: BinaryIO) -> None:
    """Print what ``unsquashfs -ll`` prints of every member."""
    from lxdimage.archive import EntryType
    from lxdimage.formats._squashfs import read_squashfs

    letters = {kind: kind.value for kind in EntryType}
    entries = (member.entry for member in read_squashfs(file))
    sys.stdout.writelines(
        f"{letters[entry.type]} {entry.mode:o} {entry.uid}/{entry.gid} {entry.size} {entry.mtime_ns} "
        f"{entry.path} {entry.target}\n"
        for entry in entries
    )


def list_names(file: BinaryIO) -> None:
    """Print name, type and size of every member."""
    from lxdimage.archive import EntryType
    from lxdimage.formats._squashfs import read_squashfs

    letters = {kind: kind.value for kind in EntryType}
    members = read_squashfs(file)
    sys.stdout.writelines(
        f"{letters[member.type]} {member.size} {member.name.decode(errors='replace')}\n" for member in members
    )


def names_peer(file: BinaryIO) -> None:
    """Do the same with PySquashfsImage."""
    from PySquashfsImage import SquashFsImage  # type: ignore[import-not-found,unused-ignore]

    with SquashFsImage(file) as image:
        sys.stdout.writelines(f"{entry.is_dir} {entry.size} {entry.path}\n" for entry in image)


def list_peer(file: BinaryIO) -> None:
    """Do the same as `list_members` with PySquashfsImage."""
    from PySquashfsImage import SquashFsImage  # type: ignore[import-not-found,unused-ignore]

    with SquashFsImage(file) as image:
        sys.stdout.writelines(
            f"{entry.filemode} {entry.uid}/{entry.gid} {entry.size} {entry.time} {entry.path}\n"
            for entry in image
        )


def read_content(file: BinaryIO) -> None:
    """Write the content of all files to standard output, in the order of the data."""
    from lxdimage.formats._squashfs import Order, read_squashfs

    for member in read_squashfs(file, order=Order.DATA):
        for chunk in member.chunks():
            sys.stdout.buffer.write(chunk)


def write(file: BinaryIO, output: str, block_size: str, level: str) -> None:
    """Convert a tar."""
    from lxdimage.archive import read_archive
    from lxdimage.formats._squashfs import write_squashfs

    members = (
        (member.entry, member.chunks()) for member in read_archive(iter(lambda: file.read(1 << 18), b""))
    )
    with Path(output).open("w+b") as out:
        write_squashfs(members, out, level=int(level), block_size=int(block_size))


CHILDREN: Mapping[str, Callable[..., None]] = {
    "list": list_members,
    "list-peer": list_peer,
    "names": list_names,
    "names-peer": names_peer,
    "read": read_content,
    "write": write,
}


def image(data: Data, name: str, block_size: int = BLOCK) -> str:
    """Return a SquashFS of what an archive holds, made by mksquashfs when it is not there."""
    path = data.directory / f"{name}.{block_size}.squashfs"
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        if name == "many":
            with data.image(name).open("rb") as tar:
                subprocess.run(
                    mksquashfs(["-", "-tar"], str(partial), block_size, FAST), stdin=tar, check=True
                )
        else:
            subprocess.run(
                mksquashfs([str(data.root(name).parent)], str(partial), block_size, FAST), check=True
            )
        # From a tar of this size mksquashfs 4.5 may write fragments that nothing can decompress.
        subprocess.run(["sqfs2tar", str(partial)], stdout=subprocess.DEVNULL, check=True)
        partial.rename(path)
    return warm(str(path))


def mksquashfs(source: list[str], output: str, block_size: int, level: int) -> list[str]:
    """Return the command that writes a SquashFS with our settings."""
    settings = ["-comp", "zstd", "-Xcompression-level", str(level), "-b", str(block_size)]
    return ["mksquashfs", source[0], output, *source[1:], *settings, "-noappend", "-quiet", "-no-progress"]


def shell(*commands: list[str]) -> list[str]:
    """Return a pipeline as one command, which fails when one of its programs does."""
    return ["bash", "-o", "pipefail", "-c", " | ".join(" ".join(command) for command in commands)]


def listings(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of listings, the interpreter's start taken off."""
    large, empty = image(data, "big"), str(data.directory / "empty.zstd.squashfs")
    if not Path(empty).exists():
        source = data.directory / "empty"
        source.mkdir(exist_ok=True)
        subprocess.run(mksquashfs([str(source)], empty, BLOCK, FAST), check=True)
    if options.peers:
        os.environ["PYTHONPATH"] = str(options.peers)
    verb = [sys.executable, "-m", "lxdimage", "ls", "-l"]
    rows = [
        ("ls -l", verb, "unsquashfs -ll", ["unsquashfs", "-ll"], 1.0),
        ("list", [*SELF, "--child", "list"], "unsquashfs -ll", ["unsquashfs", "-ll"], 1.0),
    ]
    if options.peers:
        rows += [
            (title, [*SELF, "--child", title], "PySquashfsImage", [*SELF, "--child", f"{title}-peer"], 5.0)
            for title in ("list", "names")
        ]
        rows.append(
            ("ls -l", verb, "pysquashfs list", [sys.executable, "-m", "PySquashfsImage", "list"], 5.0)
        )
    for title, ours, peer, theirs, wanted in rows:
        commands = {"ours": ours, "peer": theirs}
        full = medians({name: [*command, large] for name, command in commands.items()}, options.rounds)
        start = medians({name: [*command, empty] for name, command in commands.items()}, options.rounds)
        times = {name: full[name] - start[name] for name in commands}
        ratio = times["peer"] / times["ours"]
        yield row(f"{title} of big", f"{times['ours']:.2f} s", peer, f"{times['peer']:.2f} s", ratio, wanted)


def contents(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of reading everything."""
    for name, block_size in (("big", BLOCK), ("big", 1 << 20), ("many", BLOCK)):
        file = image(data, name, block_size)
        ours = shell([*SELF, "--child", "read", file], ["cat", ">/dev/null"])
        peer = shell(["sqfs2tar", file], ["cat", ">/dev/null"])
        times = medians({"ours": ours, "peer": peer}, options.rounds)
        title = f"read {name}, blocks of {block_size >> 10} KiB"
        figures = f"{times['ours']:.2f} s", "sqfs2tar \\| cat", f"{times['peer']:.2f} s"
        yield row(title, *figures, times["peer"] / times["ours"], 0.8)


def writings(data: Data, options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of writing, and of the size of what is written."""
    for name, block_size, level in (
        ("small", BLOCK, USUAL),
        ("small", 1 << 20, USUAL),
        ("many", BLOCK, USUAL),
        ("small", BLOCK, FAST),
        ("many", BLOCK, FAST),
    ):
        tar, ours, theirs = (str(data.directory / name) for name in (f"{name}.tar", "ours", "theirs"))
        warm(str(data.image(name)))
        commands = {
            "ours": [*SELF, "--child", "write", tar, ours, str(block_size), str(level)],
            "peer": shell([*mksquashfs(["-", "-tar"], theirs, block_size, level), f"<{tar}"]),
        }
        times = medians(commands, options.rounds)
        title = f"write {name}, zstd -{level}, blocks of {block_size >> 10} KiB"
        figures = f"{times['ours']:.2f} s", "mksquashfs -tar", f"{times['peer']:.2f} s"
        yield row(title, *figures, times["peer"] / times["ours"], 0.7)
        sizes = [Path(path).stat().st_size for path in (ours, theirs)]
        figures = f"{sizes[0] / 1e6:.1f} MB", "mksquashfs -tar", f"{sizes[1] / 1e6:.1f} MB"
        yield row(title + ", size", *figures, sizes[0] / sizes[1], 1.02, least=False)


def memory(data: Data, _options: argparse.Namespace) -> Iterator[str]:
    """Yield the rows of peak memory at the largest block size."""
    file, out = image(data, "big", 1 << 20), str(data.directory / "ours")
    commands = {
        "read": [*SELF, "--child", "read", file],
        "write": [*SELF, "--child", "write", str(data.image("big")), out, str(1 << 20), str(FAST)],
    }
    for title, command in commands.items():
        peak = _peak(command)
        yield row(f"peak memory, {title} big", f"{peak:.1f} MiB", "", "", peak, 128, least=False)


def _peak(command: list[str]) -> float:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command}: status {process.returncode}")
    return usage.ru_maxrss / 1024


GROUPS: Mapping[str, Callable[[Data, argparse.Namespace], Iterator[str]]] = {
    "list": listings,
    "read": contents,
    "write": writings,
    "memory": memory,
}


def main() -> int:
    """Make the data, run everything and print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="where the data is made and kept")
    parser.add_argument("--peers", type=Path, help="where PySquashfsImage is installed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(GROUPS), choices=GROUPS)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        verb, path, *more = options.child
        with Path(path).open("rb") as file:
            CHILDREN[verb](file, *more)
        return 0
    for program in ("mksquashfs", "unsquashfs", "sqfs2tar"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed")
    data = Data(options.data)
    print("| case | ours | peer | its | ratio | wanted | |\n|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    for group in options.only:
        for line in GROUPS[group](data, options):
            print(line, flush=True)
            missed += line.endswith("missed |")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
