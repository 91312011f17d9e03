"""
What lies beside the root file system: metadata.yaml, backup.yaml, templates/, and what else an image brings.

The daemons read and write these after unpacking, as root on the host, so a link in the place of one of them is
an attack on daemons that do not look (image format, section 12.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lxdimage.archive import EntryType, Member
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.formats import ImageType, Layout, control_path
from lxdimage.metadata import CheckedMetadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["ControlCheck", "Judged", "described"]

_REMEMBERED = 10_000
_LONGEST = 4096  # bytes of a path: longer ones are never unpacked


class Judged(NamedTuple):
    """
    What a daemon made of an image at import, for the checks at its end.

    Attributes:
        target: The daemon.
        layout: One file or two.
        type: Container or virtual machine, None where there is no root.
        checked: What metadata.yaml says, None where there is none.
        unread: Whether something was not read that the daemon would have read.
        templates_unread: Whether it may be a template.
    """

    target: Target
    layout: Layout
    type: ImageType | None
    checked: CheckedMetadata | None
    unread: bool = False
    templates_unread: bool = False


class ControlCheck:
    """
    The members of the archive with metadata.yaml, but for those below rootfs/.

    Attributes:
        kinds: The type of each, by its path; the last one where names repeat.
        leads: Whether a symbolic link leads to a directory, by its path, for those that stay in the tree.
        has_root: Whether a member below rootfs/ was seen, its own entry included.
        root_count: Members of the root file system but for its own entry; None where they were not read.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.kinds: dict[bytes, EntryType] = {}
        self.leads: dict[bytes, bool] = {}
        self._metadata_members = 0
        self._late_metadata = False
        self.has_root = False
        self.root_count: int | None = 0

    @property
    def is_full(self) -> bool:
        """Whether members may have come that are not among `kinds`."""
        return len(self.kinds) >= _REMEMBERED

    def see(self, member: Member, *, decided: bool) -> None:
        """
        Take a member that is not below rootfs/.

        Args:
            member: The member.
            decided: Whether the daemons have stopped reading before it.
        """
        path = control_path(member.name)
        if not self.is_full and len(path) <= _LONGEST:
            self.kinds[path] = member.type
        if path == b"metadata.yaml":
            self._metadata_members += 1
            self._late_metadata = self._late_metadata or (decided and self._metadata_members > 1)

    def finish(self, judged: Judged) -> Iterator[Diagnostic]:
        """Yield what one daemon makes of it."""
        yield from self._links(judged)
        yield from self._root(judged)
        if self._late_metadata:
            yield self._report(
                "metadata-after-root",
                "a further 'metadata.yaml' comes after the first member of the root file system",
            )
        elif self._metadata_members > 1:
            yield self._report("metadata-merged", f"{self._metadata_members} members are 'metadata.yaml'")

    def _report(self, code: str, message: str, stage: Stage | None = None) -> Diagnostic:
        return diagnose(code, message, stage=stage, source=self._source)

    # ---- what daemons open as root ---------------------------------------------------------------------------

    def _links(self, judged: Judged) -> Iterator[Diagnostic]:
        for name in ("metadata.yaml", "backup.yaml", "exec-output", "templates"):
            kind = self.kinds.get(name.encode())
            expected = EntryType.DIRECTORY if name in {"exec-output", "templates"} else EntryType.FILE
            if kind in {None, expected, EntryType.HARD_LINK} or (
                kind is EntryType.FILE and name != "templates"
            ):
                continue
            refused = judged.target.traits.regular_control_files and name.endswith(".yaml")
            # The daemon cannot write its own into a disk.
            refused = refused or (kind is EntryType.BLOCK_DEVICE and name == "backup.yaml")
            yield self._report(
                "control-file-link",
                f"{name!r} is a {described(kind)}, expected a {described(expected)}",
                Stage.CREATE if refused else None,
            )

        if self.kinds.get(b"backup.yaml") is EntryType.DIRECTORY or self.leads.get(b"backup.yaml"):
            text = "'backup.yaml' is a directory, or leads to one, so the daemon cannot write its own"
            yield self._report("control-file-directory", text, Stage.CREATE)

    def _root(self, judged: Judged) -> Iterator[Diagnostic]:
        kind = self.kinds.get(b"rootfs")
        traits = judged.target.traits
        if judged.layout is Layout.SPLIT and kind not in {None, EntryType.DIRECTORY, EntryType.SYMLINK}:
            text = (
                f"'rootfs' in the metadata archive is a {described(kind)}, so no directory can be made there"
            )
            yield self._report("root-not-directory", text, Stage.CREATE)
        elif judged.layout is Layout.SPLIT and self.leads.get(b"rootfs") is False:
            text = "'rootfs' in the metadata archive is a symbolic link that leads to no directory"
            yield self._report("root-not-directory", text, Stage.CREATE)
        elif kind not in {None, EntryType.DIRECTORY}:
            yield self._report(
                "root-not-directory",
                f"'rootfs' is a {described(kind)}, expected a directory",
                Stage.CREATE if traits.needs_root_directory else None,
            )
        container = judged.type is ImageType.CONTAINER
        if container and judged.layout is Layout.UNIFIED and not self.has_root:
            text = "no member that is unpacked begins with 'rootfs/'"
            yield self._report("root-missing", text, Stage.CREATE)
        elif container and self.root_count == 0 and not judged.unread:
            stage = Stage.CREATE if traits.needs_root_content else None
            yield self._report("root-empty", "the root file system has no files", stage)


def described(kind: EntryType | None) -> str:
    assert kind is not None
    return "regular file" if kind is EntryType.FILE else kind.title
