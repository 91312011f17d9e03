"""``lxdimage ls``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from lxdimage.archive import NANO, Entry, EntryType
from lxdimage.cli._options import add_files, add_limits, files_of, limits_of
from lxdimage.diagnostics import escape
from lxdimage.image import ImageMember, arrange_files, open_members

__all__ = ["configure", "run"]

_LETTERS = {
    EntryType.FILE: "-",
    EntryType.HARD_LINK: "h",
    EntryType.SYMLINK: "l",
    EntryType.CHARACTER_DEVICE: "c",
    EntryType.BLOCK_DEVICE: "b",
    EntryType.DIRECTORY: "d",
    EntryType.FIFO: "p",
    EntryType.SOCKET: "s",
}
_LINKS = {EntryType.SYMLINK: " -> ", EntryType.HARD_LINK: " link to "}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_TOP = "./"  # the directory that everything is in, as tar lists it


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    add_files(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "-l", "--long", action="store_true", help="mode, owner, size and time as well, as tar -tv"
    )
    how.add_argument("--json", action="store_true", help="print one JSON array, one member a line")
    add_limits(parser)
    parser.epilog = "The root of a split image is listed below rootfs/."


def run(arguments: argparse.Namespace) -> int:
    """List the members."""
    files, _ = arrange_files(*files_of(arguments.files))
    with open_members(*files, limits=limits_of(arguments)) as members:
        if arguments.json:
            _print_json(members)
        elif arguments.long:
            sys.stdout.writelines(_long(item.path or _TOP, item.member.entry) for item in members)
        else:
            sys.stdout.writelines(f"{escape(item.path or _TOP)}\n" for item in members)
    return 0


def _print_json(members: Iterable[ImageMember]) -> None:
    """Write the array member by member, since there may be millions."""
    opening = "["
    for item in members:
        print(opening, json.dumps(_json(item.path, item.member.entry)), sep="\n", end="")
        opening = ","
    print("\n]" if opening == "," else "[]")


def _long(path: str, entry: Entry) -> str:
    kind = entry.type
    size = f"{entry.device[0]},{entry.device[1]}" if entry.device else entry.size
    link = f"{_LINKS[kind]}{escape(entry.target)}" if kind in _LINKS else ""
    rights = _rights(kind, entry.mode, entry.uid, entry.gid)
    return f"{rights} {size:>11} {_time(entry.mtime_ns // NANO)} {escape(path)}{link}\n"


@lru_cache  # an archive has few different ones
def _rights(kind: EntryType, mode: int, uid: int, gid: int) -> str:
    letters = [_LETTERS[kind]]
    for shift, special, letter in ((6, 0o4000, "s"), (3, 0o2000, "s"), (0, 0o1000, "t")):
        bits = mode >> shift & 7
        run = letter if bits & 1 else letter.upper()
        letters += [
            "r" if bits & 4 else "-",
            "w" if bits & 2 else "-",
            run if mode & special else "-x"[bits & 1],
        ]
    owner = f"{uid}/{gid}"
    return f"{''.join(letters)} {owner:>11}"


def _time(seconds: int) -> str:
    return _minute(seconds // 60) or f"{seconds:>16}"


@lru_cache(4096)
def _minute(minutes: int) -> str:
    """Return a date and a time of day, nothing for what is no such date."""
    try:
        return (_EPOCH + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M")
    except OverflowError:
        return ""


def _json(path: str, entry: Entry) -> dict[str, object]:
    return {
        "path": path,
        "type": entry.type.title.replace(" ", "-"),
        "mode": f"{entry.mode:04o}",
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime_ns / NANO,
        "size": entry.size,
        "target": entry.target or None,
        "device": list(entry.device) if entry.device else None,
        "xattrs": {name: value.hex() for name, value in entry.xattrs.items()},
    }
