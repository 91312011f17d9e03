"""Editing: new metadata and templates, the root as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import attrs

from lxdimage._arguments import check_bytes, choice_of
from lxdimage._chunks import drain
from lxdimage._sources import FileArgument, Progress, check_file_count, open_sources
from lxdimage.archive import write_archive
from lxdimage.build._assemble import Assembly, Form
from lxdimage.build._head import Head, Revision, absent
from lxdimage.build._model import BuiltImage
from lxdimage.build._options import check_numbers
from lxdimage.build._origin import Origin
from lxdimage.build._parts import ROOT, Disk, Part
from lxdimage.build._reading import read_control
from lxdimage.build._settle import dump_text
from lxdimage.build._splice import TakenHead, take_head
from lxdimage.build._targets import OutputTarget, output_room, output_targets
from lxdimage.build._template_rules import RuleEdit, edited_rules
from lxdimage.build._templates import check_template_name
from lxdimage.compression import Compression
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError, ImmutableFieldError
from lxdimage.fingerprint import Digest, Fingerprint
from lxdimage.formats import QCOW2, SQUASHFS, ImageType, Layout
from lxdimage.formats._sinks import OutputArgument
from lxdimage.formats._write import OutputFiles, WrittenFile, open_outputs
from lxdimage.limits import Limits
from lxdimage.metadata import Metadata, parse_metadata
from lxdimage.rules import diagnose
from lxdimage.targets import Target

__all__ = ["MetadataEdit", "edit_image"]

MetadataEdit: TypeAlias = Metadata | str | bytes | Callable[[Metadata], Metadata]
"""New metadata: a value, the text of a metadata.yaml to be stored as it is, or what to do to the old."""


def edit_image(  # noqa: PLR0913 - each is a change of its own
    *files: FileArgument,
    output: OutputTarget,
    metadata: MetadataEdit | None = None,
    properties: Mapping[str, str | None] | None = None,
    expiry: datetime | int | None = None,
    rules: Mapping[str, RuleEdit] | None = None,
    templates: Mapping[str, bytes | None] | None = None,
    allow_immutable: bool = False,
    level: int | None = None,
    threads: int | None = None,
    target: Target | str = Target.LXD,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> BuiltImage:
    """
    Write an image with other metadata or templates.

    The bytes of the root are copied as they are where that is possible: in every split image, and in a unified one
    whose metadata and templates are apart from the root, as `build_image` and `convert_image` write them.  Else the
    image is decompressed and compressed again, its tar unchanged but for what was asked; `BuiltImage.notes` says
    which.  A copy does not look at the root, so damage in it stays.  What is to be removed and is not there is worth a
    note and no error, so that the same edit can be made twice.

    Args:
        files: The file of a unified image, or the metadata file and the root file of a split one, in this order.
        output: Where to write; the file itself is allowed, and of a split image the root file then stays untouched.
        metadata: The new metadata; the following changes come on top of it.
        properties: Properties to set, or to remove where the value is None.
        expiry: The new expiry date; 0 removes it.
        rules: Template rules to set by the path that they write, or to remove where the value is None; what can be
            called gets the old rule, None where there is none, and returns the new one.
        templates: Template files to write by name, or to remove where the value is None.
        allow_immutable: Allow another architecture or creation date.
        level: Speed against size, where the image has to be compressed again.
        threads: At most so many threads compress.
        target: The daemon that the image is meant for.
        limits: Bounds on what an untrusted image may use.
        progress: Called with the bytes read so far and in all.

    Returns:
        What was written.

    Raises:
        ImmutableFieldError: The architecture or the creation date would change.
        InvalidImageError: The files are no image, or a damaged one.
        InvalidMetadataError: The target cannot use the metadata, the old or the new.
        BuildError: It cannot be written as asked, or a changed rule would lack its template.
        OSError: A file cannot be read or written.
    """
    check_numbers(threads=threads)
    check_file_count(files)
    target = choice_of(Target, target, "target")
    changes = _Changes(
        metadata=metadata,
        properties=dict(properties or {}),
        expiry=expiry,
        rules=dict(rules or {}),
        allow_immutable=allow_immutable,
        target=target,
    )
    revision = changes.revision(_checked(templates or {}))
    limits = limits or Limits()
    with (
        open_sources(files) as sources,
        closing(Origin(sources, limits=limits, progress=progress)) as origin,
    ):
        layout = Layout.UNIFIED if len(files) == 1 else Layout.SPLIT
        targets = output_targets(output, layout)
        editor = _Editor(origin, revision, level=level, threads=threads, limits=limits)
        with closing(editor):
            if layout is Layout.SPLIT and _same_file(files[1], targets[1]):
                done = editor.edit_metadata_file(targets[0])
            else:
                with open_outputs(*targets) as outputs:
                    kind = editor.edit(outputs, room=output_room(targets[0]))
                    editor.head.check_templates()
                done = BuiltImage.from_outputs(
                    outputs, type=kind, metadata=editor.head.metadata, notes=tuple(editor.notes)
                )
            absent = (*changes.absent, *editor.head.absent_templates())
    return attrs.evolve(done, notes=(*done.notes, *absent))


# ---- what is to change ----------------------------------------------------------------------------------------------


def _checked(templates: Mapping[str, bytes | None]) -> Mapping[str, bytes | None]:
    """Return *templates* if every one can be a file below templates/, or is to go."""
    for name, content in templates.items():
        if content is not None:
            check_bytes(content, f"templates[{name!r}]")
        check_template_name(name)
    return templates


@attrs.frozen(kw_only=True)
class _Changes:
    """
    What `edit_image` was asked for.

    Attributes:
        absent: What was to be removed and was not there, once the changes were applied.
    """

    metadata: MetadataEdit | None
    properties: Mapping[str, str | None]
    expiry: datetime | int | None
    rules: Mapping[str, RuleEdit]
    allow_immutable: bool
    target: Target
    absent: list[Diagnostic] = attrs.field(factory=list, init=False, eq=False)

    def revision(self, templates: Mapping[str, bytes | None]) -> Revision:
        """Return what is to change beside the root."""
        if not isinstance(self.metadata, str | bytes):
            return Revision(metadata=self._apply, templates=templates, target=self.target)
        text = self.metadata
        data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        parsed = self._parsed()

        def dump(new: Metadata) -> bytes:
            return data if new == parsed else dump_text(new)

        return Revision(metadata=self._apply, dump=dump, templates=templates, target=self.target)

    def _parsed(self) -> Metadata:
        assert isinstance(self.metadata, str | bytes)
        return parse_metadata(self.metadata, target=self.target)

    def _apply(self, old: Metadata) -> Metadata:
        """Return the new metadata."""
        base = self._base(old)
        self.absent[:] = (
            *_absent("property", self.properties, base.properties),
            *_absent("rule", self.rules, base.templates),
        )
        new = base.evolve(
            properties=_merged(base.properties, self.properties),
            templates=edited_rules(base.templates, self.rules),
            expiry_date=base.expiry_timestamp if self.expiry is None else self.expiry,
        )
        if not self.allow_immutable:
            _check_immutable(old, new)
        return new

    def _base(self, old: Metadata) -> Metadata:
        match self.metadata:
            case None:
                return old
            case Metadata():
                return self.metadata
            case str() | bytes():
                return self._parsed()
            case change:
                return change(old)


def _absent(what: str, changes: Mapping[str, object], old: Collection[str]) -> Iterator[Diagnostic]:
    """Yield a finding for each name that is to go and is not there."""
    return (absent(what, name, old) for name, new in changes.items() if new is None and name not in old)


def _merged(old: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**old, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def _check_immutable(old: Metadata, new: Metadata) -> None:
    changed = [
        f"the {name} would change from {before} to {after}"
        for name, before, after in (
            ("architecture", old.architecture, new.architecture),
            ("creation date", old.creation_timestamp, new.creation_timestamp),
        )
        if before != after
    ]
    if changed:
        raise ImmutableFieldError(*(diagnose("immutable-field", text) for text in changed))


_WHY = {
    True: "the metadata is not apart from the root, so that the image was compressed again",
    False: "what is to change may be behind the beginning of the root, so that the image was compressed again",
}

# ---- doing it -------------------------------------------------------------------------------------------------------


def _same_file(file: FileArgument, target: FileArgument) -> bool:
    if not isinstance(file, str | os.PathLike) or not isinstance(target, str | os.PathLike):
        return False
    try:
        return Path(file).samefile(target)
    except OSError:
        return False


class _Editor:
    """
    Writes one image with a new head.

    Attributes:
        head: What stands in front.
        notes: What had to be decided, and whether the root was copied.
    """

    def __init__(
        self, origin: Origin, revision: Revision, *, level: int | None, threads: int | None, limits: Limits
    ) -> None:
        self.notes: list[Diagnostic] = []
        self._origin = origin
        self._revision = revision
        self._limits = limits
        file = origin.files[0]
        self._form = Form(
            layout=Layout.UNIFIED if len(origin.files) == 1 else Layout.SPLIT,
            compression=file.compression if file.format.is_tar else Compression.XZ,
            level=level,
            threads=threads,
            keep_names=True,
        )
        self.head = self._new_head()

    def _new_head(self) -> Head:
        return Head(self._revision, self._origin.name, keep_names=True)

    def close(self) -> None:
        """Let go of what was kept."""
        self.head.close()

    def edit(self, outputs: OutputFiles, *, room: Path | None) -> ImageType:
        """Write all files."""
        if self._form.layout is Layout.SPLIT:
            self._note("root-copied", "the bytes of the root were copied as they are")
            return self._assemble(outputs, self._origin.parts(keep=True), room)
        file = self._origin.files[0]
        if file.format == SQUASHFS:
            text = "the image is one SquashFS, which cannot be edited"
            raise BuildError(diagnose("unified-squashfs", text, source=file.name))
        if (taken := take_head(file, self._limits)) and self._suffices(taken):
            self._note("root-copied", "the bytes of the root were copied as they are")
            (output,) = outputs.files
            output.write_all(self._form.encoded(self.head.chunks()))
            output.copy(file.raw())
            return ImageType.VIRTUAL_MACHINE if isinstance(taken.root, Disk) else ImageType.CONTAINER
        self._note("root-restreamed", _WHY[taken is None])
        return self._assemble(outputs, self._origin.parts(prefix=ROOT), room)

    def _suffices(self, taken: TakenHead) -> bool:
        """Take in the head, and tell whether nothing that is to change may be behind the root."""
        self.head.collect(taken.parts())
        if self.head.complete and self.head.has_templates(self._must_be_seen()):
            return True
        taken.give_back()
        self.head.close()
        self.head = self._new_head()
        return False

    def _must_be_seen(self) -> Iterator[str]:
        """Yield the templates that have to be in the head, because behind the root they would count as well."""
        plain = self._form.compression is Compression.NONE
        for name, text in self._revision.templates.items():
            # Whoever compresses the head apart puts all templates there; in a plain tar they may be anywhere.
            if plain or text is None:
                yield name

    def _assemble(self, outputs: OutputFiles, parts: Iterator[Part], room: Path | None) -> ImageType:
        assembly = Assembly(
            self._form, self.head, outputs, origin=self._origin, limits=self._limits, room=room
        )
        kind = assembly.write(parts)
        self.notes.extend(assembly.notes)
        return kind

    def _note(self, code: str, text: str) -> None:
        self.notes.append(diagnose(code, text, source=self._origin.name))

    def edit_metadata_file(self, target: OutputArgument) -> BuiltImage:
        """Write the metadata file of a split image whose root file stays where it is."""
        metadata, root = self._origin.files
        kind = ImageType.VIRTUAL_MACHINE if root.format == QCOW2 else ImageType.CONTAINER
        whole = Digest()
        with open_outputs(target) as outputs:
            self.head.collect(read_control(metadata.members(), metadata.name, strays=True))
            self.head.check_templates()
            outputs.files[0].write_all(whole.tap(self._form.encoded(write_archive(self.head.items()))))
            whole.finish()  # from here on the other one feeds it
            alone = Digest(whole)
            try:
                drain(alone.tap(root.raw()))
            finally:
                sha256 = alone.finish()
        self._note("root-untouched", f"the root stays in {root.name!r}")
        files = (*outputs.written, WrittenFile(path=root.name, size=alone.size, sha256=sha256))
        return BuiltImage(
            fingerprint=Fingerprint(whole.finish()),
            size=whole.size,
            layout=Layout.SPLIT,
            type=kind,
            metadata=self.head.metadata,
            files=files,
            notes=(*self.head.notes, *self.notes),
        )
