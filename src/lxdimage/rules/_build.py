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
        hint="give it what 'lxc export' or 'incus export' wrote",
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
        hint="extract its disk, convert it with 'qemu-img convert -O qcow2', and give that to 'lxdimage build'",
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
    Rule(
        code="root-copied",
        title="the bytes of the root were copied as they are",
        severity=Severity.INFO,
        explanation="""\
The root is a file of its own, or its compressed bytes are apart from those of the metadata, so that nothing of it had to be decompressed.
Nobody looked at it either: damage in it is still there.""",
    ),
    Rule(
        code="root-untouched",
        title="the root file was not written",
        severity=Severity.INFO,
        explanation="""\
A split image was edited in place: only its metadata file is new.
The root file was read, because the fingerprint covers both.""",
    ),
    Rule(
        code="root-restreamed",
        title="the image was decompressed and compressed again",
        severity=Severity.INFO,
        explanation="""\
Metadata and root share one compressed stream, or what was to change may be anywhere in the image.
The members of the root are the same, in the same order; the new image has its metadata apart in front, so that editing it again is quick.""",
    ),
    Rule(
        code="unified-squashfs",
        title="the image is one SquashFS",
        severity=Severity.ERROR,
        explanation="""\
`lxc publish --compression squashfs` makes such images.
A SquashFS cannot be changed in part.
Convert the image to a tar first, or to a split image.""",
        hint="convert it to a tar or to a split image first",
    ),
    Rule(
        code="stray-root",
        title="the metadata file of a split image holds a root",
        severity=Severity.ERROR,
        explanation="""\
Members called `rootfs`, `rootfs/…` or `rootfs.img` in the metadata file of a split image do not make its root, the second file does.
In a unified image they would.
Build the image again from the root that is meant.""",
    ),
    Rule(
        code="template-name",
        title="a template has an impossible name",
        severity=Severity.ERROR,
        explanation="""\
Template files lie in `templates/` and are named by their path below it: no leading slash, no empty component, no `.` and no `..`.""",
    ),
    Rule(
        code="invalid-argument",
        title="an argument of a function is none of the values that it can have",
        severity=Severity.ERROR,
        explanation="""\
The message lists what can be given.
Members of enumerations may be given by their values: `target="incus"`, `compression="zstd"`, `layout="split"`.
A list of texts with one text in it is a list nevertheless, and a file is a path or a binary stream.""",
    ),
    Rule(
        code="nothing-to-remove",
        title="something was to be removed from an image that does not have it",
        severity=Severity.WARNING,
        explanation="""\
A property, a template rule or a template file was to be removed, and the image has none of this name, so nothing was done about it; all other changes were made.
The image is as asked for, which lets a script make the same edit twice, but it is not if the name was misspelt.""",
    ),
    Rule(
        code="incomplete-template-rule",
        title="a new template rule lacks what makes it one",
        severity=Severity.ERROR,
        explanation="""\
A rule renders a template file to a path of the instance when something triggers it, so a new one has to name the file and the triggers: `--rule /etc/motd,template=motd.tpl,when=create`.
Of a rule that is there already, what is not said stays as it is.""",
        hint="name both, such as 'template=motd.tpl,when=create+copy'",
    ),
    Rule(
        code="output-count",
        title="the layout needs another number of files to write to",
        severity=Severity.ERROR,
        explanation="""\
A unified image is one file, a split image two: metadata and root.
A single path is enough for both, since the root then gets the same name with `.root` at its end; a single stream is not.""",
        hint="name a path for each file that the layout has",
    ),
    Rule(
        code="root-format",
        title="the root cannot have this format",
        severity=Severity.ERROR,
        explanation="""\
The root of a split image is a tar or a SquashFS for a container, and a qcow2 disk for a virtual machine.
In a unified image it is part of the one tar.""",
    ),
    Rule(
        code="file-changed",
        title="a file changed while it was read",
        severity=Severity.ERROR,
        explanation="""\
A file or directory was replaced, removed, or written to between the moment when it was found and the moment when it was read to its end.
What would have been packed is neither the old state nor the new one, so nothing was written.
Build from a tree that nobody uses, or exclude what changes, such as logs of a running system.""",
        hint="build from a tree that nobody changes, or exclude the file",
    ),
    Rule(
        code="unreadable-file",
        title="a file cannot be read",
        severity=Severity.ERROR,
        explanation="""\
The file is in the tree and may not be read, or its disk has failed.
An image without it would be incomplete without anybody noticing, so nothing was written.
Run the command as the owner of the tree, such as within `unshare` or `fakeroot`, or exclude the file.""",
        hint="run as the owner of the tree, or exclude the file",
    ),
    Rule(
        code="socket-skipped",
        title="a socket was left out",
        severity=Severity.INFO,
        explanation="""\
A socket in a file system belongs to the process that listens on it, and tar cannot store it.
Programs make their sockets when they start, so nothing is lost.""",
    ),
    Rule(
        code="unmapped-owner",
        title="the owner of a file is outside the id map",
        severity=Severity.ERROR,
        explanation="""\
The owners of all files are to be mapped from the ids of this machine to those inside the container, and the map says nothing about this one.
Add its range to the map: `0:1000,1:100000:65536` maps the user 1000 to root and 65536 ids from 100000 to those from 1.
Or exclude the file.""",
        hint="add the id to the map, or exclude the file",
    ),
    Rule(
        code="root-not-owned-by-root",
        title="the top directory of the root file system does not belong to root",
        severity=Severity.WARNING,
        explanation="""\
In a root file system nearly everything belongs to root, the top directory first of all.
When it belongs to somebody else, the tree was probably made by an unprivileged user, and the image has owners that mean nothing inside a container.
Map them: `0:1000,1:100000:65536` makes the user 1000 root, and 65536 ids from 100000 those from 1.""",
        hint="map the owners, for example '0:1000,1:100000:65536'",
    ),
    Rule(
        code="bad-id-map",
        title="an id map cannot be used",
        severity=Severity.ERROR,
        explanation="""\
An id map is a list of ranges `INSIDE:OUTSIDE[:COUNT]`, separated by commas, of users and groups alike, or behind `u:` or `g:` of one of them.
INSIDE is the first id as the container sees it, OUTSIDE the id that owns the files on this machine, COUNT how many follow one another.
Ranges must not overlap, or one id would be two.""",
    ),
    Rule(
        code="output-inside-root",
        title="the image would be written into the tree that it is made of",
        severity=Severity.ERROR,
        explanation="""\
The image would contain an earlier version of itself, or part of itself.
Write it somewhere else, or exclude the place.""",
        hint="write the image somewhere else",
    ),
    Rule(
        code="unknown-root",
        title="the root file system is in no known format",
        severity=Severity.ERROR,
        explanation="""\
An image is built from a directory, from an archive of the root file system (a tar, compressed or not, or a SquashFS), or for a virtual machine from a qcow2 disk.
What was given is something else by its first bytes.
Other disks become qcow2 with `qemu-img convert -O qcow2`.""",
        hint="convert a disk with 'qemu-img convert -O qcow2'",
    ),
    Rule(
        code="root-is-image",
        title="what is to become the root is an image already",
        severity=Severity.ERROR,
        explanation="""\
The archive holds `metadata.yaml` and `rootfs`, as an image does and a root file system does not.
Its root would end up below `rootfs/rootfs`, where no instance finds it.
`convert` and `edit` make another image of it; `--strip-prefix` takes a directory away in front of a root.""",
        hint="use 'lxdimage convert' or 'lxdimage edit' for an image",
    ),
    Rule(
        code="wrong-type-of-root",
        title="the root makes another type of image than asked for",
        severity=Severity.ERROR,
        explanation="""\
A directory or an archive makes the image of a container, a qcow2 disk that of a virtual machine, and the other type was asked for.""",
    ),
    Rule(
        code="number-out-of-range",
        title="a number makes no sense where it stands",
        severity=Severity.ERROR,
        explanation="""\
Counts are not negative, and no file system knows times before 1970 well enough to be made to have them.""",
    ),
    Rule(
        code="option-without-use",
        title="an option does not apply to this root",
        severity=Severity.ERROR,
        explanation="""\
Leading components can be stripped from the names in an archive only; nothing can be excluded or mapped in the disk of a virtual machine.
An option that does nothing is more likely a mistake, so it is refused.""",
    ),
    Rule(
        code="derived-metadata",
        title="metadata was taken from the root file system",
        severity=Severity.INFO,
        explanation="""\
Nothing was given to say what the image is, so its metadata was taken from what the root file system says about itself: the architecture from a program in it, os, release and description from its os-release file.
The creation date is the present time, or that of the source date epoch.
Give the metadata to say otherwise, and a creation date to build the same bytes again.""",
    ),
)
