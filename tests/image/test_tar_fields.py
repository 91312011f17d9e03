"""
Verdicts about odd headers of a tar.

At import they are those of Go's archive/tar, at creation those of GNU tar 1.34; every case was put to both.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

import pytest

from lxdimage import Stage, Target, scan_image
from lxdimage._tar import sealed
from making import METADATA, member, pack

META = pack([member("metadata.yaml", METADATA)])[:-1024]
ROOT = pack([member("rootfs/", type=tarfile.DIRTYPE)])[:-1024]
LAST = pack([member("rootfs/last", b"content")])
DATA = b"x" * 512


def block(
    flag: bytes = b"0",
    content: bytes = b"",
    *patches: tuple[int, bytes],
    name: str = "rootfs/f",
    magic: str = "ustar",
) -> bytes:
    """Return a member; *patches* overwrite bytes of its header at offsets."""
    info = member(name, content, type=flag, linkname="metadata.yaml" if flag in {b"1", b"2"} else "")[0]
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT if magic == "gnu" else tarfile.USTAR_FORMAT))
    for at, patch in patches:
        header[at : at + len(patch)] = patch
    return sealed(bytes(header)) + content + bytes(-len(content) % 512)


def summed(field: bytes) -> bytes:
    """Return a member with the digits of its checksum, in place of the ``%``, in a *field*."""
    header = block()
    total = int(header[148:154], 8)
    octal = field.replace(b"%", b"%05o" % total)
    base256 = b"\x80" + total.to_bytes(7, "big")
    return header[:148] + (octal.ljust(8, b"\0") if field else base256) + header[156:]


def record(key: str, value: str) -> bytes:
    """Return a PAX record."""
    body = f" {key}={value}\n".encode()
    size = len(body) + 1
    while len(str(size)) + len(body) != size:
        size += 1
    return str(size).encode() + body


def extended(payload: bytes, flag: bytes = b"x") -> bytes:
    """Return an extended header."""
    return block(flag, payload, name="x")


def sparse(content: bytes, *, magic: str = "ustar", name: str = "rootfs/f", **records: str) -> bytes:
    """Return a file behind records of a sparse one."""
    payload = b"".join(record(f"GNU.sparse.{key}", value) for key, value in records.items())
    return extended(payload) + block(b"0", content, magic=magic, name=name)


def old_sparse(
    content: bytes, *pairs: tuple[bytes, bytes], more: bytes = b"", real: bytes = b"00000004000\0"
) -> bytes:
    """Return a sparse file of the oldest format."""
    table = [(386 + 24 * place, b"%-12b%-12b" % pair) for place, pair in enumerate(pairs)]
    header = block(b"S", content, *table, (482, b"\1" if more else b"\0"), (483, real), magic="gnu")
    return header[:512] + more + header[512:]


def table(*pairs: tuple[bytes, bytes]) -> bytes:
    """Return an extension block of the oldest sparse format."""
    return b"".join(b"%-12b%-12b" % pair for pair in pairs).ljust(512, b"\0")


LARGE = b"%012o" % (1 << 33)
# Members behind the moment at which the import is decided, so only GNU tar reads them: True when it unpacks them.
LATE: Mapping[str, tuple[bool, bytes]] = {
    "a size of twelve digits": (True, block(b"0", bytes(8), (124, b"000000000010"))),
    "a size of twelve digits that counts all of them": (False, block(b"0", b"", (124, b"000000010000"))),
    "a size whose last byte is no octal digit": (False, block(b"0", bytes(8), (135, b"8"))),
    "a size whose last byte is a sign": (False, block(b"0", bytes(8), (135, b"-"))),
    "a size with text behind a blank": (True, block(b"0", bytes(8), (124, b"10 x\0\0\0\0\0\0\0\0"))),
    "a directory whose size is blank": (False, block(b"5", b"", (124, b" " * 12))),
    "a directory whose size is no number": (False, block(b"5", b"", (124, b"8" * 11))),
    "a link whose size is negative": (False, block(b"2", b"", (124, b"\xff" * 12))),
    "a hard link whose size is no number": (True, block(b"1", b"", (124, b"8" * 11))),
    "an extended header with twelve digits": (True, block(b"x", record("a", "b"), (124, b"000000000006")) + block()),
    "an extended header whose size is none": (False, block(b"x", record("a", "b"), (135, b"8")) + block()),
    "a mode in blanks": (False, block(b"0", b"", (100, b" " * 8))),
    "an owner in base 64": (True, block(b"0", b"", (108, b"+AAAAAAB"))),
    "an owner with text behind a blank": (True, block(b"0", b"", (108, b"0000 x\0\0"))),
    "an owner that is none beside a record": (
        False, extended(record("uid", "5")) + block(b"0", b"", (108, b"x" * 8))
    ),
    "a time whose last byte is no octal digit": (False, block(b"0", b"", (147, b"9"))),
    "a time in blanks": (False, block(b"0", b"", (136, b" " * 12))),
    "a time with a sign within": (False, block(b"0", b"", (136, b"0000-0000000"))),
    "a time with an odd first byte": (False, block(b"0", b"", (136, b"\x81"))),
    "a negative time in base 256": (True, block(b"0", b"", (136, b"\xff" * 12))),
    "a volume header whose time is none": (False, block(b"V", b"", (136, b"x"))),
    "a device in blanks": (False, block(b"3", b"", (329, b" " * 8))),
    "a device without format": (True, block(b"3", b"", (257, bytes(8)), (329, b" " * 8))),
    "a checksum in base 256": (False, summed(b"")),
    "a checksum behind a tab": (True, summed(b"\t%")),
    "a checksum behind two NULs": (False, summed(b"\0\0%")),
    "a checksum with text behind a blank": (True, summed(b"% x")),
    "a key with a NUL": (False, extended(record("a\0b", "c")) + block()),
    "a record without key and value": (True, extended(b"4 =\n") + block()),
    "a length followed by a tab": (True, extended(b"7\ta=bc\n") + block()),
    "a length behind blanks": (True, extended(b" 8 a=bc\n") + block()),
    "a length with a sign": (False, extended(b"+8 a=bc\n") + block()),
    "a size record with a NUL": (True, extended(record("size", "4\0x")) + block(b"0", b"four")),
    "a size record with a sign": (False, extended(record("size", "+4")) + block(b"0", b"four")),
    "an owner record with a NUL": (True, extended(record("uid", "4\0x")) + block()),
    "a time record with many zeros": (True, extended(record("mtime", "0" * 30)) + block()),
    "a volume's size that is none": (False, extended(record("GNU.volume.size", "x")) + block()),
    "an empty path of a directory": (True, extended(record("path", "")) + block(b"5")),
    "an empty path of a file": (False, extended(record("path", "")) + block()),
    "an empty long name": (False, extended(b"\0", b"L") + block()),
    "a global size with a NUL": (True, extended(record("size", "7\0"), b"g")),
    "a global size that is none": (False, extended(record("size", "x"), b"g")),
    "Solaris' header with records": (True, extended(record("a", "b"), b"X")),
    "Solaris' header without records": (False, extended(b"junk", b"X")),
    "Solaris' header with a path": (False, extended(record("path", "rootfs/../x"), b"X")),
    "an old sparse file": (True, old_sparse(DATA, (b"0", b"1000"), (b"4000", b"0"))),
    "an old sparse file with offsets in no order": (True, old_sparse(DATA * 2, (b"1", b"1000"), (b"0", b"1000"))),
    "an old sparse file beyond its size": (False, old_sparse(DATA, (b"4000", b"1000"))),
    "an old sparse file with an odd offset": (True, old_sparse(DATA, (b"0 x", b"1000"))),
    "an old sparse file of no size": (False, old_sparse(DATA, (b"0", b"1000"), real=b" " * 12)),
    "an old sparse map in an extension block alone": (False, old_sparse(DATA, more=table((b"0", b"1000")))),
    "an old sparse map that goes on": (
        True, old_sparse(DATA * 5, *((b"%o" % (at << 9), b"1000") for at in range(4)), more=table((b"3000", b"1000")))
    ),
    "pieces that do not fill blocks": (False, sparse(DATA[:200], numblocks="2", map="0,100,1024,100")),
    "pieces in blocks of their own": (True, sparse(DATA * 2, numblocks="2", map="0,100,1024,512")),
    "pieces beyond the size": (True, sparse(DATA, size="600", numblocks="1", map="512,512")),
    "a map without a size": (True, sparse(DATA, numblocks="1", map="512,512")),
    "a map of fewer pieces than are said": (True, sparse(DATA, numblocks="2", map="512,512")),
    "a map of more pieces than are said": (False, sparse(DATA, numblocks="1", map="0,256,512,256")),
    "a map with a sign": (False, sparse(DATA, numblocks="1", map="+512,512")),
    "a map beside a header of GNU's": (True, sparse(DATA, magic="gnu", numblocks="1", map="512,512")),
    "one pair of two": (True, sparse(DATA, size="2048", numblocks="2", offset="512", numbytes="512")),
    "a pair without a number of pairs": (False, sparse(DATA, offset="512", numbytes="512")),
    "version 0.2": (False, sparse(DATA, major="0", minor="2", size="1024")),
    "version 0.9 with a map": (True, sparse(DATA, major="0", minor="9", size="2048", numblocks="1", map="0,512")),
    "version 1.0 without its major number": (
        False, sparse(b"1\n0\n512\n".ljust(512, b"\0") + DATA, minor="0", realsize="1536")
    ),
    "version 0.1 with an empty map": (False, sparse(DATA, size="2048", numblocks="0", map="")),
    "version 1.0": (
        True, sparse(b"1\n0\n512\n".ljust(512, b"\0") + DATA, major="1", minor="0", realsize="2048")
    ),
    "version 2.0": (False, sparse(DATA, major="2", minor="0", realsize="2048")),
    "version 1.0 with a NUL": (
        True, sparse(b"1\0\n0\n512\n".ljust(512, b"\0") + DATA, major="1", minor="0", realsize="2048")
    ),
    "a real size of a file that is not sparse": (False, sparse(DATA, realsize="1024")),
    "a global header behind an extended one": (
        False, extended(record("atime", "x")) + extended(record("a", "b"), b"g") + block()
    ),
    "a real size within the last block": (True, sparse(DATA, realsize="300")),
}  # fmt: skip
# Members in front of that moment, which Go reads, too: whether it takes them, and tar.
EARLY: Mapping[str, tuple[bool, bool, bytes]] = {
    "a size of twelve digits": (True, True, block(b"0", bytes(8), (124, b"000000000010"), name="q")),
    "a size whose last byte is no octal digit": (False, False, block(b"0", bytes(8), (135, b"8"), name="q")),
    "a size in blanks": (True, False, block(b"0", b"", (124, b" " * 12), name="q")),
    "a directory whose size is blank": (True, False, block(b"5", b"", (124, b" " * 12), name="q")),
    "a size behind NULs": (True, False, block(b"0", DATA, (124, b"\0\0\x001000\0\0\0\0\0"), name="q")),
    "an owner in blanks": (True, False, block(b"0", b"", (108, b" " * 8), name="q")),
    "a length with a sign": (True, False, extended(b"+8 a=bc\n") + block(name="q")),
    "an owner of 65 bits": (False, False, extended(record("uid", str(1 << 63))) + block(name="q")),
    "a global owner that is none": (True, False, extended(record("uid", "x"), b"g")),
    "a global size with a NUL": (True, True, extended(record("size", "7\0"), b"g")),
    "a key with a NUL": (False, False, extended(record("a\0b", "c"), b"g")),
    "a map with signs": (
        True, False, sparse(DATA, name="q", size="2048", numblocks="+1", map="+512,+512")
    ),
    "Solaris' header without records": (True, False, extended(b"junk", b"X")),
    "a path with a NUL behind which a global header comes": (
        False, False, extended(record("path", "a\0b")) + extended(record("a", "b"), b"g")
    ),
    "an empty long name": (True, False, extended(b"\0", b"L") + block(name="q")),
    "a long name behind a path": (True, True, extended(record("path", "a/b")) + extended(b"q/r\0", b"L") + block()),
    "a member within a file by the name that tar gives it": (
        True, False, block(name="q") + extended(record("path", "q/r")) + extended(b"n\0", b"L") + block()
    ),
    "a real size of a file that is not sparse": (True, False, sparse(DATA, name="q", realsize="1536")),
}  # fmt: skip


def verdict(data: bytes) -> tuple[bool, bool]:
    """Return whether LXD imports an image and creates instances of it."""
    scan = scan_image(io.BytesIO(data), target=Target.LXD_5_0)
    return scan.accepted, scan.creates


@pytest.mark.parametrize("what", LATE)
def test_what_only_tar_reads_is_judged_as_tar_does(what: str) -> None:
    unpacked, members = LATE[what]
    assert (True, unpacked) == verdict(META + ROOT + members + LAST)


@pytest.mark.parametrize("what", EARLY)
def test_what_both_read_is_judged_by_both(what: str) -> None:
    accepted, unpacked, members = EARLY[what]
    assert (accepted, unpacked) == verdict(META + members + ROOT + LAST)


@pytest.mark.parametrize("base256", [True, False])
def test_a_checksum_in_base_256_is_none_at_import(*, base256: bool) -> None:
    assert (not base256, not base256) == verdict(META + summed(b"" if base256 else b"0%\0 ") + ROOT + LAST)


@pytest.mark.parametrize("flag", [b"x", b"L", b"g"])
@pytest.mark.parametrize("missing", [1, 400])
def test_a_file_that_ends_in_the_padding_of_an_extended_header_is_refused_by_tar(
    flag: bytes, missing: int
) -> None:
    data = META + ROOT + LAST[:-1024] + extended(record("a", "b"), flag)
    assert (True, True) == verdict(data)
    assert (True, False) == verdict(data[:-missing])


@pytest.mark.parametrize("flag", [b"x", b"L", b"g"])
def test_an_extended_header_longer_than_the_file_is_refused_by_tar_whatever_the_limit(flag: bytes) -> None:
    data = META + ROOT + block(flag, b"", (124, LARGE)) + bytes(4096)
    assert (True, False) == verdict(data)
    (finding,) = [
        d for d in scan_image(io.BytesIO(data), target=Target.LXD_5_0).diagnostics if d.stage is Stage.CREATE
    ]
    assert "truncated-archive" == finding.code


@pytest.mark.parametrize("content", [b"", b"6 a=b\n"])
def test_solaris_header_is_a_root_for_go_and_nothing_for_tar(content: bytes) -> None:
    assert (True, False) == verdict(META + block(b"X", content) + bytes(1024))


SUPERSEDED = {
    "no-record": b"junk",
    "size": record("size", "9999"),
    "owner": record("uid", "x"),
    "sparse": record("GNU.sparse.major", "x"),
}


@pytest.mark.parametrize("flag", [b"x", b"X"])
@pytest.mark.parametrize("payload", SUPERSEDED.values(), ids=SUPERSEDED)
def test_of_extended_headers_behind_one_another_the_last_one_alone_counts_at_creation(
    payload: bytes, flag: bytes
) -> None:
    member_behind = extended(record("comment", "x"), flag) + block(b"0", DATA)
    assert not scan_image(io.BytesIO(META + ROOT + extended(payload) + block(b"0", DATA) + LAST)).creates
    assert scan_image(io.BytesIO(META + ROOT + extended(payload) + member_behind + LAST)).creates
