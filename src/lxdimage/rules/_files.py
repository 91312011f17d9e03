"""Codes of findings about the files of an image and their compression."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    Rule(
        code="truncated-stream",
        title="the compressed data ends too early",
        severity=Severity.ERROR,
        explanation="""\
The file ends inside its compressed data: an upload, a download or a full disk cut it.
A daemon ignores this while it imports an image, as long as it finds metadata.yaml and a root file system in the
part that is left, and then fails when it creates an instance.
Transfer or build the file again and compare its fingerprint.""",
        hint="transfer or build the file again",
    ),
    Rule(
        code="corrupt-stream",
        title="the compressed data is damaged",
        severity=Severity.ERROR,
        explanation="""\
The compressed data holds bytes that its format does not allow, so that nothing behind them can be read.
A daemon reads what precedes the damage; it imports the image when metadata.yaml and a root file system are in
that part and then fails when it creates an instance.
Transfer or build the file again and compare its fingerprint.""",
        hint="transfer or build the file again",
    ),
    Rule(
        code="checksum-mismatch",
        title="the content differs from its checksum",
        severity=Severity.ERROR,
        explanation="""\
Everything can be decompressed, but the result does not have the checksum or the length that was stored with it:
some bytes of the content are wrong, and nobody can tell which.
A daemon does not look at the checksum while it imports the image; creating an instance fails.
Transfer or build the file again and compare its fingerprint.""",
        hint="transfer or build the file again",
    ),
    Rule(
        code="unsupported-stream",
        title="the compressed data uses a feature that decompressors refuse",
        severity=Severity.ERROR,
        explanation="""\
The data is well-formed but asks for something that the decompressor of the daemons refuses or does not have: an
unknown filter or checksum type, a dictionary that is not in the file, an encrypted member, a window of more than
128 MiB.
Compress the image again with ordinary options.""",
        hint="compress it again with ordinary options",
    ),
    Rule(
        code="trailing-garbage",
        title="bytes follow the compressed data",
        severity=Severity.WARNING,
        explanation="""\
Behind the end of the compressed data there are bytes that do not begin another stream.
They are part of the fingerprint and of nothing else.
gzip, xz, lzma, zstd and lz4 complain about them, which makes a daemon fail when it creates an instance although
the import went well; bzip2 ignores them.
Trailing zeros are no garbage for gzip, and for xz when their number is a multiple of four.
Cut the file at the offset that the finding names, or build it again.""",
        hint="cut the file there, or build it again",
    ),
    Rule(
        code="decompression-limit",
        title="decompressing would exceed a limit",
        severity=Severity.ERROR,
        explanation="""\
The data decompresses to more bytes than allowed, to many more bytes than it has itself, or needs more memory for
its window than allowed: a decompression bomb, or an unusually large or well compressible image.
No daemon has such limits, so that reading stops here and not there.
Raise the limit that the message names if you trust the file.""",
        hint="raise the limit if you trust the file",
    ),
    Rule(
        code="unwritable-compression",
        title="the compression can be read but not written",
        severity=Severity.ERROR,
        explanation="""\
A SquashFS is a file system and not a compression of a tar: it is written by programs of its own.
Ask for another compression, or for a SquashFS as the root file system of a split image.""",
        hint="ask for another compression, or for a root file of the format squashfs",
    ),
    Rule(
        code="unknown-level",
        title="the compression does not have that level",
        severity=Severity.ERROR,
        explanation="""\
Every compression has its own scale of levels, from fast to small: 1 to 9 for gzip and bzip2, 0 to 9 for xz and
lzma, 1 to 22 for zstd.
Leave the level out to get the usual one.""",
        hint="leave the level out, or choose one of that range",
    ),
)
