"""
What a scan costs beside what it cannot avoid, in one process: decompression alone and SHA-256 alone.

Prints one JSON object: for each file the median of scan / max(decode, hash), and for the plain archive the
microseconds of a member and the ratio to tarfile's stream mode.
"""

from __future__ import annotations

import gc
import hashlib
import json
import statistics
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lxdimage
from lxdimage.archive import Batch, TarReader
from lxdimage.compression import HEAD_SIZE, decode, detect


def chunks(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces of 1 MiB."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


def digest(path: Path) -> None:
    """Hash a file."""
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def decompress(path: Path) -> None:
    """Decode a file and drop its content."""
    with path.open("rb") as file:
        compression = detect(file.read(HEAD_SIZE))
    assert compression is not None
    for _ in decode(compression, chunks(path)):
        pass


def seconds(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def overhead(path: Path, rounds: int) -> float:
    """Return scan / slower of decode and hash, the median of paired rounds."""
    ratios = []
    lxdimage.scan_image(path)  # loads what the first scan loads
    for _ in range(rounds):
        floor = max(seconds(lambda: decompress(path)), seconds(lambda: digest(path)))
        ratios.append(seconds(lambda: lxdimage.scan_image(path)) / floor)
    return statistics.median(ratios)


def member_cost(path: Path, rounds: int) -> tuple[float, float]:
    """Return microseconds a member of our tar scan, and tarfile's time in units of ours."""
    content = list(chunks(path))

    def by_ours() -> int:
        """Read as a scan does."""
        found = TarReader(iter(content)).batches()
        return sum(len(members) if isinstance(members, Batch) else 1 for members in found)

    count = by_ours()

    def by_tarfile() -> None:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for _ in archive:
                archive.members.clear()  # type: ignore[attr-defined]

    ours = statistics.median(seconds(by_ours) for _ in range(rounds))
    theirs = statistics.median(seconds(by_tarfile) for _ in range(max(1, rounds // 3)))
    return ours / count * 1e6, theirs / ours


def main(rounds: int, plain: Path, *files: Path) -> None:
    """Print the figures."""
    micros, times = member_cost(plain, rounds)
    figures = {path.name: overhead(path, rounds) for path in files}
    print(json.dumps({"overhead": figures, "microseconds": micros, "tarfile": times}))


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:]))
