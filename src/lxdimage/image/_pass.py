"""One pass over the files of an image: complete for a scan, abandoned as soon as enough is known for opening it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

import attrs

from lxdimage._chunks import Chunks, drain, peek
from lxdimage._findings import Findings
from lxdimage._sources import Progress, Source, Tracker
from lxdimage.archive import Batch, Member, TarMember, TarReader
from lxdimage.checks import ControlCheck, TemplatesCheck, UnpackCheck, restaged
from lxdimage.diagnostics import Diagnostic, Stage
from lxdimage.errors import InvalidImageError, LimitExceededError
from lxdimage.fingerprint import SHORT_DIGITS, Digest, Fingerprint
from lxdimage.formats import (
    DISK_NAMES,
    METADATA_NAMES,
    METADATA_SIZE,
    QCOW2,
    ROOT_PREFIXES,
    SQUASHFS,
    ImageType,
    Layout,
    control_path,
)
from lxdimage.formats._seekable import SeekableFile
from lxdimage.image._disks import examine_disk, examine_passing_disk, glance_at_disk
from lxdimage.image._judge import Judge
from lxdimage.image._model import FileFacts, Image, Scan
from lxdimage.image._refusals import error_of
from lxdimage.image._stream import FileStream
from lxdimage.limits import Limits
from lxdimage.rules import diagnose
from lxdimage.targets import Target

if TYPE_CHECKING:
    from lxdimage.checks import ImportCheck
    from lxdimage.formats._squashfs import SquashfsMember

__all__ = ["Pass"]

# Global, volume and Solaris' extended headers: entries for Go, which go by their names; nothing to unpack.
_UNREAL = frozenset(b"gVX")
# What a whole image holds beside the root.
_BESIDE_ROOT = (b"metadata.yaml", b"./metadata.yaml", b"templates/", b"./templates/")
_PLAIN = frozenset(b"\x000")  # the type flags that Go calls a regular file


class Pass:
    """
    One pass over the files of one image, for all targets together.

    Use it once: either `run` or `open`.
    """

    def __init__(
        self, sources: Sequence[Source], targets: Iterable[Target], limits: Limits, progress: Progress | None
    ) -> None:
        self._sources = sources
        self._limits = limits
        self._layout = Layout.UNIFIED if len(sources) == 1 else Layout.SPLIT
        self._tracker = Tracker(progress, sources)
        self._whole: Digest | None = None  # of the files so far: the first file's own goes on
        self._judges = [Judge(target, self._layout, sources[0].name, datetime.now(UTC)) for target in targets]
        self._control = ControlCheck(sources[0].name)
        # Of a split image's root, over what its metadata archive has left there.
        self._root_unpack = UnpackCheck(sources[-1].name)
        self._findings = Findings()
        self._templates = TemplatesCheck(sources[0].name, limits)
        self._disk_facts: Mapping[str, str] = {}
        # They matter where rootfs.img makes the image a virtual machine.
        self._disk_findings: list[Diagnostic] = []
        self._members = 0
        self._complete = True

    def run(self, expected: Fingerprint | str | None) -> dict[Target, Scan]:
        """Read everything and return what each daemon makes of it."""
        files = [self._main(self._stream(self._sources[0]))]
        if self._layout is Layout.SPLIT:
            files.append(self._root(self._stream(self._sources[1])))
        assert self._whole is not None
        fingerprint = Fingerprint(self._whole.finish())
        if expected is not None:
            self._compare(fingerprint, expected)
        return {judge.target: self._scan(judge, fingerprint, tuple(files)) for judge in self._judges}

    def open(self) -> Image:
        """
        Read no more than it takes to know the metadata, the type and the templates that rules name.

        Raises:
            InvalidImageError: When the (first) target refuses the image.
            InvalidMetadataError: When it does so because of metadata.yaml.
        """
        self._complete = False
        files = [self._main(self._stream(self._sources[0]))]
        (judge, *_) = self._judges
        if self._layout is Layout.SPLIT:
            stream = self._stream(self._sources[1])
            judge.detect_root(stream)
            files.append(self._disk_root(stream) if stream.format == QCOW2 else stream.facts())
        refusals = [d for d in (*judge.importing.findings, *judge.findings) if d.stage is Stage.IMPORT]
        if refusals:
            raise error_of(refusals)
        return judge.image(tuple(files), self._templates)

    def _stream(self, source: Source) -> FileStream:
        digest = None
        if self._complete:
            digest = Digest(self._whole) if self._whole else Digest()
            self._whole = self._whole or digest
        return FileStream(source, self._tracker, digest, self._limits)

    # ---- the file with metadata.yaml -----------------------------------------------------------------------

    def _main(self, stream: FileStream) -> FileFacts:
        for judge in self._judges:
            judge.detect(stream)
        facts = None
        if stream.format == SQUASHFS:
            facts = self._squashfs_archive(stream)
        elif stream.format is not None and stream.format.is_tar:
            self._archive(stream)
        undecided = self._undecided()
        for importing in undecided:
            importing.finish()
        self._expect(undecided)
        for judge in self._judges:
            judge.templates_unread = judge.unread or self._control.is_full
        facts = facts or (stream.finish() if self._complete else stream.facts())
        return attrs.evolve(facts, facts=self._disk_facts) if self._disk_facts else facts

    def _archive(self, stream: FileStream) -> None:
        reader = stream.members(strict=True)
        unpack = UnpackCheck(stream.name)
        roots = 0
        try:
            for found in reader.batches(ROOT_PREFIXES):
                if isinstance(found, Batch):
                    roots += self._root_batch(found, reader, unpack)
                else:
                    roots += self._root_or_control(found, reader, unpack)
                if not (self._complete or reader.strict) and self._knows_templates():
                    return
        except InvalidImageError as error:
            if not stream.limited:
                self._damaged(error)
        else:
            self._end(stream, reader)
        self._control.root_count = roots
        for name in (b"rootfs", b"backup.yaml"):
            if (leads := unpack.leads_to_directory(name)) is not None:
                self._control.leads[name] = leads
        self._finish_archive(stream, reader, unpack)

    def _root_batch(self, batch: Batch, reader: TarReader, unpack: UnpackCheck) -> int:
        """Take ordinary members that lie in rootfs/ and return how many of the root they are."""
        if reader.strict:
            self._import(batch[0], reader)  # the others would tell the daemons nothing more
        self._control.has_root = True
        self._batch(batch, unpack)
        if self._layout is Layout.SPLIT:
            for place in range(len(batch)):
                self._expect_at_root(batch[place])
        names = [name for name, _, _ in batch.members]
        return len(names) - sum(map(names.count, ROOT_PREFIXES))

    def _root_or_control(self, member: TarMember, reader: TarReader, unpack: UnpackCheck) -> int:
        """Take any member and return how many of the root it is."""
        decided = not reader.strict
        if not decided:
            self._import(member, reader)
        if member.unpacked is not None:
            member.name = member.unpacked  # from here on, what becomes of it counts
        unpack.see(member)
        if member.flag in _UNREAL:
            return 0
        if self._layout is Layout.SPLIT:
            self._expect_at_root(member)
        if not member.name.startswith(ROOT_PREFIXES):
            self._control.see(member, decided=decided)
            self._keep(member)
            return 0
        self._control.has_root = True
        if member.name in self._templates.wanted:
            self._templates.see_target(member.name, member.entry)
        return member.name not in ROOT_PREFIXES

    def _expect_at_root(self, member: TarMember) -> None:
        """Remember what the metadata archive of a split image puts where its root is unpacked afterwards."""
        parent, _, path = control_path(member.name).partition(b"/")
        if parent == b"rootfs" and path:
            self._root_unpack.assume(path, member.type, member.target)

    def _batch(self, batch: Batch, unpack: UnpackCheck) -> None:
        """Take ordinary members of the root file system."""
        unpack.see_batch(batch)
        if wanted := self._templates.wanted:
            for place, (name, _, _) in enumerate(batch.members):
                if name in wanted:
                    self._templates.see_target(name, batch[place].entry)

    def _import(self, member: TarMember, reader: TarReader) -> None:
        """Show a member to the daemons that have not decided yet."""
        waiting = self._undecided()
        self._show(member, waiting, plain=member.flag in _PLAIN)
        reader.strict = not all(importing.done for importing in waiting)

    def _show(self, member: Member, waiting: Sequence[ImportCheck], *, plain: bool = True) -> None:
        text = peek(member.chunks(), METADATA_SIZE + 1)[0] if member.name in METADATA_NAMES else None
        for importing in waiting:
            importing.see(member, member.name, text, plain=plain)
        if text is not None:
            self._templates.metadata = text
        self._expect(waiting)

    def _undecided(self) -> list[ImportCheck]:
        return [judge.importing for judge in self._judges if not judge.importing.done]

    def _expect(self, undecided: Iterable[ImportCheck]) -> None:
        """Look out for the targets of rules from here on, as those see them that have decided now."""
        for importing in undecided:
            if importing.done and importing.checked and importing.checked.metadata:
                self._templates.expect(importing.checked.metadata, self._layout)

    def _squashfs_archive(self, stream: FileStream) -> FileFacts:
        """Judge a SquashFS with metadata.yaml: at import the daemons read it through ``sqfs2tar``."""
        from lxdimage.formats._squashfs import (
            check_superblock,
            members_at_creation,
            members_at_import,
            open_squashfs,
        )

        with stream.seekable() as (file, facts):
            size = file.seek(0, os.SEEK_END)
            try:
                with open_squashfs(file, limits=self._limits, source=stream.name) as squashfs:
                    for member in members_at_import(squashfs):
                        if all(judge.importing.done for judge in self._judges):
                            squashfs.tolerate()
                        self._squashfs_member(member)
                    for _ in members_at_creation(squashfs) if self._complete else ():
                        pass
                    self._report(squashfs.refusals(Stage.CREATE))
            except InvalidImageError as error:
                self._damaged(error)
            self._report(check_superblock(stream.head, size, stream.name))
        return facts

    def _import_from_tar(self, member: SquashfsMember, waiting: Sequence[ImportCheck]) -> None:
        """Show what ``sqfs2tar`` writes of a member to the daemons that have not decided yet."""
        from lxdimage.formats._squashfs import refused_in_tar

        if ended := refused_in_tar(member, self._sources[0].name):
            for importing in waiting:  # what comes behind is never seen
                importing.refuse(ended)
            self._expect(waiting)
            return
        self._show(member, waiting)
        drain(member.chunks())  # what cannot be read ends the tar as well

    def _squashfs_member(self, member: SquashfsMember) -> None:
        self._members += 1
        name = member.name
        waiting = self._undecided()
        if waiting:
            self._import_from_tar(member, waiting)
        if name.startswith(ROOT_PREFIXES):
            self._control.has_root = True
            self._control.root_count = (self._control.root_count or 0) + (name not in ROOT_PREFIXES)
            if name in self._templates.wanted:
                self._templates.see_target(name, member.entry)
            self._fidelity(member)
        else:
            self._control.see(member, decided=not waiting)
            self._keep(member)

    def _fidelity(self, member: SquashfsMember) -> None:
        """Report what Incus loses when it unpacks a SquashFS."""
        if "security.capability" in member.xattrs:
            path = os.fsdecode(member.name)
            finding = diagnose(
                "capability-lost", f"{path!r} has file capabilities", source=self._sources[-1].name
            )
            for judge in self._judges:
                if not judge.target.traits.file_capabilities_on_squashfs:
                    judge.lost.add(finding)

    def _knows_templates(self) -> bool:
        """Tell whether every template that a rule names was seen, so that reading may stop."""
        checked = self._judges[0].importing.checked
        if checked is None or checked.metadata is None:
            return True
        return all(
            rule.template in self._templates.files
            for rule in checked.metadata.templates.values()
            if not rule.null
        )

    def _keep(self, member: Member) -> None:
        """Keep a template's content; look into a disk."""
        name = member.name.removeprefix(b"./")
        if name in DISK_NAMES:
            source = f"{self._sources[0].name}:rootfs.img"
            found, self._disk_facts = self._passing_disk(member.chunks(), source)
            self._disk_findings.extend(found)
        elif name.startswith(b"templates/"):
            self._report(self._templates.see(name, member))

    def _end(self, stream: FileStream, reader: TarReader) -> None:
        """Look at what follows the last member."""
        if not reader.ended and stream.damage is None:
            self._report(
                [
                    diagnose(
                        "no-end-of-archive",
                        "the archive does not end in two blocks of zeros",
                        source=stream.name,
                    )
                ]
            )
        at = reader.offset
        for chunk in reader.rest():
            if chunk.count(0) != len(chunk):
                offset = at + len(chunk) - len(chunk.lstrip(b"\0"))
                text = "something else follows the end of the archive"
                self._report([diagnose("data-after-end", text, source=stream.name, offset=offset)])
                break
            at += len(chunk)

    def _finish_archive(self, stream: FileStream, reader: TarReader, unpack: UnpackCheck) -> None:
        """Decode what is left, so that damage behind the archive is found, and take what was found in all."""
        try:
            drain(reader.rest())
        except LimitExceededError as error:
            self._damaged(error)
        self._members += reader.count
        if reader.cut and not stream.limited:
            text = f"the last member's padding is {reader.cut} bytes short"
            finding = diagnose("truncated-archive", text, source=stream.name)
            for judge in self._judges:
                judge.findings.append(restaged(finding, Stage.CREATE))
        for judge in self._judges:
            judge.findings.extend(unpack.findings(unpacks_dev=judge.target.traits.unpacks_dev))
        if stream.damage is not None:
            unseen = reader.ended and stream.unread_from(reader.offset)
            for judge in self._judges:
                judge.undecodable(stream.damage, unseen=unseen)

    def _damaged(self, error: InvalidImageError, *, begun: bool = True) -> None:
        """Take what ended the reading of an archive, and whether a member of it was read before."""
        for judge in self._judges:
            judge.damaged(error, begun=begun)

    def _report(self, findings: Iterable[Diagnostic]) -> None:
        """Take findings that are the same for all targets."""
        self._findings.add(*findings)

    # ---- the second file of a split image ------------------------------------------------------------------

    def _root(self, stream: FileStream) -> FileFacts:
        for judge in self._judges:
            judge.detect_root(stream)
        if stream.format is not None and stream.format.is_tar:
            self._root_archive(stream)
        elif stream.format == SQUASHFS:
            return self._squashfs_root(stream)
        elif stream.format == QCOW2:
            return self._disk_root(stream)
        return stream.finish()

    def _root_archive(self, stream: FileStream) -> None:
        reader = stream.members(strict=False)
        unpack = self._root_unpack
        prefixed = others = 0
        try:
            for found in reader.batches():
                if isinstance(found, Batch):
                    self._batch(found, unpack)
                    prefixed += sum(name.startswith(ROOT_PREFIXES) for name, _, _ in found.members)
                    others += sum(name.startswith(_BESIDE_ROOT) for name, _, _ in found.members)
                    continue
                unpack.see(found)
                prefixed += found.name.startswith(ROOT_PREFIXES)
                others += found.name.startswith(_BESIDE_ROOT)
                if found.name in self._templates.wanted:
                    self._templates.see_target(found.name, found.entry)
        except InvalidImageError as error:
            # Only of a file that it reads itself does tar ask for one whole header.
            if not stream.limited:
                self._damaged(error, begun=reader.count > 0 or stream.compressed)
            whole = False
        else:
            self._end(stream, reader)
            whole = stream.damage is None
        # Where nothing could be read, damage says why; that there is nothing would be a guess.
        self._control.root_count = reader.count or (0 if whole else None)
        if prefixed and prefixed + others >= reader.count - 1:
            what = "are those of a whole image" if others else "begin with 'rootfs/'"
            text = f"all members of the root {what}, so its files end up in /rootfs of the instance"
            self._report([diagnose("root-prefixed", text, source=stream.name)])
        self._finish_archive(stream, reader, unpack)

    def _disk_root(self, stream: FileStream) -> FileFacts:
        """Read the disk of a virtual machine, its tables walked in a complete pass."""
        if self._complete and stream.rereadable:
            with stream.seekable() as (file, facts):
                findings, told = examine_disk(SeekableFile(file), stream.name)
        else:
            findings, told = self._passing_disk(stream.raw(), stream.name)
            facts = stream.finish() if self._complete else stream.facts()
        self._report(findings)
        return attrs.evolve(facts, facts=told)

    def _passing_disk(self, chunks: Chunks, name: str) -> tuple[tuple[Diagnostic, ...], Mapping[str, str]]:
        """Look into a disk while it passes, only at its beginning unless the pass is complete."""
        return examine_passing_disk(chunks, name) if self._complete else ((), glance_at_disk(chunks))

    def _squashfs_root(self, stream: FileStream) -> FileFacts:
        """Read a SquashFS root completely, as ``unsquashfs`` will when an instance is created."""
        from lxdimage.formats._squashfs import check_superblock

        self._control.root_count = None
        with stream.seekable() as (file, facts):
            assert facts.size is not None
            findings = check_superblock(stream.head, facts.size, stream.name)
            self._report(findings)
            if not any(finding.stage for finding in findings):
                self._squashfs_content(file, stream.name)
        return facts

    def _squashfs_content(self, file: BinaryIO, name: str) -> None:
        from lxdimage.formats._squashfs import members_at_creation, open_squashfs

        count = 0
        try:
            with open_squashfs(file, limits=self._limits, source=name) as squashfs:
                for member in members_at_creation(squashfs):
                    self._members += 1
                    count += member.name not in {b"./", b"."}
                    if self._root_unpack.assumes:
                        self._root_unpack.see_unsquashed(control_path(member.name), member.type)
                    if member.name in self._templates.wanted:
                        self._templates.see_target(member.name, member.entry)
                    self._fidelity(member)
                self._report(squashfs.refusals(Stage.CREATE))
            self._report(self._root_unpack.findings(unpacks_dev=True))
            self._control.root_count = count
        except InvalidImageError as error:
            self._report(restaged(diagnostic, Stage.CREATE) for diagnostic in error.diagnostics)

    # ---- the result ----------------------------------------------------------------------------------------

    def _scan(self, judge: Judge, fingerprint: Fingerprint, files: tuple[FileFacts, ...]) -> Scan:
        judged = judge.judged
        findings = (
            *self._templates.reviewed(judged, judge.importing.findings),
            *judge.findings,
            *judge.lost.all(),
            *self._control.finish(judged),
            *self._templates.finish(judged, self._control.kinds),
            *(self._disk_findings if judged.type is ImageType.VIRTUAL_MACHINE else ()),
            *self._findings.all(),
        )
        refused = any(finding.stage is Stage.IMPORT for finding in findings)
        return Scan(
            target=judge.target,
            fingerprint=fingerprint,
            size=sum(file.size or 0 for file in files),
            layout=self._layout,
            image=None if refused else judge.image(files, self._templates),
            diagnostics=findings,
            files=files,
            members=self._members,
        )

    def _compare(self, fingerprint: Fingerprint, expected: Fingerprint | str) -> None:
        """Report a fingerprint that is not the expected one."""
        digits = str(expected).strip()
        if len(digits) < SHORT_DIGITS or not fingerprint.matches(digits):
            text = f"the fingerprint is {fingerprint.hex}, expected {str(expected)!r}"
            name = " + ".join(source.name for source in self._sources)
            self._report([diagnose("fingerprint-mismatch", text, stage=Stage.IMPORT, source=name)])
