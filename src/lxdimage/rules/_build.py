"""Codes of findings about writing images."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    Rule(
        code="same-output",
        title="metadata and root would be written to the same file",
        severity=Severity.ERROR,
        explanation="""\
A split image is two files, and both were given the same path, perhaps by different names or through a symbolic link.
One would replace the other.
Give the root a path of its own.""",
        hint="give the root file another name",
    ),
    Rule(
        code="stream-not-readable",
        title="the fingerprint needs bytes that a stream has already taken",
        severity=Severity.ERROR,
        explanation="""\
The fingerprint of a split image covers the metadata file first and the root file behind it.
Here the root came first, because the source keeps its metadata at the end, and it went to a stream that cannot be read again.
Write both files to paths, or use a source whose metadata comes first.""",
        hint="write to paths instead of streams",
    ),
    Rule(
        code="member-not-found",
        title="no member has the name that was asked for",
        severity=Severity.ERROR,
        explanation="""\
Members are named as `lxdimage ls` prints them; a directory stands for everything that is below it.
The root of a split image is listed below `rootfs/`.""",
        hint="'lxdimage ls' lists the members",
    ),
    Rule(
        code="name-clash",
        title="two members have names that the file system does not tell apart",
        severity=Severity.ERROR,
        explanation="""\
The file system that was extracted to takes upper and lower case letters, or two ways to write one letter, for the same.
The first of the two members was extracted, the second would have replaced it and was left out.
Extract to a file system that tells them apart.""",
    ),
    Rule(
        code="name-not-possible",
        title="the file system does not take a member's name",
        severity=Severity.ERROR,
        explanation="""\
Linux takes any bytes but a slash and NUL in a name; other systems, and foreign file systems on Linux, take only some characters.
The member was left out; extract to another file system.""",
    ),
    Rule(
        code="file-too-large",
        title="the file system does not take files of a member's size",
        severity=Severity.ERROR,
        explanation="""\
A sparse file takes no more room than its data, but its size still has to be one that the file system can express.
The member was left out.""",
    ),
    Rule(
        code="hard-link-not-created",
        title="a hard link was not created",
        severity=Severity.ERROR,
        explanation="""\
The file system has no hard links, no more of them for this file, or none to a directory.
The member was left out.""",
    ),
    Rule(
        code="device-not-created",
        title="a device, FIFO or socket was not created",
        severity=Severity.WARNING,
        explanation="""\
Only root may create devices, and some file systems and containers allow it to nobody.
Everything else was extracted; a daemon that unpacks the image has the rights.""",
    ),
    Rule(
        code="owner-not-applied",
        title="the owner of extracted files is not what the image says",
        severity=Severity.WARNING,
        explanation="""\
Only root may give files away, so what anybody else extracts belongs to whoever extracts it.
Do not pack such a directory again without setting the owners: everything in it would belong to that user.
Run the command as root, or convert the image directly, which needs no extraction and no rights.""",
    ),
    Rule(
        code="mode-not-applied",
        title="the mode of extracted files is not what the image says",
        severity=Severity.WARNING,
        explanation="""\
The bits setuid and setgid lend the rights of a file's owner to whoever runs it.
Where the owner could not be set these bits are left out, because they would lend the rights of whoever extracted the file.
Some foreign file systems have no modes at all.""",
    ),
    Rule(
        code="xattr-not-applied",
        title="an extended attribute was not set",
        severity=Severity.WARNING,
        explanation="""\
File capabilities and attributes in `security` and `trusted` are for root only; access control lists and others need a
file system that has them.
The file was extracted without the attribute.""",
    ),
    Rule(
        code="time-not-applied",
        title="a modification time was not set",
        severity=Severity.WARNING,
        explanation="""\
The time lies outside of what the file system stores; the file keeps the time of its extraction.""",
    ),
    Rule(
        code="content-size",
        title="the content of a member has another size than announced",
        severity=Severity.ERROR,
        explanation="""\
A tar says how long a member is before its content comes, so the two must agree.
The source announced one size and delivered another: it is damaged, or it changed meanwhile.
Nothing was written.
Try again with a source that nobody changes.""",
    ),
    Rule(
        code="unstorable-entry",
        title="a tar cannot store this entry",
        severity=Severity.ERROR,
        explanation="""\
The entry has something that no field of a tar can hold: an empty name, a NUL character in a name, a negative id, a
device number beyond 21 bits, or it is a socket.
Leave it out with an exclude pattern, or correct the source.""",
        hint="leave it out with an exclude pattern",
    ),
    Rule(
        code="backup-index",
        title="the index of a backup cannot be used",
        severity=Severity.ERROR,
        explanation="""\
A backup begins with `backup/index.yaml`, at most 1 MiB of YAML that says what was exported and with which configuration.
It is missing, no YAML, or one of its values cannot be what it should be, such as an instance name that is a path.
The file is no instance backup, or somebody changed it; export the instance again.""",
    ),
    Rule(
        code="backup-idmap",
        title="the id map of a backup cannot be used",
        severity=Severity.ERROR,
        explanation="""\
The owners in a backup are those that the files have on the host.
`volatile.last_state.idmap` in the configuration says what they are in the instance; it is JSON, a list of ranges.
Without it nobody can tell who owns the files.
Export the instance again.""",
    ),
    Rule(
        code="backup-optimized",
        title="the backup holds data in the format of a storage driver",
        severity=Severity.ERROR,
        explanation="""\
With `--optimized-storage` a backup holds a stream that only the same file system, btrfs or ZFS, can receive.
Export the instance again without that option.""",
        hint="export the instance again without --optimized-storage",
    ),
    Rule(
        code="backup-virtual-machine",
        title="the backup is of a virtual machine",
        severity=Severity.ERROR,
        explanation="""\
The disk of a virtual machine is raw in a backup and qcow2 in an image, and converting one into the other is not done here.
Extract `backup/virtual-machine.img`, convert it with `qemu-img convert -O qcow2`, and build a split image with it.""",
    ),
    Rule(
        code="backup-no-snapshot",
        title="the backup does not hold the snapshot",
        severity=Severity.ERROR,
        explanation="""\
A backup holds the snapshots that its index lists, and none when it was exported with `--instance-only`.""",
    ),
    Rule(
        code="backup-incomplete",
        title="the backup does not hold the instance",
        severity=Severity.ERROR,
        explanation="""\
The index names an instance, but no files of it follow, or its configuration is nowhere to be found.
Export the instance again.""",
    ),
    Rule(
        code="owner-outside-map",
        title="files belong to nobody in the instance and were left out",
        severity=Severity.WARNING,
        explanation="""\
Their owner or group on the host is not in the instance's id map, so that in the instance they belong to nobody.
Something on the host wrote them, past the instance.
`lxc publish` leaves such files out without a word, and so they are left out here.""",
    ),
)
