"""Codes of findings about archives and the files of an image."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    Rule(
        code="bad-checksum",
        title="a tar header's checksum is wrong",
        severity=Severity.ERROR,
        explanation="""
Every tar header carries the sum of its own bytes.
Where it is wrong, the block is no header: the archive is damaged, or something else lies in its place.
At import the daemon refuses when it gets this far before it has seen metadata.yaml and the root file system;
later it is GNU tar that fails, when an instance is created.
Download or pack the image again.
""",
    ),
    Rule(
        code="bad-header",
        title="a field of a tar header is not a number",
        severity=Severity.ERROR,
        explanation="""
Sizes, owners, modes, times and device numbers are octal digits, or base 256 when the first bit is set.
Anything else makes the header invalid.
""",
    ),
    Rule(
        code="bad-pax-record",
        title="a PAX extended header is malformed",
        severity=Severity.ERROR,
        explanation="""
A PAX header is a list of records "LENGTH KEY=VALUE" that each end in a newline.
A wrong length, a missing equals sign, or a NUL character in a path makes the whole archive unreadable.
""",
    ),
    Rule(
        code="bad-sparse-map",
        title="the map of a sparse file is malformed",
        severity=Severity.ERROR,
        explanation="""
A sparse file is stored as the stretches that hold data and a map that says where they belong.
The map must ascend, must not overlap, and must end within the file.
""",
    ),
    Rule(
        code="lone-zero-block",
        title="one block of zeros is followed by something else",
        severity=Severity.WARNING,
        explanation="""
Two blocks of zeros end a tar.
After a single one GNU tar stops without an error, so what follows never arrives in an instance;
at import it is an invalid header.
""",
    ),
    Rule(
        code="truncated-archive",
        title="the archive ends within a member",
        severity=Severity.ERROR,
        explanation="""
The last member's header claims more bytes than there are.
The image was cut while it was written or downloaded.
""",
    ),
    Rule(
        code="truncated-header",
        title="the archive ends within a header",
        severity=Severity.WARNING,
        explanation="""
Fewer than 512 bytes are left where a header begins.
Behind the first member of the root file system no daemon notices: the instance is created with part of its files.
""",
    ),
    Rule(
        code="no-end-of-archive",
        title="the archive has no end-of-archive blocks",
        severity=Severity.WARNING,
        explanation="""
A tar ends in two blocks of zeros.
Without them nobody can tell whether members are missing: an archive that was cut between two members looks just so,
and the daemons create instances with part of the root file system from it.
""",
        hint="pack the image again, or compare its size with the original",
    ),
    Rule(
        code="member-limit",
        title="the archive exceeds a limit on members or headers",
        severity=Severity.ERROR,
        explanation="""
Reading stops at a number of members, or at a size of extension headers, that no ordinary image reaches.
The bounds are fields of `Limits` and options of the command line.
""",
        hint="raise the limit if the image is trusted",
    ),
    Rule(
        code="empty-file",
        title="a file has no bytes",
        severity=Severity.ERROR,
        explanation="""
A file of zero bytes is refused with the bare message ``EOF``.
""",
    ),
    Rule(
        code="json-upload",
        title="the file is taken for a JSON request",
        severity=Severity.ERROR,
        explanation="""
A daemon tries to decode every upload as a JSON request before it looks for an image.
A file that begins with a JSON object, or with ``null``, never gets further: the connection is closed without an answer.
""",
    ),
    Rule(
        code="unsupported-compression",
        title="the first bytes are of no format that the target knows",
        severity=Severity.ERROR,
        explanation="""
Detection looks at the first 263 bytes only, never at names.
It knows gzip, bzip2, xz, lzma, zstd, tar with the ``ustar`` magic, SquashFS and qcow2; Incus knows LZ4 as well.
An uncompressed tar without that magic (v7), zstd that begins with a skippable frame, lzma with unusual parameters and all else is refused.
""",
        hint="compress the image with xz, gzip or zstd",
    ),
    Rule(
        code="not-an-archive",
        title="a disk image stands where an archive is expected",
        severity=Severity.ERROR,
        explanation="""
The file with metadata.yaml must be a tar or a SquashFS.
A virtual machine's disk is the second file of a split image, or the member ``rootfs.img`` of a unified one.
""",
        hint="give the metadata file first",
    ),
    Rule(
        code="file-count",
        title="an image is one file or two",
        severity=Severity.ERROR,
        explanation="""
A unified image is one file; a split image is the metadata file and the root file.
""",
    ),
    Rule(
        code="fingerprint-mismatch",
        title="the fingerprint is not the expected one",
        severity=Severity.ERROR,
        explanation="""
The SHA-256 over all bytes of all files identifies the image.
Where it differs from what was expected, the file is another one or was damaged on its way; a daemon that is told the expected fingerprint refuses the upload.
""",
    ),
    Rule(
        code="swapped-parts",
        title="the two files of a split image were given in the wrong order",
        severity=Severity.WARNING,
        explanation="""
Position alone decides for a daemon which file is which: metadata first, root second.
Swapped, the import is refused because the first file has no metadata.yaml.
""",
        hint="give the metadata file first",
    ),
    Rule(
        code="not-two-images",
        title="the files are not those of two images",
        severity=Severity.ERROR,
        explanation="""
Two images are compared: each is one file, or the metadata file and the root file of a split image, side by side in either order.
What a file is follows from its first megabytes.
Two metadata files alone, or two root files alone, can be compared as well; one of them with a whole image cannot.
Of what can be read only once, such as standard input, the other files decide what it must be.
""",
        hint="give the metadata file and the root file of a split image side by side",
    ),
    Rule(
        code="metadata-missing",
        title="no member is called metadata.yaml",
        severity=Severity.ERROR,
        explanation="""
An image needs a member whose name is exactly ``metadata.yaml`` or ``./metadata.yaml``.
Names are compared as they are stored: ``/metadata.yaml``, ``image/metadata.yaml`` and ``metadata.yml`` do not count.
""",
        hint="add metadata.yaml at the top of the archive, or name the metadata file of a split image as well",
    ),
    Rule(
        code="metadata-not-regular",
        title="metadata.yaml is not a regular file",
        severity=Severity.ERROR,
        explanation="""
A link, a directory or a device has no content in the archive, so the daemon reads an empty document and refuses with ``EOF``.
Newer LXD refuses every member whose type flag is not that of a regular file.
""",
    ),
    Rule(
        code="metadata-after-root",
        title="a second metadata.yaml comes after the root file system",
        severity=Severity.WARNING,
        explanation="""
A daemon stops reading as soon as it has seen metadata.yaml and a member of the root file system.
A later metadata.yaml is not read at import, but it is the one that unpacking leaves on disk: templates and ``publish`` use it.
""",
        hint="keep one metadata.yaml, as the first member",
    ),
    Rule(
        code="metadata-merged",
        title="several metadata.yaml are merged",
        severity=Severity.WARNING,
        explanation="""
Until the first member of the root file system, each metadata.yaml is decoded into the same record:
later scalars replace earlier ones, maps are merged key by key.
On disk only the last one remains.
""",
        hint="keep one metadata.yaml, as the first member",
    ),
    Rule(
        code="metadata-last",
        title="metadata.yaml comes after the root file system",
        severity=Severity.INFO,
        explanation="""
Every reader, the daemons included, must decompress the whole root to find it.
""",
        hint="put metadata.yaml first",
    ),
    Rule(
        code="root-missing",
        title="the image has no root file system",
        severity=Severity.ERROR,
        explanation="""
A unified image needs a member below ``rootfs/`` or a disk called ``rootfs.img``.
A directory entry ``rootfs`` without the slash does not count.
The daemon refuses late, with ``Invalid instance type``, and leaves the file behind in its store.
""",
        hint="give the root file of a split image as well; 'lxdimage build' makes an image of a root alone",
    ),
    Rule(
        code="root-not-directory",
        title="rootfs is not a directory",
        severity=Severity.WARNING,
        explanation="""
A symbolic link called ``rootfs`` sends the whole root file system somewhere else, on daemons that do not look: out of the instance and onto the host (CVE-2026-48749).
Today's Incus creates no instance from it, and no daemon does where the root of a split image comes to a link that leads to no directory.
""",
    ),
    Rule(
        code="root-empty",
        title="the root file system has no files",
        severity=Severity.WARNING,
        explanation="""
An instance needs an init to start.
Today's LXD creates no instance from an empty root.
""",
    ),
    Rule(
        code="root-prefixed",
        title="the root of a split image has its files below rootfs/",
        severity=Severity.WARNING,
        explanation="""
The second file of a split image holds the contents of ``/`` itself; a leading ``rootfs/`` is not stripped.
The files end up in ``/rootfs`` of the instance, which has no init then.
""",
        hint="pack the root from within its directory, or convert the image",
    ),
    Rule(
        code="control-file-link",
        title="a file that daemons open as root is a link or something else",
        severity=Severity.WARNING,
        explanation="""
Daemons read metadata.yaml and templates, and write backup.yaml and exec-output, as root on the host.
Older ones follow a link in their place, to any file of the host (CVE-2026-63125, CVE-2026-63343, CVE-2026-48750, CVE-2026-48752).
Today's LXD creates no instance where metadata.yaml or backup.yaml is special, and no daemon does where backup.yaml is a block device.
No honest image has one.
""",
        hint="do not import this image",
    ),
    Rule(
        code="template-missing",
        title="a rule names a template file that is not there",
        severity=Severity.WARNING,
        explanation="""
When a rule fires and its file is missing from ``templates/``, the instance does not start.
""",
    ),
    Rule(
        code="template-not-regular",
        title="a template is not a regular file",
        severity=Severity.WARNING,
        explanation="""
A link or a directory in the place of a template file is refused when the rule fires, so the instance does not start.
""",
    ),
    Rule(
        code="template-unused",
        title="no rule uses a template file",
        severity=Severity.INFO,
        explanation="""
A file below ``templates/`` that no rule names is never rendered.
""",
    ),
    Rule(
        code="template-too-large",
        title="a template exceeds the limit",
        severity=Severity.WARNING,
        explanation="""
Templates are kept in memory; one above the limit is left out and cannot be rendered or checked.
""",
        hint="raise the limit if the image is trusted",
    ),
    Rule(
        code="data-after-end",
        title="something follows the end of the archive",
        severity=Severity.WARNING,
        explanation="""
Two blocks of zeros end a tar; what comes after them is never read, a second archive included.
It still belongs to the fingerprint.
""",
    ),
    Rule(
        code="dotdot-member",
        title="a member's name contains '..'",
        severity=Severity.ERROR,
        explanation="""
GNU tar skips such a member and fails, even where the name would stay inside the destination.
""",
        hint="pack the image from within its directory",
    ),
    Rule(
        code="name-too-long",
        title="a name is longer than file systems allow",
        severity=Severity.ERROR,
        explanation="""
A component of a path has at most 255 bytes, a path at most 4095.
""",
    ),
    Rule(
        code="member-inside-file",
        title="a member lies below something that is not a directory",
        severity=Severity.ERROR,
        explanation="""
Its parent is a file, or a symbolic link that leads out of the tree.
GNU tar puts links with an absolute target, or with ``..`` in it, in place only at the end, so nothing can be unpacked through them.
The root of a split image is unpacked over what the metadata archive has below ``rootfs/``.
""",
    ),
    Rule(
        code="bad-symlink",
        title="a symbolic link has no possible target",
        severity=Severity.ERROR,
        explanation="""
The target of a symbolic link has from 1 to 4095 bytes.
""",
    ),
    Rule(
        code="dangling-hard-link",
        title="a hard link's target is not a member before it",
        severity=Severity.ERROR,
        explanation="""
A hard link repeats an earlier member of the same archive; without it, unpacking fails.
""",
    ),
    Rule(
        code="member-over-directory",
        title="a member stands where a directory is",
        severity=Severity.ERROR,
        explanation="""
GNU tar replaces an empty directory by a file or a link, but not one with content, and not the destination itself.
unsquashfs replaces none, such as one that the metadata archive of a split image has below ``rootfs/``.
""",
    ),
    Rule(
        code="multi-volume-member",
        title="a member is continued from another volume",
        severity=Severity.ERROR,
        explanation="""
The type flag ``M`` belongs to archives that span several volumes; GNU tar refuses to unpack it.
""",
    ),
    Rule(
        code="directory-with-content",
        title="a member's name ends in a slash but it has content",
        severity=Severity.ERROR,
        explanation="""
Go takes such a member for a regular file, so the import may pass.
GNU tar makes a directory of it and reads the content as the next header.
""",
    ),
    Rule(
        code="control-file-directory",
        title="backup.yaml is a directory or leads to one",
        severity=Severity.ERROR,
        explanation="""
When an instance is created the daemon writes a backup.yaml of its own beside the root file system, and a directory is in its way.
""",
    ),
    Rule(
        code="capability-lost",
        title="file capabilities do not survive unpacking",
        severity=Severity.WARNING,
        explanation="""
Incus unpacks a SquashFS without the extended attribute ``security.capability``.
A program such as ping that relies on its file capabilities fails in the instance.
LXD keeps it, and both keep it in a tar.
""",
        hint="use a tar root for Incus",
    ),
)
