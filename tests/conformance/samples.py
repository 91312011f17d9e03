"""
Images made afresh for the daemons to judge: good, odd, damaged, and random ones that repeat for a seed.

Archives are made by `tarfile` and by patching what it makes, so that no code of the library takes part.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import attrs

__all__ = ["CODECS", "FIXED", "Sample", "random_sample"]

METADATA = """\
architecture: x86_64
creation_date: 1600000000
properties:
  description: a sample
  os: none
"""


@attrs.frozen
class Sample:
    """
    An image that is made when it is asked for.

    Attributes:
        name: What is special about it.
        make: Returns the bytes of one file (unified) or two (metadata, root).
    """

    name: str
    make: Callable[[], tuple[bytes, ...]]


# ── archives ──


def header(
    name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, *patches: tuple[int, bytes], **more: str
) -> bytes:
    """Return one ustar header; *patches* overwrite bytes at offsets before the checksum is computed."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode, info.mtime = kind, size, 0o755, 1_600_000_000
    info.linkname = more.get("link", "")
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT)[-512:])
    for offset, content in patches:
        block[offset : offset + len(content)] = content
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(content: bytes) -> bytes:
    """Return *content* filled up to whole blocks."""
    return content + bytes(-len(content) % 512)


def file(name: str, content: bytes | str = b"", kind: bytes = tarfile.REGTYPE) -> bytes:
    """Return a member with content."""
    content = content.encode() if isinstance(content, str) else content
    return header(name, kind, len(content)) + padded(content)


def directory(name: str) -> bytes:
    """Return a directory member named exactly *name*."""
    return header(name, tarfile.DIRTYPE)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE, name: str = "extended") -> bytes:
    """Return an extended header that holds *records*."""
    return header(name, kind, len(records)) + padded(records)


def record(key: str, value: str) -> bytes:
    """Return one PAX record."""
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body)))
    return str(len(body) + len(str(length))).encode() + body


def archive(*members: bytes, end: bytes = bytes(1024)) -> bytes:
    """Return members as an archive."""
    return b"".join(members) + end


def metadata(text: str | bytes = METADATA, name: str = "metadata.yaml") -> bytes:
    """Return a metadata.yaml member."""
    return file(name, text)


def root(prefix: str = "rootfs/") -> bytes:
    """Return the members of a tiny root file system."""
    names = ("", "dev/", "etc/", "proc/", "sys/")
    members = [directory(prefix + name) for name in names if prefix + name]
    return b"".join(members) + file(prefix + "etc/os-release", "ID=x\n")


def by_tarfile(layout: int) -> bytes:
    """Return a unified image as Python's tarfile writes it in a format."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as tar:
        for name, content in (("metadata.yaml", METADATA.encode()), ("templates/a.tpl", b"{{ path }}\n")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name in ("rootfs", "rootfs/etc", "rootfs/" + "\u00e9" * 60 + "/" + "n" * 90):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
    return out.getvalue()


# ── compression and disks ──


def _program(*command: str) -> Callable[[bytes], bytes]:
    def run(content: bytes) -> bytes:
        return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout

    return run


def squashfs(content: bytes, codec: str = "zstd") -> bytes:
    """Return a tar archive as a SquashFS."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "root.squashfs")
        command = ["tar2sqfs", "-q", "-f", "-c", codec, str(path)]
        subprocess.run(command, input=content, stdout=subprocess.DEVNULL, check=True)
        return path.read_bytes()


def qcow2(version: int = 3, virtual_size: int = 1 << 20) -> bytes:
    """Return the header of an empty disk, with one zero cluster behind it."""
    fields = (b"QFI\xfb", version, 0, 0, 16, virtual_size, 0, 1, 0x30000, 0x10000, 1, 0, 0, 0, 0, 0, 4, 104)
    return struct.pack(">4sIQIIQIIQQIIQQQQII", *fields) + bytes(1 << 16)


CODECS: Mapping[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": lambda content: gzip.compress(content, 6, mtime=0),
    "bzip2": lambda content: bz2.compress(content, 1),
    "xz": lambda content: lzma.compress(content, preset=0),
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE, preset=0),
    "zstd": _program("zstd", "-q", "-3", "-c"),
    "lz4": _program("lz4", "-q", "-c"),
}


# ── the fixed table ──

UNIFIED = archive(metadata(), root())
METADATA_PART = archive(metadata())
ROOT_PART = archive(directory("./"), root(""))


def _good() -> Iterator[Sample]:
    for codec, encode in CODECS.items():
        yield Sample(f"unified-{codec}", partial(_encoded, encode, UNIFIED))
        yield Sample(f"split-{codec}", partial(_encoded, encode, METADATA_PART, ROOT_PART))
    for codec in ("gzip", "xz", "zstd"):
        yield Sample(f"split-squashfs-{codec}", partial(_squashfs_root, codec))
    yield Sample("tarfile-gnu", lambda: (by_tarfile(tarfile.GNU_FORMAT),))
    yield Sample("tarfile-pax", lambda: (by_tarfile(tarfile.PAX_FORMAT),))
    yield Sample("split-vm", lambda: (CODECS["xz"](METADATA_PART), qcow2()))
    yield Sample("unified-vm", lambda: (archive(metadata(), file("rootfs.img", qcow2())),))


def _encoded(encode: Callable[[bytes], bytes], *files: bytes) -> tuple[bytes, ...]:
    return tuple(encode(content) for content in files)


def _squashfs_root(codec: str) -> tuple[bytes, ...]:
    return METADATA_PART, squashfs(ROOT_PART, codec)


_ODD: Mapping[str, tuple[bytes, ...]] = {
    "dot-slash": (archive(directory("./"), metadata(name="./metadata.yaml"), root("./rootfs/")),),
    "absolute": (archive(metadata(name="/metadata.yaml"), root("/rootfs/")),),
    "metadata-last": (archive(root(), metadata()),),
    "metadata-twice-merged": (archive(metadata(), metadata("properties: {os: second, more: x}\n"), root()),),
    "metadata-after-root-ignored": (archive(metadata(), root(), metadata("architecture: none\n")),),
    "metadata-symlink": (archive(header("metadata.yaml", tarfile.SYMTYPE, link="x"), root()),),
    "metadata-contiguous": (archive(file("metadata.yaml", METADATA, b"7"), root()),),
    "metadata-by-pax-path": (archive(pax(record("path", "metadata.yaml")), file("x", METADATA), root()),),
    "metadata-missing": (archive(root()),),
    "root-missing": (archive(metadata()),),
    "root-without-slash": (archive(metadata(), header("rootfs", tarfile.DIRTYPE)),),
    "root-and-disk": (archive(metadata(), file("rootfs.img", "x"), root()),),
    "disk-of-text": (archive(metadata(), file("rootfs.img", "not a disk")),),
    "global-header": (archive(pax(record("comment", "x"), b"g"), metadata(), root()),),
    "global-header-as-root": (archive(metadata(), pax(record("comment", "x"), b"g", "rootfs/x")),),
    "global-header-as-disk": (archive(metadata(), pax(record("path", "rootfs.img"), b"g")),),
    "global-header-as-metadata": (archive(pax(record("comment", "x"), b"g", "metadata.yaml"), UNIFIED),),
    "volume-header-as-root": (archive(metadata(), file("rootfs/label", kind=b"V")),),
    "pax-size": (
        archive(pax(record("size", "3")), header("first", size=0) + padded(b"abc"), metadata(), root()),
    ),
    "pax-malformed": (archive(pax(b"99 x=y\n"), file("first"), metadata(), root()),),
    "pax-malformed-superseded": (
        archive(metadata(), root(), pax(b"99 x=y\n"), pax(record("comment", "x")), file("rootfs/x")),
    ),
    "file-over-directory-over-link": (
        archive(
            *(metadata(), root(), header("rootfs/x", tarfile.SYMTYPE, link="etc"), directory("rootfs/x/")),
            *(file("rootfs/x/y"), file("rootfs/x")),
        ),
    ),
    "unknown-type": (archive(file("first", "data", b"Q"), metadata(), root()),),
    "two-dots": (archive(metadata(), root(), file("rootfs/../x")),),
    "late-bad-checksum": (archive(metadata(), root(), file("rootfs/x").replace(b"ustar", b"Ustar")),),
    "hard-link-missing": (
        archive(metadata(), root(), header("rootfs/x", tarfile.LNKTYPE, link="rootfs/none")),
    ),
    "concatenated": (UNIFIED + archive(metadata("a: ["), root()),),
    "no-end": (archive(metadata(), root(), end=b""),),
    "empty": (b"",),
    "text": (b"architecture: x86_64\n",),
    "v7-plain": (UNIFIED.replace(b"ustar\x0000", bytes(8)),),
    "gzip-of-gzip": (CODECS["gzip"](CODECS["gzip"](UNIFIED)),),
    "xz-then-text": (CODECS["xz"](UNIFIED) + b"text",),
    "swapped": (ROOT_PART, METADATA_PART),
    "split-root-of-text": (METADATA_PART, b"text"),
    "split-root-empty": (METADATA_PART, b""),
    "split-root-of-a-few-bytes-in-gzip": (METADATA_PART, CODECS["gzip"](ROOT_PART[:300])),
    "split-root-with-prefix": (METADATA_PART, archive(root())),
}

_TEXTS: Mapping[str, str | bytes] = {
    "number-as-text": "architecture: amd64\ncreation_date: 1.6e9\nproperties: {release: 14.04, flag: yes}\n",
    "date-quoted": 'architecture: x86_64\ncreation_date: "1600000000"\n',
    "date-octal": "architecture: x86_64\ncreation_date: 0600000\n",
    "date-negative": "architecture: x86_64\ncreation_date: -5\nexpiry_date: -5\n",
    "date-missing": "architecture: x86_64\n",
    "architecture-unknown": "architecture: vax\ncreation_date: 1600000000\n",
    "architecture-case": "architecture: X86_64\ncreation_date: 1600000000\n",
    "duplicate-keys": "architecture: vax\narchitecture: arm64\ncreation_date: 1\nproperties: {a: b, a: c}\n",
    "merge-key": "x: &x {a: '1', b: '2'}\narchitecture: i686\ncreation_date: 1\nproperties: {<<: *x, b: own}\n",
    "null-rule": METADATA + "templates: {/etc/x: }\n",
    "when-scalar": METADATA + "templates: {/etc/x: {when: create}}\n",
    "two-documents": METADATA + "---\na: [\n",
    "directive": "%YAML 1.2\n---\n" + METADATA,
    "utf-16": METADATA.encode("utf-16"),
    "latin-1": METADATA.encode() + b"# \xe9\n",
    "tab": METADATA + "\tx: y\n",
    "empty": "",
    "list": "- architecture\n",
    "not-closed": METADATA + "x: [\n",
}


def _damaged() -> Iterator[Sample]:
    for codec in CODECS:
        for part in (0.2, 0.5, 0.9):
            yield Sample(f"cut-{codec}-{part}", partial(_cut, codec, part))
        yield Sample(f"garbage-{codec}", partial(_followed, codec, b"garbage"))
        yield Sample(f"then-half-{codec}", partial(_followed, codec, CODECS[codec](METADATA_PART)[:-1]))
    for length in (100, 262, 300, 512, 600, 1024, 1100, 1536):
        yield Sample(f"cut-tar-{length}", partial(_constant, UNIFIED[:length]))
    yield Sample(
        "zstd-skippable-first", lambda: (b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + CODECS["zstd"](UNIFIED),)
    )


def _constant(*files: bytes) -> tuple[bytes, ...]:
    return files


def _cut(codec: str, part: float) -> tuple[bytes, ...]:
    whole = CODECS[codec](UNIFIED)
    return (whole[: int(len(whole) * part)],)


def _followed(codec: str, by: bytes) -> tuple[bytes, ...]:
    return (CODECS[codec](UNIFIED) + by,)


FIXED: tuple[Sample, ...] = (
    *_good(),
    *(Sample(f"odd-{name}", partial(_constant, *files)) for name, files in _ODD.items()),
    *(
        Sample(f"text-{name}", partial(_constant, archive(metadata(text), root())))
        for name, text in _TEXTS.items()
    ),
    *_damaged(),
)


# ── random images ──

# fmt: off
_ARCHITECTURES = ("x86_64", "amd64", "arm64", "armhf", "i386", "ppc64el", "riscv64", "loong64", "386", "all")
_DATES = ("1600000000", "1", "0", "-1", "1.5e9", "0x10", "0o17", "017", "1_000", "'1'", "null", "+7", ".5", "x")
_PLAIN = (
    "a", "'q'", "14.04", "1e3", "yes", "null", "~", "''", "0755", "1:30", "[a]", "{a: b}", "*x", "@x", "%x", "0x1F",
    "2020-01-01", "=",
)
# fmt: on
_SCALARS = (
    *_PLAIN,
    '"d\\n"',
    "- x",
    "&x v",
    "!!str 5",
    "!!int x",
    "|\n    text\n",
    ">-\n    folded\n",
    "a: b",
    "a #c",
)
_LINES = ("---", "...", "# c", "x: y", "architecture: arm64", "%YAML 1.1", "\t")
_KINDS = tuple(bytes([kind]) for kind in b"0\x001234567ASVxgLKZ")
_PATCHES: tuple[tuple[tuple[int, bytes], ...], ...] = (
    *((), (), ()),
    ((100, b"abc"),),  # mode
    ((108, b" " * 8),),  # uid
    ((136, b"\x80" + bytes(11)),),  # mtime
    ((257, bytes(8)),),  # magic
)


def _random_text(rng: random.Random) -> str:
    lines = [
        f"architecture: {rng.choice(_ARCHITECTURES)}",
        f"creation_date: {rng.choice(_DATES)}",
        f"expiry_date: {rng.choice(_DATES)}",
        "properties:",
        *(f"  {rng.choice('abcd')}: {rng.choice(_SCALARS)}" for _ in range(rng.randrange(1, 4))),
    ]
    if rng.random() < 0.2:
        lines.insert(rng.randrange(4), rng.choice(_LINES))
    return "\n".join(lines) + rng.choice(("\n", "", "\n\n", "\r\n"))


def _random_member(rng: random.Random) -> bytes:
    prefix = rng.choice(("", "./", "rootfs/", "rootfs/etc/", "templates/"))
    name = prefix + rng.choice(("a", "b/", "n" * 80, "..x", "rootfs.img", "x\ny", "rootfs", "metadata.yaml/"))
    kind = rng.choice(_KINDS)
    content = rng.choice((b"", b"data", record("path", prefix + "p"), bytes(600), b"x" * 512))
    size = rng.choice((len(content), len(content), len(content), 0, 5000))
    return header(name, kind, size, *rng.choice(_PATCHES), link=rng.choice(("", "a", "rootfs/a"))) + padded(
        content
    )


def _random_damage(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    match rng.randrange(4):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
        case 2:
            return content + rng.choice((b"garbage", bytes(512), bytes(5)))
        case _:
            return content[:at] + bytes(512) + content[at:]


def random_sample(seed: int) -> Sample:
    """Return an image that depends on *seed* only."""
    return Sample(f"random-{seed}", partial(_random_files, seed))


def _random_files(seed: int) -> tuple[bytes, ...]:
    rng = random.Random(seed)
    text = _random_text(rng) if rng.random() < 0.4 else METADATA
    members = [metadata(text), *(_random_member(rng) for _ in range(rng.randrange(3))), root()]
    if rng.random() < 0.3:
        rng.shuffle(members)
    content = archive(*members)
    if rng.random() < 0.3:
        content = _random_damage(rng, content)
    codec = rng.choice(tuple(CODECS))
    content = CODECS[codec](content)
    if rng.random() < 0.3:
        content = _random_damage(rng, content)
    return (content,)
