"""Scanning an image: every byte is read once, hashed, decoded, and judged for one daemon or several at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lxdimage._arguments import choice_of, list_of
from lxdimage._sources import FileArgument, Progress, check_file_count, open_sources
from lxdimage.fingerprint import Fingerprint
from lxdimage.image._model import Scan
from lxdimage.image._pass import Pass
from lxdimage.limits import Limits
from lxdimage.targets import Target

__all__ = ["scan_image", "scan_targets"]


def scan_targets(
    *files: FileArgument,
    targets: Iterable[Target | str] = tuple(Target),
    expected: Fingerprint | str | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Mapping[Target, Scan]:
    """
    Read an image completely, once, and say what each of several daemons makes of it.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order.
        targets: The daemons.
        expected: The fingerprint that the image should have, or at least the first 12 of its hexadecimal digits.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all.

    Returns:
        One scan for each target.

    Raises:
        InvalidImageError: When there are not one or two files.
        OSError: When a file cannot be read.
    """
    check_file_count(files)
    chosen = [choice_of(Target, target, "target") for target in list_of(targets, "targets")]
    with open_sources(files) as sources:
        return Pass(sources, chosen, limits or Limits(), progress).run(expected)


def scan_image(
    *files: FileArgument,
    target: Target | str = Target.LXD,
    expected: Fingerprint | str | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Scan:
    """
    Read an image completely, once, and say what a daemon makes of it.

    Damage becomes a finding, with the stage at which the daemon notices, and never loses the fingerprint.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order.
        target: The daemon.
        expected: The fingerprint that the image should have, or at least the first 12 of its hexadecimal digits.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all.

    Returns:
        Fingerprint, verdict, findings, and the image where the target accepts it.

    Raises:
        InvalidImageError: When there are not one or two files.
        OSError: When a file cannot be read.
    """
    target = choice_of(Target, target, "target")
    found = scan_targets(*files, targets=(target,), expected=expected, limits=limits, progress=progress)
    return found[target]
