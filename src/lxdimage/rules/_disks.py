"""Codes of findings about SquashFS and qcow2 files."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    Rule(
        code="squashfs-superblock",
        title="the superblock of a SquashFS does not describe a file system",
        severity=Severity.ERROR,
        explanation="""\
A SquashFS begins with a superblock of 96 bytes: version, block size, compressor and the places of its tables.
A value in it is outside of what version 4.0 of the format allows, so nothing behind it can be found.
The daemon detects such a file by its first four bytes alone and fails when it unpacks it.
Make the image again, or fetch it again.""",
    ),
    Rule(
        code="squashfs-truncated",
        title="a SquashFS is shorter than its superblock says",
        severity=Severity.ERROR,
        explanation="""\
The superblock states how many bytes the file system uses, and the tables that find all files lie at its end.
The file ends before that, so most often not even the list of names can be read.
Import does not notice when it is the root of a split image; creating an instance fails.
The padding to 4 KiB behind the used bytes may be missing without harm.
Fetch the file again.""",
    ),
    Rule(
        code="squashfs-trailing-data",
        title="bytes follow the end of a SquashFS",
        severity=Severity.INFO,
        explanation="""\
The file goes on behind the used bytes and their padding to 4 KiB.
No program reads these bytes, but they belong to the fingerprint.
They may be a signature, or the sign of a file that was written over a longer one.""",
    ),
    Rule(
        code="squashfs-damaged",
        title="a table, inode or directory of a SquashFS cannot be read",
        severity=Severity.ERROR,
        explanation="""\
A SquashFS keeps inodes, directories, owners, fragments and extended attributes in tables of compressed blocks that
refer to each other by position.
One of these references leads outside of its table, or what it leads to is not what it should be.
Everything below that place is lost, and the programs that the daemons run refuse the whole file.
Make the image again, or fetch it again.""",
    ),
    Rule(
        code="squashfs-block",
        title="a data block of a SquashFS does not decompress",
        severity=Severity.ERROR,
        explanation="""\
The content of files is stored in compressed blocks, and the last parts of small files share fragment blocks.
One of them does not decompress, or lies outside of the file.
Names, owners and modes are still readable; the content of the files in that block is lost.
Unpacking such an image fails when an instance is created.""",
    ),
    Rule(
        code="squashfs-loop",
        title="a directory of a SquashFS is reached twice",
        severity=Severity.ERROR,
        explanation="""\
Every directory has exactly one parent.
Here one is its own ancestor or has two names, which no program writes and no kernel mounts.
Following it could never end, so reading stops.""",
    ),
    Rule(
        code="squashfs-name",
        title="a directory of a SquashFS holds a name that no file may have",
        severity=Severity.ERROR,
        explanation="""\
A name is empty, is `.` or `..`, or holds a slash.
No program writes such names; they are made to escape from the directory that an archive is unpacked to.
Do not use the image.""",
    ),
    Rule(
        code="squashfs-compressor",
        title="the compressor of a SquashFS is not available",
        severity=Severity.ERROR,
        explanation="""\
SquashFS knows six compressors: gzip, lzma, lzo, xz, lz4 and zstd.
The superblock names another one, so no table and no file can be read.""",
    ),
    Rule(
        code="squashfs-refused-layout",
        title="unsquashfs refuses a SquashFS that sqfs2tar takes",
        severity=Severity.WARNING,
        explanation="""\
The daemons read metadata from a SquashFS with `sqfs2tar` and unpack it with `unsquashfs`, which is stricter.
It wants the index of every table to end exactly where the next table begins, no compressed block of a table that is
larger than what it holds, the options that the superblock announces (LZ4 cannot do without), all extended attributes
in order, inode numbers from 1 to the superblock's count, directories listed as such, and names in ascending order,
each once.
Names longer than 255 bytes, and symbolic links that are empty or longer than 4095, cannot be made by anything that
unpacks.
`tar2sqfs` with LZ4 writes blocks that are too large: short tables become longer when they are compressed.
Such an image is imported, but no instance can be created from it.
Write it with another compressor, or have `lxdimage convert --rootfs-format tar` make a tar of the root.""",
        hint="write the SquashFS again with zstd, xz or gzip",
    ),
    Rule(
        code="squashfs-refused-import",
        title="sqfs2tar refuses a SquashFS that unsquashfs takes",
        severity=Severity.WARNING,
        explanation="""\
The daemons read metadata from a SquashFS with `sqfs2tar`, which looks for every block inside of the table that it
belongs to, and believes the flag of the superblock that there are no fragments.
It ends at the first member that it cannot write: a socket is one of them.
What comes behind is not seen at import.
The root of a split image is not read by it.""",
        hint="write the SquashFS again with `lxdimage convert`",
    ),
    Rule(
        code="squashfs-content",
        title="a block of a SquashFS has another size than its file needs",
        severity=Severity.ERROR,
        explanation="""\
A block decompresses, but to more or fewer bytes than the file that it belongs to has there.
`unsquashfs` does not notice and writes too much, or what was in its memory before: an instance is created, with a file
whose content nobody knows.
`sqfs2tar` ends where it meets such a file.
Make the image again, or fetch it again.""",
    ),
    Rule(
        code="squashfs-limit",
        title="reading a SquashFS would take more than the limits allow",
        severity=Severity.ERROR,
        explanation="""\
A small SquashFS can stand for any number of entries and any amount of content: blocks are shared and compressed.
This one exceeds a bound of `lxdimage.Limits`, or has paths that no program can open (more than 4096 bytes).
It is most likely made to exhaust a machine; raise the limit only when you know where it comes from.""",
    ),
    Rule(
        code="squashfs-unwritable",
        title="an entry cannot be stored in a SquashFS",
        severity=Severity.ERROR,
        explanation="""\
SquashFS has no room for it: a name longer than 255 bytes, a path longer than 4095, an owner above 4294967295, more than 65535 different
owners, a device number above 4095:1048575, or a hard link to something that is not there.
Change the entry, or write a tar instead.""",
    ),
    Rule(
        code="squashfs-lost-xattr",
        title="an extended attribute has no place in a SquashFS",
        severity=Severity.WARNING,
        explanation="""\
SquashFS stores the attributes of the namespaces `user`, `trusted` and `security` only.
POSIX access control lists (`system.posix_acl_access`, `system.posix_acl_default`) and everything else are left out.
Use a tar when they matter.""",
    ),
    Rule(
        code="squashfs-lost-time",
        title="a modification time has no place in a SquashFS",
        severity=Severity.WARNING,
        explanation="""\
SquashFS stores seconds from 1970 to 2106.
A time before or after was replaced by the nearest one.""",
    ),
    Rule(
        code="qcow2-header",
        title="a disk image has no valid qcow2 header",
        severity=Severity.ERROR,
        explanation="""\
The daemon looks at the first three bytes only, so that anything that begins with `QFI` is imported as a virtual
machine; `qemu-img` then refuses the disk when an instance is created.
A value in the header is outside of what qcow2 allows: magic, version, cluster size, table sizes or places.
Make the disk again with `qemu-img convert -O qcow2`.""",
    ),
    Rule(
        code="qcow2-truncated",
        title="a qcow2 disk is shorter than its tables say",
        severity=Severity.ERROR,
        explanation="""\
A table or a data cluster lies behind the end of the file, or the header itself is cut.
Import does not notice.
`qemu-img` refuses a cut header and a cut compressed cluster, but reads zeros wherever else the file is too short:
the instance is created, and its guest finds an empty disk or damaged files.
Fetch the file again.""",
    ),
    Rule(
        code="qcow2-feature",
        title="a qcow2 disk needs a feature that qemu does not know",
        severity=Severity.ERROR,
        explanation="""\
Version 3 headers hold bits of features without which the disk cannot be read.
One of them is not defined, so that `qemu-img` refuses the disk.""",
    ),
    Rule(
        code="qcow2-backing-file",
        title="a qcow2 disk is only a difference to a backing file",
        severity=Severity.WARNING,
        explanation="""\
The header names another file that holds all clusters that this one lacks.
The image does not contain that file: `qemu-img` looks for the name on the daemon's host.
When it is missing no instance can be created; when it is there its content ends up in the instance, which is how
hostile images read files of the host.
Write the whole disk with `qemu-img convert`, which resolves the backing file.""",
        hint="write a disk of its own with qemu-img convert",
    ),
    Rule(
        code="qcow2-data-file",
        title="a qcow2 disk keeps its data in another file",
        severity=Severity.WARNING,
        explanation="""\
An external data file holds the clusters, and this file only the tables.
The image does not contain that file: `qemu-img` looks for the name on the daemon's host.
When it is missing no instance can be created; when it is there its content ends up in the instance.
Write the whole disk with `qemu-img convert`.""",
        hint="write a disk of its own with qemu-img convert",
    ),
    Rule(
        code="qcow2-encrypted",
        title="a qcow2 disk is encrypted",
        severity=Severity.WARNING,
        explanation="""\
The daemons have no way to pass a passphrase, so that `qemu-img` cannot convert the disk.
Write it without encryption.""",
    ),
    Rule(
        code="qcow2-unclean",
        title="a qcow2 disk was not closed properly",
        severity=Severity.WARNING,
        explanation="""\
The dirty or corrupt bit is set: the writer ended before its tables were complete, or qemu found them damaged.
The disk can be read, but reference counts or clusters may be wrong.
Repair it with `qemu-img check -r all` before publishing it.""",
        hint="run qemu-img check -r all and write the disk again",
    ),
    Rule(
        code="qcow2-snapshots",
        title="a qcow2 disk carries internal snapshots",
        severity=Severity.INFO,
        explanation="""\
Snapshots take room in the image and are dropped when an instance is created.
They may also hold data that was deleted from the disk and was not meant to be published.
`qemu-img convert` writes the disk without them.""",
    ),
    Rule(
        code="qcow2-corruption",
        title="the tables of a qcow2 disk contradict each other",
        severity=Severity.ERROR,
        explanation="""\
A cluster is used more often than its reference count says, or a table entry points to a place where no cluster
can be.
Part of the disk is lost or shared by mistake; writing to it would damage more.
Repair it with `qemu-img check -r all`, or fetch it again.""",
    ),
    Rule(
        code="qcow2-leak",
        title="a qcow2 disk has clusters that nothing uses",
        severity=Severity.INFO,
        explanation="""\
Reference counts say that clusters are used, but no table points to them.
They only take room; `qemu-img convert` writes the disk without them.""",
    ),
    Rule(
        code="qcow2-limit",
        title="checking a qcow2 disk would take more than the limits allow",
        severity=Severity.WARNING,
        explanation="""\
The tables of the disk are larger than what is checked, or its compressed clusters would hold more than 100 times
as much as the file.
The header is valid; not all clusters were compared with their reference counts, or decompressed.""",
    ),
    Rule(
        code="qcow2-not-compared",
        title="the tables of a qcow2 disk were not all at hand",
        severity=Severity.INFO,
        explanation="""\
A disk inside an archive, or on standard input, is read once and in order.
Its tables are kept while they pass, up to 8 MiB of them and as far as they come after what points to them, as
`qemu-img convert` writes them.
Of this disk that was not enough to compare its clusters with the file and with their reference counts.
Its header is valid; `lxdimage validate` of the disk as the second file of a split image looks at all of it.""",
    ),
    Rule(
        code="qcow2-cluster",
        title="a cluster of a qcow2 disk cannot be read",
        severity=Severity.ERROR,
        explanation="""\
The cluster does not decompress, lies outside of the file, or is in a backing or data file that the image lacks.
`qemu-img convert` stops at it when an instance is created.""",
    ),
)
