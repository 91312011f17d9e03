"""Arguments: members of enumerations by their values as well, and what cannot be is said before anything is done."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lxdimage import (
    Dialect,
    Instance,
    InvalidArgumentError,
    LXDImageError,
    Target,
    Template,
    TemplateContext,
    build_image,
    check_metadata,
    convert_image,
    diff_images,
    edit_image,
    extract_image,
    fingerprint_files,
    open_image,
    parse_metadata,
    publish_backup,
    render_start,
    render_template,
    render_trigger,
    scan_image,
    scan_targets,
)
from making import METADATA, container, member, pack

BACKUP = Path(__file__).parent / "corpus" / "backups" / "lxd.tar.gz"
CONTEXT = TemplateContext(trigger="create", path="/x")


def image() -> io.BytesIO:
    return io.BytesIO(container())


def built(**given: Any) -> object:
    root = io.BytesIO(pack([member("etc/motd", b"x")]))
    return build_image(root, io.BytesIO(), architecture="x86_64", creation_date=5, **given)


def triggered(**given: Any) -> object:
    return list(render_trigger(open_image(image()), instance=Instance(), **{"trigger": "create", **given}))


CALLS: dict[str, Callable[..., object]] = {
    "open": lambda **given: open_image(image(), **given),
    "scan": lambda **given: scan_image(image(), **given),
    "scan targets": lambda **given: scan_targets(image(), **given),
    "parse": lambda **given: parse_metadata(METADATA, **given),
    "check": lambda **given: check_metadata(METADATA, **given),
    "trigger": triggered,
    "start": lambda **given: list(render_start(open_image(image()), Instance(), **given)),
    "template": lambda **given: render_template("x", CONTEXT, **given),
    "language": lambda **given: Template.parse("x", **given),
    "instance": lambda **given: Instance(**given),
    "diff": lambda **given: diff_images(image(), image(), **given),
    "build": built,
    "convert": lambda **given: convert_image(image(), output=io.BytesIO(), **given),
    "edit": lambda **given: edit_image(image(), output=io.BytesIO(), **given),
    "publish": lambda **given: publish_backup(BACKUP, io.BytesIO(), **given),
    "extract": lambda **given: extract_image(image(), to="never", **given),
}
TARGET = [
    "open",
    "scan",
    "parse",
    "check",
    "trigger",
    "start",
    "template",
    "diff",
    "convert",
    "edit",
    "publish",
]
CHOICES: list[tuple[str, str, str, str]] = [
    *((call, "target", "incus-6.0", "'lxd-5.0', 'lxd', 'incus-6.0', 'incus'") for call in TARGET),
    *(
        (call, "compression", "zstd", "'none', 'gzip', 'bzip2', 'xz',")
        for call in ("build", "convert", "publish")
    ),
    *((call, "layout", "unified", "'unified', 'split'") for call in ("build", "convert", "publish")),
    *((call, "type", "container", "'container', 'virtual-machine'") for call in ("build", "instance")),
    ("trigger", "trigger", "rename", "'create', 'copy', 'start', 'rename'"),
    ("start", "recorded", "copy", "'create', 'copy', 'start', 'rename'"),
    ("language", "dialect", "v6", "'v4', 'v6'"),
]


@pytest.mark.parametrize(("call", "name", "value", "allowed"), CHOICES)
def test_a_member_of_an_enumeration_may_be_given_by_its_value(
    call: str, name: str, value: str, allowed: str
) -> None:
    assert CALLS[call](**{name: value}) is not None
    with pytest.raises(InvalidArgumentError) as raised:
        CALLS[call](**{name: "zst"})
    assert f"{name} must be one of {allowed}" in str(raised.value)
    assert "found 'zst' [invalid-argument]" in str(raised.value)


def test_values_and_members_say_the_same() -> None:
    assert Template.parse("x", dialect="v6").dialect is Dialect.V6
    assert list(scan_targets(image(), targets=["incus", Target.LXD])) == [Target.INCUS, Target.LXD]
    one, other = (container(METADATA, member("rootfs/x", mode=mode)) for mode in (0o600, 0o644))
    assert diff_images(io.BytesIO(one), io.BytesIO(other), ignore=["mode", "mtime"]).same
    assert not diff_images(io.BytesIO(one), io.BytesIO(other)).same


@pytest.mark.parametrize(
    ("call", "given", "message"),
    [
        ("scan targets", {"targets": "incus"}, "targets must be a list, found the text 'incus'"),
        ("diff", {"ignore": "mode"}, "ignore must be a list, found the text 'mode'"),
        ("diff", {"ignore": ["modes"]}, "ignore must be one of 'type', 'mode'"),
        ("build", {"exclude": "etc"}, "exclude must be a list, found the text 'etc'"),
        ("extract", {"members": "rootfs"}, "members must be a list, found the text 'rootfs'"),
        ("language", {"banned": "for"}, "banned must be a list, found the text 'for'"),
        ("build", {"templates": {"x": "text"}}, "templates['x'] must be bytes, found 'text'"),
        ("edit", {"templates": {"x": "text"}}, "templates['x'] must be bytes, found 'text'"),
        ("build", {"threads": "2"}, "threads must be a whole number, found '2'"),
        ("build", {"memory": "1G"}, "memory must be a whole number, found '1G'"),
        ("convert", {"threads": 1.5}, "threads must be a whole number, found 1.5"),
        ("build", {"level": "9"}, "xz has the levels 0 to 9, not '9'"),
    ],
)
def test_what_would_be_misread_is_refused(call: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(LXDImageError) as raised:
        CALLS[call](**given)
    assert message in str(raised.value)
    assert not Path("never").exists()


@pytest.mark.parametrize("file", [None, 3, b"image.tar", io.StringIO("x"), ["image.tar"]])
def test_a_file_is_a_path_or_a_binary_stream(file: Any) -> None:
    for call in (
        lambda: fingerprint_files(file),
        lambda: scan_image(file),
        lambda: build_image(file, io.BytesIO()),
        lambda: convert_image(image(), output=file),
    ):
        with pytest.raises(InvalidArgumentError, match="must be a path or a binary stream, found"):
            call()


def test_an_invalid_argument_is_a_value_error_as_well() -> None:
    with pytest.raises(ValueError, match="target must be one of"):
        scan_image(image(), target="lxc")
