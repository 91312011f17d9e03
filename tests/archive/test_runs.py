"""Blocks of members with other names: what copying the members one by one gives."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Iterable, Iterator

import pytest

from lxdimage import Limits
from lxdimage.archive import (
    Entry,
    EntryType,
    Item,
    Renaming,
    RunReader,
    TarMember,
    TarReader,
    dump_global,
    dump_member,
    write_archive,
)
from lxdimage.errors import InvalidImageError, LimitExceededError, LXDImageError
from making import member, pack
from rich import FORMATS, root

NAMES = [
    (b"rootfs/", b""),
    (b"rootfs/", b"rootfs/"),
    (b"rootfs/", b"x" * 60 + b"/"),
    (b"", b"rootfs/"),
    (b"", b""),
]


def _plain(name: bytes, old: bytes) -> bytes:
    """Return what follows *old* in a name, the whole name where it does not begin so."""
    path = b"/".join(part for part in name.split(b"/") if part not in {b"", b"."})
    slash = b"/" if name.endswith(b"/") and path else b""
    return (path + slash).removeprefix(old)


def _items(members: Iterable[bytes | TarMember], old: bytes, new: bytes) -> Iterator[Item]:
    for found in members:
        if isinstance(found, bytes):
            yield found, ()
            continue
        name = new + _plain(found.name, old) or b"./"
        target = new + _plain(found.target, old) if found.type is EntryType.HARD_LINK else None
        yield (
            dump_member(found, name=None if name == found.name else name, target=target),
            found.stored_chunks(),
        )


def _one_by_one(chunks: Iterable[bytes], old: bytes, new: bytes) -> bytes:
    return b"".join(write_archive(_items(TarReader(iter(chunks)), old, new)))


def _together(chunks: Iterable[bytes], old: bytes, new: bytes) -> bytes:
    return b"".join(write_archive(_items(RunReader(iter(chunks)).runs(Renaming(old, new)), old, new)))


def _cut(data: bytes, seed: int) -> list[bytes]:
    """Return *data* in pieces, most of which end in the middle of a header or of content."""
    numbers, pieces, at = random.Random(seed), [], 0
    while at < len(data):
        size = numbers.choice((1, 100, 512, 700, 5000, 20_000))
        pieces.append(data[at : at + size])
        at += size
    return pieces


def _archive(prefix: str, form: str) -> bytes:
    more = [
        member(f"{prefix}home/.profile", b"x" * 511),
        member(f"{prefix}home/a..b", b"y" * 512),
        member(f"{prefix}home//double", b"z" * 513),
        member(f"{prefix}home/./dot", b""),
        member(f"{prefix}home/end/.", b"", type=tarfile.DIRTYPE),
        member(f"{prefix}.hidden", b"h"),
        member(prefix + "n" * (100 - len(prefix)), b"full"),
        member("elsewhere/f", b"e"),
    ]
    return pack([*root(prefix, form), *more], FORMATS[form])


@pytest.mark.parametrize(("old", "new"), NAMES, ids=repr)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("prefix", ["rootfs/", "", "./"])
def test_blocks_are_those_of_the_members(prefix: str, form: str, old: bytes, new: bytes) -> None:
    data = _archive(prefix, form)
    expected = _one_by_one([data], old, new)
    for chunks in ([data], *(_cut(data, seed) for seed in range(6))):
        assert expected == _together(chunks, old, new)


def test_most_members_come_together() -> None:
    data = pack([member(f"rootfs/{number}", b"x" * number) for number in range(400)])
    found = list(RunReader(iter([data])).runs(Renaming(b"rootfs/", b"")))
    assert len(found) == 1
    assert isinstance(found[0], bytes)
    with tarfile.open(fileobj=io.BytesIO(found[0] + bytes(1024))) as archive:
        assert [info.name for info in archive] == [str(number) for number in range(400)]


def _spoiled(data: bytes, at: int, value: bytes) -> bytes:
    """Return *data* with other bytes in its first header, and the checksum that fits them."""
    header = bytearray(data[:512])
    header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + data[512:]


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (80, b"garbage"),  # behind the name
        (124, b"       1200\0"),  # a size that begins with blanks
        (124, b"1200\0"),
        (148, b""),
        (156, b"7"),
        (156, b"\0"),
        (156, b"Z"),
        (257, bytes(8)),  # no magic
        (345, b"prefix"),
    ],
)
def test_odd_headers_are_left_to_others(at: int, value: bytes) -> None:
    data = _spoiled(pack([member("rootfs/f", b"x" * 640), member("rootfs/g", b"y")]), at, value)
    for chunks in ([data], [data[:300], data[300:]]):
        assert _one_by_one(chunks, b"rootfs/", b"") == _together(chunks, b"rootfs/", b"")


def test_a_name_that_stays_keeps_every_byte_of_its_header() -> None:
    """Such as a checksum that is spelled with seven digits."""
    data = pack([member("rootfs/f", b"x"), member("./g", b"y")])
    spelled = data[:148] + b"0" + data[148:154] + b"\0" + data[156:]
    for names in ((b"rootfs/", b"rootfs/"), (b"", b"")):
        together = _together([spelled], *names)
        assert spelled[:1024] == together[:1024]
        assert _one_by_one([spelled], *names) == together


def test_records_for_all_members_are_seen_in_front_of_the_next_member() -> None:
    first, second = Entry(path="rootfs/a", type=EntryType.FILE), Entry(path="rootfs/b", type=EntryType.FILE)
    items: list[Item] = [(first, ()), (dump_global({b"comment": b"x"}), ()), (second, ()), (first, ())]
    reader = RunReader(write_archive(items))
    found = [(type(item), dict(reader.global_records)) for item in reader.runs(Renaming(b"rootfs/", b""))]
    assert found == [(bytes, {}), (TarMember, {b"comment": b"x"}), (bytes, {b"comment": b"x"})]


def test_members_come_alone_from_where_it_is_asked() -> None:
    reader = RunReader(iter([pack([member(f"rootfs/{number}", b"x") for number in range(3)])]))
    reader.alone = True
    found = list(reader.runs(Renaming(b"rootfs/", b"")))
    assert [item.name for item in found if isinstance(item, TarMember)] == [
        b"rootfs/0",
        b"rootfs/1",
        b"rootfs/2",
    ]


def test_names_that_somebody_wants_to_see_come_alone() -> None:
    names = ["etc/f", "./metadata.yaml", "rootfs/x", "usr/f"]
    reader = RunReader(iter([pack([member(name, b"x") for name in names])]))
    found = [
        item.name
        for item in reader.runs(Renaming(b"", b"rootfs/", apart=b"mr"))
        if not isinstance(item, bytes)
    ]
    assert found == [b"./metadata.yaml", b"rootfs/x"]


def test_damage_is_found_where_it_is_found_member_by_member() -> None:
    data = bytearray(_archive("rootfs/", "pax"))
    numbers = random.Random(5)
    for _ in range(300):
        spoiled = bytearray(data[: numbers.choice((len(data), numbers.randrange(len(data))))])
        if spoiled and numbers.random() < 0.7:
            spoiled[numbers.randrange(len(spoiled))] ^= 1 << numbers.randrange(8)
        results = []
        for way in (_one_by_one, _together):
            try:
                results.append(way(_cut(bytes(spoiled), 1), b"rootfs/", b""))
            except InvalidImageError as error:
                results.append([(finding.code, finding.offset) for finding in error.diagnostics])  # type: ignore[arg-type]
        assert results[0] == results[1]


def test_no_more_members_than_allowed_are_copied() -> None:
    data = pack([member(f"rootfs/{number}", b"x") for number in range(12)])
    for names in (b"rootfs/", b"other/"):
        reader = RunReader(iter([data]), limits=Limits(members=11))
        with pytest.raises(LimitExceededError) as raised:
            list(reader.runs(Renaming(names, b"")))
        assert raised.value.diagnostics[0].code == "member-limit"
    assert issubclass(LimitExceededError, LXDImageError)
