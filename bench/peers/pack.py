"""A naive writer: Python's tarfile over a directory, sorted, with numeric owners and extended attributes."""

import os
import sys
import tarfile


def members(directory: str, name: str) -> list[tuple[str, str]]:
    """Return paths and names below a directory, sorted, the directory first."""
    found = [(directory, name)]
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            found += members(entry.path, f"{name}/{entry.name}")
        else:
            found.append((entry.path, f"{name}/{entry.name}"))
    return found


with tarfile.open(sys.argv[2], "w", format=tarfile.PAX_FORMAT) as archive:
    for path, name in members(sys.argv[1], "rootfs"):
        info = archive.gettarinfo(path, name)
        if info is None:
            continue
        info.uname = info.gname = ""
        info.mtime = int(info.mtime)
        info.pax_headers = {
            f"SCHILY.xattr.{key}": os.getxattr(path, key, follow_symlinks=False).decode(
                "utf-8", "surrogateescape"
            )
            for key in os.listxattr(path, follow_symlinks=False)
        }
        if info.isreg():
            with open(path, "rb") as file:  # noqa: PTH123 - the hot loop of a peer
                archive.addfile(info, file)
        else:
            archive.addfile(info)
