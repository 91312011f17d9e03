"""Rules of id maps."""

from __future__ import annotations

import struct

import pytest

from lxdimage.build import IdRange, OwnerMap
from lxdimage.errors import BuildError


@pytest.mark.parametrize(
    ("text", "users", "groups"),
    [
        ("0:100000:65536", "0:100000:65536", "0:100000:65536"),
        ("0:1000", "0:1000:1", "0:1000:1"),
        (" 0:1000 , 1:100000:65535 ", "0:1000:1 1:100000:65535", "0:1000:1 1:100000:65535"),
        ("u:0:1000,g:0:100:2", "0:1000:1", "0:100:2"),
        ("0:0:4294967294", "0:0:4294967294", "0:0:4294967294"),
    ],
)
def test_text_becomes_ranges(text: str, users: str, groups: str) -> None:
    found = OwnerMap.parse(text)
    assert (users, groups) == (" ".join(map(str, found.users)), " ".join(map(str, found.groups)))
    assert found == OwnerMap.parse(text.split(","))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "a:b:c",
        "0:1000:0",
        "0:-1:5",
        "x:0:0:1",
        "0:4294967295:1",
        "0:0:4294967296",
        "0:0:99999999999",
        "0:0:10,5:100:1",
        "0:0:10,20:9:1",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BuildError, match="bad-id-map"):
        OwnerMap.parse(text)


def test_owners_are_mapped_to_the_inside() -> None:
    found = OwnerMap.parse("0:1000,1:100000:65535,g:70000:5")
    assert found.owner(1000, 1000) == (0, 0)
    assert found.owner(100_000, 165_534) == (1, 65_535)
    assert found.owner(1000, 5) == (0, 70_000)
    for uid, gid in ((999, 1000), (1000, 999), (165_535, 1000), (5, 1000)):
        with pytest.raises(LookupError):
            found.owner(uid, gid)


def test_a_map_made_of_ranges_is_checked_too() -> None:
    with pytest.raises(BuildError, match="bad-id-map"):
        OwnerMap(users=(IdRange(0, 0, 5), IdRange(3, 10, 1)), groups=())


MAP = OwnerMap.parse("0:100000:65536")
V2 = bytes.fromhex("0100000200200000000000000000000000000000")
V3 = bytes.fromhex("0100000300200000000000000000000000000000")


@pytest.mark.parametrize(
    ("value", "mapped"),
    [
        (V2, V2),
        (V3 + (100_000).to_bytes(4, "little"), V2),
        (V3 + (100_005).to_bytes(4, "little"), V3 + (5).to_bytes(4, "little")),
        (b"odd", b"odd"),
    ],
)
def test_capabilities_belong_to_the_root_inside(value: bytes, mapped: bytes) -> None:
    assert MAP.xattrs({"security.capability": value, "user.x": value}) == {
        "security.capability": mapped,
        "user.x": value,
    }


def _access_list(user: int, group: int) -> bytes:
    nobody = 2**32 - 1
    entries = [(1, 6, nobody), (2, 4, user), (4, 4, nobody), (8, 1, group), (16, 7, nobody), (32, 0, nobody)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize("name", ["system.posix_acl_access", "system.posix_acl_default"])
def test_access_lists_name_the_ids_inside(name: str) -> None:
    assert MAP.xattrs({name: _access_list(100_001, 100_002)}) == {name: _access_list(1, 2)}
    assert MAP.xattrs({name: b"odd"}) == {name: b"odd"}
    with pytest.raises(LookupError):
        MAP.xattrs({name: _access_list(5, 100_002)})
