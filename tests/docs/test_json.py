"""The reference of JSON names the fields that come out, and no others."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxdimage.cli import main
from making import METADATA, TEMPLATED, container, member, pack

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "json.md"
DISK = Path(__file__).parents[1] / "corpus" / "images" / "comp-split-vm-qcow2"
_FREE = {"properties": "KEY", "accepted": "TARGET", "xattrs": "NAME"}
_KNOWN = {"name", "format", "size"}


def documented() -> dict[str, set[str]]:
    """Return the fields that the page names, by verb; "the same" stands for those of the sibling."""
    verbs: dict[str, set[str]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        verb = section[: section.index("\n")].strip("`")
        verbs[verb] = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    metadata = verbs["show"]
    verbs["info"] |= {f"metadata.{field}" for field in metadata}
    verbs["validate"] |= {f"images[].metadata.{field}" for field in metadata}
    verbs["diff"] |= {field.replace("before", "after", 1) for field in verbs["diff"]}
    return verbs


def _fields(value: object, path: str = "") -> Iterator[str]:
    """Yield the paths of all fields in a value, but for those inside a value of metadata in a diff."""
    if path:
        yield path
    if isinstance(value, list):
        for inner in value:
            yield from _fields(inner, f"{path}[]")
    elif isinstance(value, dict) and not re.fullmatch(r"(metadata|disk)\[\]\.(before|after)", path):
        name = path.rpartition(".")[2]
        for key, inner in value.items():
            shown = _FREE.get(name) or ("TARGET" if name == "templates" else key)
            if re.search(r"(^|\.)files\[\]$", path) and key not in _KNOWN:
                shown = "FACT"
            yield from _fields(inner, f"{path}.{shown}".lstrip("."))


def _containers(field: str) -> set[str]:
    """Return the paths of the values that a field lies in, which need no line of their own."""
    steps = re.findall(r"\[\]|\.?[^.\[]+", field)
    return {"".join(steps[:count]).lstrip(".") for count in range(1, len(steps))}


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work beside images that together have everything there is."""
    monkeypatch.chdir(tmp_path)
    device = member("rootfs/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    link = member("rootfs/link", type=tarfile.SYMTYPE, linkname="null")
    twin = member("rootfs/twin", type=tarfile.LNKTYPE, linkname="rootfs/etc/hostname")
    rule = TEMPLATED.replace(b"hostname.tpl", b"odd.tpl\n    properties:\n      a: b")
    labelled = member("rootfs/a", b"x", pax_headers={"SCHILY.xattr.user.a": "1"})
    odd = [member("templates/odd.tpl", b"\xff")]
    Path("new.tar").write_bytes(container(rule, *odd, device, link, twin))
    members = [member("metadata.yaml", METADATA), member("templates/odd.tpl", b"a\n"), labelled]
    Path("old.tar").write_bytes(pack(members, tarfile.PAX_FORMAT))
    Path("bad.tar").write_bytes(pack([member("rootfs/a", b"x")]))


_CALLS: dict[str, list[list[str]]] = {
    "info": [["new.tar"], [str(DISK / "meta.tar.xz"), str(DISK / "disk.qcow2")]],
    "show": [["new.tar"], ["old.tar"]],
    "validate": [["--each", "new.tar", "old.tar", "bad.tar"]],
    "ls": [["new.tar"], ["old.tar"]],
    "render": [["new.tar"]],
    "diff": [["old.tar", "new.tar"], ["new.tar", "old.tar"]],
}


@pytest.mark.parametrize("verb", _CALLS)
@pytest.mark.usefixtures("images")
def test_every_field_is_documented_and_every_documented_field_comes(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found: set[str] = set()
    for words in _CALLS[verb]:
        main([verb, "--json", *words])
        found.update(_fields(json.loads(capsys.readouterr().out)))
    fields = documented()[verb]
    assert found - fields - {outer for field in fields for outer in _containers(field)} == set()
    named = {field.removesuffix("[]") for field in fields}
    assert named - found - {"disk"} == set()


def test_every_verb_with_json_has_a_section(capsys: pytest.CaptureFixture[str]) -> None:
    from lxdimage.cli import VERBS

    with_json = set()
    for verb in VERBS:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        if "--json" in capsys.readouterr().out:
            with_json.add(verb)
    assert with_json == set(documented())
