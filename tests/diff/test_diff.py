"""Rules of comparing two images: what is a difference, what is none, whatever the form of either."""

from __future__ import annotations

import io
import itertools
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from lxdimage import (
    Compression,
    FieldChange,
    ImageDiff,
    ImageType,
    Layout,
    MemberField,
    Target,
    TemplateRule,
    convert_image,
    diff_images,
)
from lxdimage.archive import Entry, EntryType
from lxdimage.errors import InvalidImageError, InvalidMetadataError
from lxdimage.formats._squashfs import write_squashfs
from making import CODECS, METADATA, TEMPLATED, container, member, pack
from piping import pipe
from rich import FORMATS, image

Form = Callable[[Path, Path], tuple[Path, ...]]


def qcow2(size: int) -> bytes:
    """Return a disk of version 2 with clusters of 64 KiB, one for each table."""
    header = 2, 0, 0, 16, size, 0, 1, 3 << 16, 1 << 16, 1, 0, 0
    return struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", *header).ljust(1 << 16, b"\0").ljust(4 << 16, b"\1")


DISK, LARGER_DISK = qcow2(1 << 20), qcow2(1 << 21)


def diff(before: bytes, after: bytes, **options: object) -> ImageDiff:
    return diff_images(io.BytesIO(before), io.BytesIO(after), **options)  # type: ignore[arg-type]


def with_members(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return container(TEMPLATED, *members)


def changes(found: ImageDiff) -> dict[str, object]:
    """Return what became of members: a word, or the names of what differs."""
    return {
        change.path: "added"
        if change.before is None
        else "removed"
        if change.after is None
        else {field.value for field in change.fields}
        for change in found.members
    }


# ---- forms ---------------------------------------------------------------------------------------------------------


def _converted(**options: object) -> Form:
    def convert(source: Path, output: Path) -> tuple[Path, ...]:
        done = convert_image(source, output=output, **options)  # type: ignore[arg-type]
        return tuple(Path(file.path) for file in done.files if file.path is not None)

    return convert


ROOT_FORMS: dict[str, Form] = {
    "as it is": lambda source, _: (source,),
    **{
        f"unified {compression.value}": _converted(compression=compression)
        for compression in (Compression.GZIP, Compression.BZIP2, Compression.XZ, Compression.ZSTD)
    },
    "unified lzma": _converted(compression=Compression.LZMA),
    "split tar": _converted(layout=Layout.SPLIT, compression=Compression.NONE),
    "split zstd": _converted(layout=Layout.SPLIT, compression=Compression.ZSTD),
    "split squashfs": _converted(layout=Layout.SPLIT, rootfs_format="squashfs"),
    "split squashfs xz": _converted(
        layout=Layout.SPLIT, rootfs_format="squashfs", compression=Compression.XZ
    ),
}


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_equals_itself_in_every_other_form(tmp_path: Path, form: str) -> None:
    """Conversion changes nothing, times included."""
    source = tmp_path / "image"
    source.write_bytes(image(form))
    made = {name: make(source, tmp_path / name) for name, make in ROOT_FORMS.items()}
    back = tmp_path / "back"
    convert_image(*made["split squashfs"], output=back, layout=Layout.UNIFIED)
    made["back from squashfs"] = (back,)

    for one, other in itertools.pairwise([*made, "as it is"]):
        found = diff_images(made[one], made[other], ignore=())
        assert found.same, (one, other, found)


@pytest.mark.parametrize("name", ROOT_FORMS)
def test_a_difference_is_seen_in_every_form_and_from_both_sides(tmp_path: Path, name: str) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(with_members(member("rootfs/f", b"one"), member("rootfs/gone")))
    new.write_bytes(with_members(member("rootfs/f", b"two"), member("rootfs/came")))
    files = ROOT_FORMS[name](new, tmp_path / "form")

    expected = {"rootfs/came": "added", "rootfs/f": {"content"}, "rootfs/gone": "removed"}
    assert expected == changes(diff_images(old, files))
    swapped = {"rootfs/came": "removed", "rootfs/f": {"content"}, "rootfs/gone": "added"}
    assert swapped == changes(diff_images(files, old))


def test_a_unified_squashfs_is_compared_like_a_tar() -> None:
    def squashed(text: bytes) -> BinaryIO:
        made = io.BytesIO()
        members = [
            (Entry(path="metadata.yaml", type=EntryType.FILE, size=len(METADATA)), iter((METADATA,))),
            (Entry(path="rootfs/", type=EntryType.DIRECTORY, mode=0o755), iter(())),
            (Entry(path="rootfs/f", type=EntryType.FILE, size=len(text)), iter((text,))),
        ]
        write_squashfs(members, made, mtime=0)
        made.seek(0)
        return made

    tar = pack([member("metadata.yaml", METADATA), member("rootfs/f", b"x")])
    assert diff_images(squashed(b"x"), io.BytesIO(tar)).same
    assert {"rootfs/f": {"content"}} == changes(diff_images(squashed(b"y"), io.BytesIO(tar)))


def test_the_images_are_described_beside_their_differences(tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_bytes(CODECS["gzip"](container()))
    split = ROOT_FORMS["split squashfs"](source, tmp_path / "split")
    found = diff_images(source, split)

    assert found.same
    assert (Layout.UNIFIED, ImageType.CONTAINER) == (found.before.layout, found.before.type)
    assert ["tar.gz"] == [file.format.name for file in found.before.files if file.format]
    assert (Layout.SPLIT, ImageType.CONTAINER) == (found.after.layout, found.after.type)
    assert ["tar.gz", "squashfs"] == [file.format.name for file in found.after.files if file.format]


# ---- metadata ------------------------------------------------------------------------------------------------------


def metadata_diff(before: bytes, after: bytes, **options: object) -> tuple[FieldChange, ...]:
    found = diff(container(before), container(after), **options)
    assert found.same == (not found.metadata)
    return found.metadata


def field(*path: str, before: object, after: object) -> FieldChange:
    return FieldChange(path=path, before=before, after=after)  # type: ignore[arg-type]


def test_metadata_differs_value_by_value() -> None:
    before = b"architecture: x86_64\ncreation_date: 1\nproperties: {os: a, old: x, same: s}\n"
    after = b"architecture: arm64\ncreation_date: 2\nexpiry_date: 3\nproperties: {os: b, new: y, same: s}\n"
    assert metadata_diff(before, after) == (
        field("architecture", before="x86_64", after="aarch64"),
        field("creation_date", before=1, after=2),
        field("expiry_date", before=0, after=3),
        field("properties", "old", before="x", after=None),
        field("properties", "os", before="a", after="b"),
        field("properties", "new", before=None, after="y"),
    )


def test_metadata_is_compared_as_the_daemons_read_it() -> None:
    before = b"architecture: amd64\ncreation_date: 1_000\nproperties: {os: 14.04}\n"
    after = b'# the same\ncreation_date: 1000\nproperties: {"os": "14.04"}\narchitecture: x86_64\n'
    assert metadata_diff(before, after) == ()


RULE = b"templates:\n  /f:\n    template: hostname.tpl\n"


@pytest.mark.parametrize(
    ("before", "after", "path", "values"),
    [
        (b"    when: [start]", b"    when: [start, copy]", ("when",), (("start",), ("copy", "start"))),
        (b"    create_only: false", b"    create_only: true", ("create_only",), (False, True)),
        (b"    properties: {a: b}", b"    properties: {a: c}", ("properties", "a"), ("b", "c")),
        (b"    properties: {a: b}", b"", ("properties", "a"), ("b", None)),
        (b'    uid: "1"', b'    uid: "2"', ("uid",), ("1", "2")),
        (b'    mode: "0600"', b"", ("mode",), ("0600", None)),
    ],
)
def test_template_rules_differ_value_by_value(
    before: bytes, after: bytes, path: tuple[str, ...], values: tuple[object, object]
) -> None:
    found = metadata_diff(METADATA + RULE + before, METADATA + RULE + after)
    assert found == (field("templates", "/f", *path, before=values[0], after=values[1]),)


def test_the_order_of_triggers_is_no_difference() -> None:
    one, other = b"    when: [start, copy]", b"    when: [copy, start, copy]"
    assert metadata_diff(METADATA + RULE + one, METADATA + RULE + other) == ()


def test_a_rule_that_only_one_image_has_is_one_difference() -> None:
    rule = TemplateRule(template="hostname.tpl", when=("start",))
    with_rule = METADATA + RULE + b"    when: [start]"
    assert metadata_diff(METADATA, with_rule) == (field("templates", "/f", before=None, after=rule),)
    assert metadata_diff(with_rule, METADATA) == (field("templates", "/f", before=rule, after=None),)
    null = METADATA + b"templates: {/f: }"
    assert metadata_diff(null, null) == ()
    assert metadata_diff(null, with_rule) == (
        field("templates", "/f", before=TemplateRule(null=True), after=rule),
    )


def test_metadata_that_is_missing_differs_in_everything() -> None:
    nothing = pack([member("rootfs/f")])
    found = diff(nothing, pack([member("metadata.yaml", METADATA), member("rootfs/f")]))
    assert [change.path for change in found.metadata] == [
        ("architecture",),
        ("creation_date",),
        ("expiry_date",),
        ("properties", "os"),
    ]
    assert all(change.before is None for change in found.metadata)
    assert found.members == ()
    assert diff(nothing, nothing).same


def test_a_second_metadata_file_behind_the_root_is_a_member_that_differs() -> None:
    """It is not read at import, and yet it is the one that instances get."""
    one = pack([member("metadata.yaml", METADATA), member("rootfs/f")])
    late = member("metadata.yaml", METADATA + b"  more: x\n")
    other = pack([member("metadata.yaml", METADATA), member("rootfs/f"), late])
    found = diff(one, other)
    assert found.metadata == ()
    assert {"metadata.yaml": {"size", "content"}} == changes(found)


# ---- templates -----------------------------------------------------------------------------------------------------


def test_templates_differ_by_content_alone() -> None:
    before = with_members(
        member("templates/same", b"s"), member("templates/old", b"o"), member("templates/x", b"1", mode=0o600)
    )
    after = with_members(
        member("templates/new", b"n"), member("templates/same", b"s", uid=7), member("templates/x", b"22")
    )
    found = diff(before, after, ignore=())
    assert found.members == ()
    assert [
        ("new", None, b"n"),
        ("old", b"o", None),
        ("x", b"1", b"22"),
    ] == [(change.name, change.before_content, change.after_content) for change in found.templates]
    assert [None, 1, 1] == [change.before and change.before.size for change in found.templates]


def test_a_template_that_is_a_hard_link_is_what_it_repeats() -> None:
    linked = member("templates/b", type=tarfile.LNKTYPE, linkname="templates/a")
    one = with_members(member("templates/a", b"t"), linked)
    other = with_members(member("templates/a", b"t"), member("templates/b", b"t"))
    assert diff(one, other).templates == ()


def test_a_template_that_is_no_file_is_a_member() -> None:
    link = member("templates/x", type=tarfile.SYMTYPE, linkname="y")
    found = diff(with_members(link), with_members(member("templates/x", b"1")))
    assert found.templates == ()
    assert {"templates/x": {"type"}} == changes(found)


def test_directories_beside_the_root_are_no_difference() -> None:
    """Conversion may add or drop them, and no instance sees them."""
    one = pack([member("metadata.yaml", METADATA), member("templates/x", b"1"), member("rootfs/f")])
    folder = member("templates/", type=tarfile.DIRTYPE, mode=0o700, uid=5)
    top = member("./", type=tarfile.DIRTYPE, mode=0o700)
    other = pack(
        [top, member("metadata.yaml", METADATA), folder, member("templates/x", b"1"), member("rootfs/f")]
    )
    assert diff(one, other).same


# ---- members -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "fields"),
    [
        (member("rootfs/m", b"1"), member("rootfs/m", b"2"), {"content"}),
        (member("rootfs/m", b"1"), member("rootfs/m", b"12"), {"size", "content"}),
        (member("rootfs/m", mode=0o644), member("rootfs/m", mode=0o4755), {"mode"}),
        (member("rootfs/m", uid=0), member("rootfs/m", uid=1), {"owner"}),
        (member("rootfs/m", gid=0), member("rootfs/m", gid=1), {"owner"}),
        (member("rootfs/m", mtime=1), member("rootfs/m", mtime=2), set()),
        (
            member("rootfs/m", type=tarfile.SYMTYPE, linkname="a"),
            member("rootfs/m", type=tarfile.SYMTYPE, linkname="b"),
            {"target"},
        ),
        (
            member("rootfs/m", type=tarfile.SYMTYPE, linkname="a", mode=0o777),
            member("rootfs/m", type=tarfile.SYMTYPE, linkname="a", mode=0o644),
            set(),
        ),
        (
            member("rootfs/m", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("rootfs/m", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
            {"device"},
        ),
        (
            member("rootfs/m", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("rootfs/m", type=tarfile.BLKTYPE, devmajor=1, devminor=3),
            {"type"},
        ),
        (member("rootfs/m"), member("rootfs/m", type=tarfile.DIRTYPE), {"type"}),
        (
            member("rootfs/m", pax_headers={"SCHILY.xattr.user.a": "1"}),
            member("rootfs/m", pax_headers={"SCHILY.xattr.user.a": "2"}),
            {"xattrs"},
        ),
        (
            member("rootfs/m", pax_headers={"SCHILY.xattr.user.a": "1" * 2000}),
            member("rootfs/m", pax_headers={"SCHILY.xattr.user.a": "1" * 1999 + "2"}),
            {"xattrs"},
        ),
    ],
)
def test_members_differ_field_by_field(
    before: tuple[tarfile.TarInfo, bytes], after: tuple[tarfile.TarInfo, bytes], fields: set[str]
) -> None:
    images = [pack([member("metadata.yaml", METADATA), made], tarfile.PAX_FORMAT) for made in (before, after)]
    expected: dict[str, object] = {"rootfs/m": fields} if fields else {}
    assert expected == changes(diff(*images))
    assert diff(images[0], images[0]).same


def test_times_count_when_they_are_not_ignored_and_only_in_whole_seconds() -> None:
    one = with_members(member("rootfs/m", mtime=5))
    assert diff(one, with_members(member("rootfs/m", mtime=6))).same
    assert {"rootfs/m": {"mtime"}} == changes(diff(one, with_members(member("rootfs/m", mtime=6)), ignore=()))
    precise = pack(
        [member("metadata.yaml", METADATA), member("rootfs/m", pax_headers={"mtime": "5.75"})],
        tarfile.PAX_FORMAT,
    )
    whole = pack([member("metadata.yaml", METADATA), member("rootfs/m", mtime=5)])
    assert diff(precise, whole, ignore=()).same


@pytest.mark.parametrize(
    ("ignored", "left"),
    [
        (MemberField.MODE, {"owner", "size", "content"}),
        (MemberField.OWNER, {"mode", "size", "content"}),
        (MemberField.SIZE, {"mode", "owner", "content"}),
        (MemberField.CONTENT, {"mode", "owner", "size"}),
    ],
)
def test_what_is_ignored_is_no_difference(ignored: MemberField, left: set[str]) -> None:
    one = with_members(member("rootfs/m", b"1", mode=0o600))
    other = with_members(member("rootfs/m", b"22", uid=1))
    assert {"rootfs/m": left} == changes(diff(one, other, ignore={ignored, MemberField.MTIME}))


def test_contents_that_are_ignored_are_not_read() -> None:
    one = with_members(member("rootfs/m", b"1"), member("rootfs/n", b"1"))
    other = with_members(member("rootfs/m", b"2"))
    found = diff(one, other, ignore={MemberField.CONTENT})
    assert {"rootfs/n": "removed"} == changes(found)
    assert [None] == [change.before.digest for change in found.members if change.before]


def test_of_members_with_one_name_the_last_one_counts() -> None:
    twice = with_members(member("rootfs/m", b"1"), member("rootfs/m", b"2"))
    assert diff(twice, with_members(member("rootfs/m", b"2"))).same
    assert {"rootfs/m": {"content"}} == changes(diff(twice, with_members(member("rootfs/m", b"1"))))


@pytest.mark.parametrize("name", ["./rootfs/m", "rootfs//m", "rootfs/./m", "/rootfs/m", "././rootfs/m"])
def test_the_spelling_of_a_name_is_no_difference(name: str) -> None:
    assert diff(with_members(member("rootfs/m", b"1")), with_members(member(name, b"1"))).same


def test_a_directory_that_an_archive_leaves_out_is_the_one_that_unpacking_makes() -> None:
    without = with_members(member("rootfs/d/f", b"1"))
    usual = with_members(member("rootfs/d/", type=tarfile.DIRTYPE, mode=0o755), member("rootfs/d/f", b"1"))
    odd = with_members(member("rootfs/d/", type=tarfile.DIRTYPE, mode=0o700), member("rootfs/d/f", b"1"))
    empty = with_members(member("rootfs/d/", type=tarfile.DIRTYPE, mode=0o755))
    assert diff(without, usual, ignore=()).same
    assert {"rootfs/d": {"mode"}} == changes(diff(without, odd))
    assert {"rootfs/d": {"mode"}} == changes(diff(odd, without))
    assert {"rootfs/d": "added"} == changes(diff(with_members(), empty))


@pytest.mark.parametrize("fields", [{"type": tarfile.REGTYPE}, {"type": tarfile.AREGTYPE}, {"type": b"D"}])
def test_a_directory_may_be_marked_in_other_ways(fields: dict[str, bytes]) -> None:
    """By a slash at the end of its name alone, or as the directories of incremental backups are."""
    usual = with_members(member("rootfs/d/", type=tarfile.DIRTYPE, mode=0o755))
    info, content = member("rootfs/d/", mode=0o755)
    info.type = fields["type"]
    assert diff(usual, with_members((info, content))).same


def test_roots_alone_are_compared_with_their_top_directories() -> None:
    one = pack([member("./", type=tarfile.DIRTYPE, mode=0o700), member("./f")])
    other = pack([member("./", type=tarfile.DIRTYPE, mode=0o755), member("f")])
    assert {"": {"mode"}} == changes(diff(one, other))
    assert {"": {"mode"}} == changes(diff(one, pack([member("f")])))
    assert diff(other, pack([member("f")])).same


def test_labels_of_archives_are_no_members() -> None:
    label = member("rootfs/label", type=b"V")
    assert diff(with_members(label), with_members()).same


def test_a_name_that_is_not_utf_8_keeps_its_bytes() -> None:
    found = diff(with_members(), with_members(member("rootfs/\udcff")))
    assert {"rootfs/\udcff": "added"} == changes(found)


# ---- hard links ----------------------------------------------------------------------------------------------------


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def test_which_name_of_a_file_comes_first_is_no_difference() -> None:
    one = with_members(member("rootfs/a", b"1"), hard("rootfs/b", "rootfs/a"), hard("rootfs/c", "rootfs/b"))
    other = with_members(
        member("rootfs/c", b"1"), hard("rootfs/a", "rootfs/c"), hard("rootfs/b", "./rootfs/c")
    )
    assert diff(one, other).same


def test_two_files_of_one_content_are_not_one_file() -> None:
    linked = with_members(member("rootfs/a", b"1"), hard("rootfs/b", "rootfs/a"))
    apart = with_members(member("rootfs/a", b"1"), member("rootfs/b", b"1"))
    found = diff(linked, apart)
    assert {"rootfs/b": {"link"}} == changes(found)
    assert [("rootfs/a", None)] == [
        (change.before.link, change.after.link) for change in found.members if change.before and change.after
    ]
    assert {"rootfs/b": {"link"}} == changes(diff(apart, linked))


def test_a_further_name_of_a_file_changes_none_of_the_others() -> None:
    two = with_members(member("rootfs/b", b"1"), hard("rootfs/c", "rootfs/b"))
    three = with_members(member("rootfs/b", b"1"), hard("rootfs/a", "rootfs/b"), hard("rootfs/c", "rootfs/b"))
    assert {"rootfs/a": "added"} == changes(diff(two, three))
    assert {"rootfs/a": "removed"} == changes(diff(three, two))


def test_a_hard_link_has_the_content_and_the_attributes_of_its_file() -> None:
    one = with_members(member("rootfs/a", b"1", mode=0o600), hard("rootfs/b", "rootfs/a"))
    other = with_members(member("rootfs/a", b"2", mode=0o600), hard("rootfs/b", "rootfs/a"))
    assert {"rootfs/a": {"content"}, "rootfs/b": {"content"}} == changes(diff(one, other))


def test_a_file_that_replaces_a_name_leaves_the_other_names_alone() -> None:
    replaced = with_members(member("rootfs/a", b"1"), hard("rootfs/b", "rootfs/a"), member("rootfs/a", b"2"))
    assert diff(replaced, with_members(member("rootfs/a", b"2"), member("rootfs/b", b"1"))).same


def test_a_hard_link_to_nothing_is_compared_by_its_target() -> None:
    one, other = with_members(hard("rootfs/b", "rootfs/x")), with_members(hard("rootfs/b", "rootfs/y"))
    assert diff(one, one).same
    assert {"rootfs/b": {"target"}} == changes(diff(one, other))
    assert {"rootfs/b": {"type"}} == changes(diff(one, with_members(member("rootfs/b"))))


def test_hard_links_of_a_split_root_are_names_of_that_root(tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_bytes(with_members(member("rootfs/a", b"1"), hard("rootfs/b", "rootfs/a")))
    files = ROOT_FORMS["split tar"](source, tmp_path / "split")
    found = diff_images(files, io.BytesIO(with_members(member("rootfs/a", b"1"))))
    assert {"rootfs/b": "removed"} == changes(found)
    assert ["rootfs/a"] == [change.before.link for change in found.members if change.before]


# ---- disks ---------------------------------------------------------------------------------------------------------


def disk_image(disk: bytes, **fields: object) -> tuple[BinaryIO]:
    return (io.BytesIO(pack([member("metadata.yaml", METADATA), member("rootfs.img", disk, **fields)])),)


def split_disk(disk: bytes) -> tuple[BinaryIO, BinaryIO]:
    return io.BytesIO(pack([member("metadata.yaml", METADATA)])), io.BytesIO(disk)


def test_a_disk_is_the_same_in_one_file_and_in_two() -> None:
    """The member of a unified image has a mode, an owner and a time; the file of a split one has none."""
    found = diff_images(disk_image(DISK, mode=0o600, uid=5), split_disk(DISK), ignore=())
    assert found.same
    assert {ImageType.VIRTUAL_MACHINE} == {found.before.type, found.after.type}


def test_disks_differ_in_what_their_headers_say_and_in_content() -> None:
    found = diff_images(disk_image(DISK), split_disk(LARGER_DISK))
    assert found.disk == (field("virtual size", before="1048576 B", after="2097152 B"),)
    assert {"rootfs.img": {"content"}} == changes(found)
    digests = [(change.before, change.after) for change in found.members]
    assert all(before and after and before.sha256 != after.sha256 for before, after in digests)


def test_of_a_disk_whose_content_is_ignored_the_header_still_counts() -> None:
    found = diff_images(disk_image(DISK), split_disk(LARGER_DISK), ignore={MemberField.CONTENT})
    assert [("virtual size",)] == [change.path for change in found.disk]
    assert found.members == ()


def test_a_container_and_a_virtual_machine_have_nothing_of_their_roots_in_common() -> None:
    found = diff_images(
        io.BytesIO(pack([member("metadata.yaml", METADATA), member("rootfs/f")])), split_disk(DISK)
    )
    assert {"rootfs/f": "removed", "rootfs.img": "added"} == changes(found)
    assert found.disk == ()


# ---- arguments -----------------------------------------------------------------------------------------------------


def test_an_image_is_one_file_or_two() -> None:
    with pytest.raises(InvalidImageError) as caught:
        diff_images([], io.BytesIO(container()))
    assert ["file-count"] == [finding.code for finding in caught.value.diagnostics]


def test_streams_that_cannot_seek_are_compared_like_files(tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_bytes(image())
    for name, make in ROOT_FORMS.items():
        files = make(source, tmp_path / name)
        pipes = [pipe(file.read_bytes()) for file in files]
        assert diff_images(pipes, source, ignore=()).same, name


def test_progress_counts_the_bytes_of_both_images() -> None:
    large = pack([member("metadata.yaml", METADATA), member("rootfs/f", b"x" * (3 << 20))])
    seen: list[tuple[int, int | None]] = []
    diff(large, large, progress=lambda done, total: seen.append((done, total)))
    assert (2 * len(large), 2 * len(large)) == seen[-1]


def test_metadata_is_read_by_the_rules_of_the_target() -> None:
    twice = container(METADATA + b"architecture: x86_64\n")
    assert diff(twice, container(METADATA), target=Target.LXD).same
    with pytest.raises(InvalidMetadataError):
        diff(twice, container(METADATA), target=Target.INCUS)


def test_metadata_that_a_target_cannot_use_is_refused_with_its_findings() -> None:
    with pytest.raises(InvalidMetadataError) as caught:
        diff(container(), container(b"architecture: x86_64\n"))
    assert ["missing-creation-date"] == [finding.code for finding in caught.value.diagnostics]
