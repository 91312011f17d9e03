"""
Make the streams of this folder by other programs: run it here where all of them are installed.

Every stream is packed from the content that `content` gives; index.json says which one and by which command.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HERE = Path(__file__).parent

# Name, lines of content, command.
CASES = (
    ("gzip-named.gz", 300, "gzip -N -9"),
    ("pigz-parallel.gz", 16_000, "pigz -p 2 -1"),
    ("pigz-independent.gz", 16_000, "pigz -p 2 -i -b 128"),
    ("bzip2-small-blocks.bz2", 16_000, "bzip2 -1"),
    ("lbzip2-one-stream.bz2", 16_000, "lbzip2 -n 2 -1"),
    ("pbzip2-streams.bz2", 16_000, "pbzip2 -p2 -1 -b1 -c"),
    ("xz-threads.xz", 16_000, "xz -T2 -0 --block-size=65536"),
    ("xz-unsized-blocks.xz", 16_000, "xz -T1 -0 --block-size=65536"),
    ("xz-sha256.xz", 300, "xz --check=sha256"),
    ("xz-x86-delta.xz", 300, "xz --x86 --delta=dist=2 --lzma2=preset=0"),
    ("xz-small-dictionary.xz", 300, "xz --lzma2=preset=0,mode=fast,nice=2,depth=1,dict=4KiB"),
    ("lzma-level-1.lzma", 300, "lzma -1"),
    ("zstd-threads.zst", 16_000, "zstd -T2 -1 -B1MB"),
    ("zstd-no-check.zst", 300, "zstd --no-check"),
    ("zstd-empty.zst", 0, "zstd -19"),
    ("lz4-independent.lz4", 9_000, "lz4 -B4 -BI"),
    ("lz4-linked.lz4", 9_000, "lz4 -B4 -BD"),
    ("lz4-block-checksums.lz4", 9_000, "lz4 -B4 -BX --content-size"),
    ("lz4-no-checksum.lz4", 300, "lz4 --no-frame-crc"),
    ("lz4-high.lz4", 9_000, "lz4 -12 -B5 -BD"),
    ("lz4-empty.lz4", 0, "lz4"),
)


def content(lines: int) -> bytes:
    """Return text that compresses, with no line twice."""
    return b"".join(b"%d %x\n" % (number * number, number) for number in range(lines))


def main() -> None:
    index = {}
    for name, lines, command in CASES:
        done = subprocess.run([*command.split(), "-c"], input=content(lines), capture_output=True, check=True)
        (HERE / name).write_bytes(done.stdout)
        index[name] = {"lines": lines, "command": command}
    (HERE / "index.json").write_text(json.dumps(index, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
