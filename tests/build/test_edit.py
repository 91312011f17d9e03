"""Editing: other metadata and templates, the same root."""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from lxdimage import Compression, Layout, Limits, Metadata, TemplateRule, open_image, scan_image
from lxdimage._chunks import Cursor
from lxdimage.build import BuiltImage, OutputTarget, convert_image, edit_image
from lxdimage.compression.writing import take_first
from lxdimage.errors import (
    BuildError,
    ImmutableFieldError,
    InvalidImageError,
    InvalidMetadataError,
    LXDImageError,
)
from making import CODECS, METADATA, TEMPLATED, container, member, pack
from rich import contents, image, root, split

APPENDING = [found for found in Compression if found.appends and found is not Compression.LZ4]


def edit(*files: Path, output: OutputTarget, **changes: object) -> BuiltImage:
    """Edit, and hold what must hold for everything that is written."""
    done = edit_image(*files, output=output, **changes)  # type: ignore[arg-type]
    scan = scan_image(*(file.path for file in done.files))
    assert scan.fingerprint == done.fingerprint
    assert [(file.size, file.sha256) for file in scan.files] == [
        (file.size, file.sha256) for file in done.files
    ]
    assert scan.image is not None, scan.diagnostics
    assert scan.image.metadata == done.metadata
    return done


def apart(path: Path, compression: Compression = Compression.GZIP, data: bytes | None = None) -> Path:
    """Write an image whose metadata is apart from the root."""
    convert_image(io.BytesIO(data or image()), output=path, compression=compression)
    return path


def roots(*files: Path) -> Mapping[str, object]:
    return {path: found for path, found in contents(*files).items() if path.startswith("rootfs")}


def notes(done: BuiltImage) -> list[str]:
    return [note.code for note in done.notes]


# ── what changes ──


def test_properties_are_set_and_removed(tmp_path: Path) -> None:
    old = apart(tmp_path / "old", data=container(METADATA + b"  gone: x\n"))
    done = edit(
        old, output=tmp_path / "new", properties={"a": "b", "os": "other", "gone": None, "never": None}
    )
    assert done.metadata.properties == {"os": "other", "a": "b"}
    assert done.metadata.creation_timestamp == 1_600_000_000
    assert roots(old) == roots(tmp_path / "new")


def test_the_expiry_date_is_set_and_removed(tmp_path: Path) -> None:
    old = apart(tmp_path / "image")
    assert (
        edit(old, output=old, expiry=datetime(2030, 1, 2, tzinfo=UTC)).metadata.expiry_timestamp == 1893542400
    )
    assert edit(old, output=old, properties={"a": "b"}).metadata.expiry_timestamp == 1893542400
    assert edit(old, output=old, expiry=0).metadata.expiry_timestamp == 0


def test_rules_and_templates_are_added_replaced_and_removed(tmp_path: Path) -> None:
    old = apart(tmp_path / "image")
    rule = TemplateRule(template="motd.tpl", when=("create",))
    done = edit(old, output=old, rules={"/etc/motd": rule}, templates={"motd.tpl": b"hi"})
    assert set(done.metadata.templates) == {"/etc/hostname", "/etc/motd"}
    assert open_image(old).templates == {"hostname.tpl": b"{{ container.name }}\n", "motd.tpl": b"hi"}
    done = edit(
        old, output=old, rules={"/etc/hostname": None}, templates={"hostname.tpl": None, "motd.tpl": b"!"}
    )
    assert scan_image(old).diagnostics == ()
    assert open_image(old).templates == {"motd.tpl": b"!"}
    assert notes(done) == ["root-copied"]


@pytest.mark.parametrize("files", ["one", "two", "in place"])
def test_what_is_to_be_removed_and_is_not_there_is_worth_a_note(tmp_path: Path, files: str) -> None:
    old: tuple[Path, ...] = (apart(tmp_path / "image"),)
    if files != "one":
        convert_image(old[0], output=tmp_path / "two", layout=Layout.SPLIT)
        old = (tmp_path / "two", tmp_path / "two.root")
    done = edit(
        *old,
        output=old if files == "in place" else tmp_path / "new",  # type: ignore[arg-type]
        properties={"oss": None, "os": None, "a": "b"},
        rules={"/etc/hostnam": None, "/": None, "/etc/hostname": None},
        templates={"hostname.tp": None, "hostname.tpl": None},
    )
    found = [(note.message, note.hint) for note in done.notes if note.code == "nothing-to-remove"]
    assert found == [
        ("there is no property 'oss' to be removed", "did you mean 'os'?"),
        ("there is no rule '/etc/hostnam' to be removed", "did you mean '/etc/hostname'?"),
        ("there is no rule '/' to be removed", None),
        ("there is no template 'hostname.tp' to be removed", "did you mean 'hostname.tpl'?"),
    ]
    assert done.metadata.properties == {"a": "b"}


def test_a_rule_may_be_made_of_the_old_one(tmp_path: Path) -> None:
    old = apart(tmp_path / "image")
    seen: list[TemplateRule | None] = []

    def change(rule: TemplateRule | None) -> TemplateRule | None:
        seen.append(rule)
        return rule and attrs.evolve(rule, create_only=True)

    done = edit(old, output=old, rules={"/etc/hostname": change, "/etc/other": change})
    assert seen == [TemplateRule(template="hostname.tpl", when=("create", "copy")), None]
    rule = TemplateRule(template="hostname.tpl", when=("create", "copy"), create_only=True)
    assert done.metadata.templates == {"/etc/hostname": rule}


_NEW_RULE = {"/etc/motd": TemplateRule(template="motd.tpl", when=("create",))}


@pytest.mark.parametrize("files", ["one", "two"])
@pytest.mark.parametrize(
    "changes",
    [
        {"rules": _NEW_RULE},
        {"rules": _NEW_RULE, "templates": {"motd.tpl": None}},
        {"metadata": lambda old: old.evolve(templates={**old.templates, **_NEW_RULE})},
        {"templates": {"hostname.tpl": None}},
    ],
)
def test_a_changed_rule_must_not_lack_its_template(
    tmp_path: Path, files: str, changes: dict[str, object]
) -> None:
    paths = (apart(tmp_path / "image"),)
    if files == "two":
        convert_image(paths[0], output=tmp_path / "two", layout=Layout.SPLIT)
        paths = (tmp_path / "two", tmp_path / "two.root")  # type: ignore[assignment]
    before = [path.read_bytes() for path in paths]
    with pytest.raises(BuildError) as raised:
        edit(*paths, output=paths if len(paths) == 2 else paths[0], **changes)
    assert [finding.code for finding in raised.value.diagnostics] == ["template-missing"]
    assert [path.read_bytes() for path in paths] == before


def test_a_template_that_lacked_before_is_not_asked_for(tmp_path: Path) -> None:
    old = apart(tmp_path / "image", data=pack([member("metadata.yaml", TEMPLATED), member("rootfs/f", b"x")]))
    assert edit(old, output=old, properties={"a": "b"}).metadata.properties["a"] == "b"


def test_metadata_may_be_a_value_a_function_or_a_text(tmp_path: Path) -> None:
    old = apart(tmp_path / "image")
    value = Metadata(architecture="x86_64", creation_date=1_600_000_000, properties={"a": "b"})
    assert edit(old, output=old, metadata=value).metadata == value
    done = edit(old, output=old, metadata=lambda found: found.evolve(properties={"c": "d"}))
    assert done.metadata.properties == {"c": "d"}
    text = METADATA + b"# a comment that stays\n"
    edit(old, output=old, metadata=text)
    assert text == contents(old)["metadata.yaml"][1]
    done = edit(old, output=old, metadata=text.decode(), properties={"e": "f"})
    assert done.metadata.properties == {"os": "test", "e": "f"}


def test_architecture_and_creation_date_stay_unless_told(tmp_path: Path) -> None:
    old = apart(tmp_path / "image")
    before = old.read_bytes()
    other = METADATA.replace(b"x86_64", b"arm64").replace(b"1600000000", b"1600000001")
    with pytest.raises(ImmutableFieldError) as raised:
        edit(old, output=old, metadata=other)
    assert [finding.code for finding in raised.value.diagnostics] == ["immutable-field"] * 2
    assert old.read_bytes() == before
    done = edit(old, output=old, metadata=other, allow_immutable=True)
    assert (done.metadata.architecture.value, done.metadata.creation_timestamp) == ("aarch64", 1600000001)


def test_what_is_not_changed_keeps_its_text(tmp_path: Path) -> None:
    text = TEMPLATED + b"# a comment\n"
    old = apart(tmp_path / "image", data=container(text))
    edit(old, output=old, templates={"hostname.tpl": b"new"})
    assert text == contents(old)["metadata.yaml"][1]


# ── the root ──


@pytest.mark.parametrize("compression", APPENDING)
def test_a_root_apart_is_copied(tmp_path: Path, compression: Compression) -> None:
    old = apart(tmp_path / "old", compression)
    done = edit(old, output=tmp_path / "new", properties={"a": "b"}, templates={"hostname.tpl": b"x" * 5000})
    assert notes(done) == ["root-copied"]
    assert _behind_the_head(old, compression) == _behind_the_head(tmp_path / "new", compression)
    assert roots(old) == roots(tmp_path / "new")
    again = edit(tmp_path / "new", output=tmp_path / "new", properties={"a": None})
    assert notes(again) == ["root-copied"]


def _behind_the_head(path: Path, compression: Compression) -> bytes:
    data = path.read_bytes()
    if compression is Compression.NONE:
        return data[data.index(b"rootfs/") :]
    cursor = Cursor(iter((data,)))
    first = take_first(compression, cursor, size=1 << 20, limits=Limits())
    assert first is not None
    assert first.content.startswith(b"metadata.yaml")
    return cursor.take(len(data))


@pytest.mark.parametrize("compression", APPENDING)
def test_nobody_looks_far_into_a_root_that_is_copied(tmp_path: Path, compression: Compression) -> None:
    noise = member("rootfs/noise", random.Random(3).randbytes(5 << 19))
    old = apart(tmp_path / "old", compression, pack([*_HEAD, *_TEMPLATES, noise]))
    data = bytearray(old.read_bytes())
    data[-4000] ^= 0x55
    old.write_bytes(data)
    done = edit_image(old, output=tmp_path / "new", properties={"a": "b"})
    assert notes(done) == ["root-copied"]
    assert _behind_the_head(old, compression) == _behind_the_head(tmp_path / "new", compression)


_HEAD = [member("metadata.yaml", TEMPLATED)]
_TEMPLATES = [member("templates/hostname.tpl", b"name\n")]
_ROOT = root("rootfs/", "pax")


def _packed(*streams: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return the streams, compressed one by one, of one tar."""
    tars = [pack(stream, tarfile.PAX_FORMAT) for stream in streams]
    return b"".join(CODECS["gzip"](tar[:-1024]) for tar in tars[:-1]) + CODECS["gzip"](tars[-1])


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (_packed([*_HEAD, *_TEMPLATES, *_ROOT]), {}),
        (_packed(_HEAD, [*_TEMPLATES, *_ROOT]), {}),
        (_packed(_HEAD, [*_ROOT, *_TEMPLATES]), {}),
        (_packed([*_HEAD, _ROOT[0]], [*_TEMPLATES, *_ROOT[1:]]), {}),
        (_packed(_ROOT, [*_HEAD, *_TEMPLATES]), {}),
        (_packed([*_HEAD, *_TEMPLATES], [member("metadata.yaml", METADATA), *_ROOT]), {}),
        (_packed([*_HEAD, *_TEMPLATES], _ROOT), {"templates": {"elsewhere": None}}),
        (CODECS["lzma"](container()), {}),
        (pack([*_HEAD, *_ROOT, *_TEMPLATES], tarfile.PAX_FORMAT), {}),
        (pack([*_HEAD, *_TEMPLATES, *_ROOT], tarfile.PAX_FORMAT), {"templates": {"new": b"x"}}),
        (pack([*_ROOT, *_HEAD, *_TEMPLATES], tarfile.PAX_FORMAT), {}),
    ],
)
def test_a_root_that_may_hold_what_changes_is_packed_again(
    tmp_path: Path, data: bytes, changes: dict[str, object]
) -> None:
    (tmp_path / "old").write_bytes(data)
    done = edit(tmp_path / "old", output=tmp_path / "new", properties={"a": "b"}, **changes)
    assert notes(done)[0] == "root-restreamed"
    assert roots(tmp_path / "old") == roots(tmp_path / "new")
    assert done.metadata.properties["a"] == "b"
    assert len([path for path in _names(tmp_path / "new") if path.endswith("metadata.yaml")]) == 1
    again = edit(tmp_path / "new", output=tmp_path / "new", properties={"a": "c"})
    if done.files[0].path and Compression.LZMA not in [
        file.compression for file in scan_image(tmp_path / "new").files
    ]:
        assert notes(again) == ["root-copied"]


def _names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def test_a_plain_tar_is_copied_from_its_first_member_of_the_root(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(container())
    done = edit(old, output=tmp_path / "new", properties={"long": "x" * 5000})
    assert notes(done) == ["root-copied"]
    at = old.read_bytes().index(b"rootfs/")
    assert (tmp_path / "new").read_bytes().endswith(old.read_bytes()[at:])


def test_a_large_head_of_a_plain_tar_is_found(tmp_path: Path) -> None:
    old = tmp_path / "old"
    large = member("templates/large", bytes(900_000))
    old.write_bytes(pack([*_HEAD, *_TEMPLATES, large, member("rootfs/f", b"x")]))
    assert notes(edit(old, output=tmp_path / "new", properties={"a": "b"})) == ["root-copied"]
    assert len(contents(tmp_path / "new")["templates/large"][1]) == 900_000


# ── split images ──


def _two(tmp_path: Path) -> tuple[Path, Path]:
    metadata, packed = split()
    (tmp_path / "meta").write_bytes(CODECS["xz"](metadata))
    (tmp_path / "root").write_bytes(CODECS["gzip"](packed))
    return tmp_path / "meta", tmp_path / "root"


def test_the_root_file_of_a_split_image_is_copied(tmp_path: Path) -> None:
    old = _two(tmp_path)
    done = edit(*old, output=tmp_path / "new", properties={"a": "b"}, templates={"t": b"x"})
    assert notes(done) == ["root-copied"]
    assert (tmp_path / "new.root").read_bytes() == old[1].read_bytes()
    assert scan_image(tmp_path / "new", tmp_path / "new.root").files[0].compression is Compression.XZ


def test_the_root_file_of_a_split_image_stays_untouched_in_place(tmp_path: Path) -> None:
    old = _two(tmp_path)
    before = old[1].stat()
    done = edit(*old, output=old, properties={"a": "b"})
    after = old[1].stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert notes(done) == ["root-untouched"]
    assert (done.layout, len(done.files)) == (Layout.SPLIT, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["meta", "root"]


def test_a_stray_root_in_the_metadata_file_stays(tmp_path: Path) -> None:
    old = _two(tmp_path)
    old[0].write_bytes(pack([*_HEAD, *_TEMPLATES, member("rootfs/stray", b"x")]))
    edit(*old, output=old, properties={"a": "b"})
    assert "rootfs/stray" in _names(old[0])


# ── refusals ──


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"metadata": b"architecture: x86_64\n"}, InvalidMetadataError, "missing-creation-date"),
        ({"templates": {"../x": b""}}, BuildError, "template-name"),
        ({"templates": {"/x": b""}}, BuildError, "template-name"),
        ({"templates": {"": b""}}, BuildError, "template-name"),
        ({"properties": {"a": 1}}, InvalidMetadataError, "wrong-type"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path, changes: dict[str, object], error: type[LXDImageError], code: str
) -> None:
    old = apart(tmp_path / "image")
    before = old.read_bytes()
    with pytest.raises(error) as raised:
        edit(old, output=old, **changes)
    assert raised.value.diagnostics[0].code == code
    assert old.read_bytes() == before


def test_one_squashfs_is_refused(tmp_path: Path) -> None:
    convert_image(*map(io.BytesIO, split()), output=tmp_path / "two", rootfs_format="squashfs")
    with pytest.raises(LXDImageError):
        edit_image(tmp_path / "two.root", output=tmp_path / "new", properties={"a": "b"})
    with pytest.raises(InvalidImageError):
        edit_image(output=tmp_path / "new")


def test_streams_can_be_edited() -> None:
    stream, output = io.BytesIO(CODECS["xz"](container())), io.BytesIO()
    done = edit_image(stream, output=output, properties={"a": "b"})
    assert hashlib.sha256(output.getvalue()).hexdigest() == done.fingerprint.hex
