"""Publishing: what the daemons make of an instance, made of its backup."""

from __future__ import annotations

import io
import json
import tarfile
import tracemalloc
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage import Compression, Layout, Target, open_image, scan_image
from lxdimage.archive import EntryType
from lxdimage.build import BuiltImage, convert_image, publish_backup
from lxdimage.errors import BuildError, InvalidImageError, LXDImageError
from lxdimage.image import open_members
from making import CODECS, METADATA, TEMPLATED, member, pack

CORPUS = Path(__file__).parents[1] / "corpus" / "backups"
TARGETS = {"lxd": Target.LXD_5_0, "incus": Target.INCUS_6_0}
EXPIRY = 1_893_542_400


def publish(backup: bytes, output: Path, **options: object) -> BuiltImage:
    """Publish, and hold what must hold for everything that is written."""
    options.setdefault("compression", Compression.GZIP)
    done = publish_backup(io.BytesIO(backup), output, **options)  # type: ignore[arg-type]
    scan = scan_image(*(file.path for file in done.files))
    assert scan.fingerprint == done.fingerprint
    assert scan.image is not None, scan.diagnostics
    assert scan.image.metadata == done.metadata
    return done


def members(*files: Path) -> dict[str, object]:
    """Return all that is in an image but for metadata.yaml, by paths without a slash at the end."""
    found: dict[str, object] = {}
    with open_members(*files) as opened:
        for item in opened:
            entry = item.member.entry
            kept = (entry.type, entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size, entry.target)
            records = {
                key: value
                for key, value in getattr(item.member, "records", {}).items()
                if key.startswith(b"SCHILY")
            }
            content = b"".join(item.member.chunks())
            found[item.path.rstrip("/")] = (*kept, entry.device, dict(entry.xattrs), records, content)
    del found["metadata.yaml"]
    return found


# ── as the daemons do it ──


@pytest.mark.parametrize("daemon", TARGETS)
@pytest.mark.parametrize(
    ("published", "options"),
    [
        ("published", {}),
        ("published-changed", {"properties": {"os": "changed", "extra": "1"}, "expiry": EXPIRY}),
        ("published-snapshot", {"snapshot": "snap0"}),
    ],
)
def test_the_image_is_what_the_daemon_publishes(
    tmp_path: Path, daemon: str, published: str, options: dict[str, object]
) -> None:
    theirs = CORPUS / f"{daemon}-{published}.tar.gz"
    expected = open_image(theirs)
    done = publish(
        (CORPUS / f"{daemon}.tar.gz").read_bytes(),
        tmp_path / "ours",
        target=TARGETS[daemon],
        creation_date=expected.metadata.creation_timestamp,
        **options,
    )
    assert expected.metadata == done.metadata
    assert members(theirs) == members(tmp_path / "ours")
    findings = [
        [found.code for found in scan_image(path).diagnostics] for path in (theirs, tmp_path / "ours")
    ]
    assert findings == [["template-unused"]] * 2


def test_metadata_that_does_not_change_is_copied(tmp_path: Path) -> None:
    publish((CORPUS / "lxd.tar.gz").read_bytes(), tmp_path / "ours")
    with tarfile.open(tmp_path / "ours") as ours, tarfile.open(CORPUS / "lxd-published.tar.gz") as theirs:
        texts = [archive.extractfile("metadata.yaml") for archive in (ours, theirs)]
        assert len({text.read() for text in texts if text}) == 1
        assert ours.getnames()[:3] == ["metadata.yaml", "templates", "templates/hostname.tpl"]


def test_files_of_nobody_are_left_out_and_counted(tmp_path: Path) -> None:
    done = publish((CORPUS / "lxd.tar.gz").read_bytes(), tmp_path / "ours")
    (note,) = done.notes
    assert note.code == "owner-outside-map"
    assert note.message == "'etc/odd' of 7:100000 and 2 more left out: the owner is not in the id map"
    assert publish((CORPUS / "incus.tar.gz").read_bytes(), tmp_path / "ours").notes == ()


@pytest.mark.parametrize("rootfs_format", ["tar", "squashfs"])
def test_the_image_may_be_split(tmp_path: Path, rootfs_format: str) -> None:
    backup = (CORPUS / "lxd.tar.gz").read_bytes()
    publish(backup, tmp_path / "one")
    done = publish(backup, tmp_path / "two", layout=Layout.SPLIT, rootfs_format=rootfs_format)
    assert len(done.files) == 2
    one, two = members(tmp_path / "one"), members(tmp_path / "two", tmp_path / "two.root")
    missing = {"rootfs/etc/odd"} if rootfs_format == "squashfs" else set()  # which is made of nothing there
    assert set(one) == set(two) - missing


# ── backups made here ──

_MAP = json.dumps(
    [
        {"Isuid": True, "Isgid": False, "Hostid": 100000, "Nsid": 0, "Maprange": 65536},
        {"Isuid": False, "Isgid": True, "Hostid": 200000, "Nsid": 0, "Maprange": 10},
        {"Isuid": True, "Isgid": True, "Hostid": 1000, "Nsid": 1000, "Maprange": 1},
    ]
)
_CONFIG = """\
config:
  {key}:
    architecture: x86_64
    created_at: 2023-01-02T03:04:05.6Z
    config:
      image.os: tiny
      image.empty: ""
      user.x: "y"
      volatile.last_state.idmap: '{map}'
"""


def index(extra: str = "", *, config: str = _CONFIG, key: str = "container", idmap: str = "") -> str:
    text = f"name: c1\nbackend: dir\npool: default\nsnapshots: [s0, s1]\n{extra}"
    return text + config.replace("{key}", key).replace("{map}", idmap)


_FILES = [
    member("backup/container", b"", type=tarfile.DIRTYPE, mode=0o100),
    member("backup/container/backup.yaml", b"secret"),
    member("backup/container/metadata.yaml", METADATA),
    member("backup/container/rootfs", b"", type=tarfile.DIRTYPE),
    member("backup/container/rootfs/f", b"x"),
]


def backup(
    text: str | bytes, files: Iterable[tuple[tarfile.TarInfo, bytes]] = tuple(_FILES), *, codec: str = "gzip"
) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return CODECS[codec](pack([member("backup/index.yaml", data), *files], tarfile.PAX_FORMAT))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("key", ["container", "instance"])
def test_both_formats_and_all_compressions_are_read(tmp_path: Path, codec: str, key: str) -> None:
    publish(backup(index("version: 2\n", key=key), codec=codec), tmp_path / "image")
    assert set(members(tmp_path / "image")) == {"rootfs", "rootfs/f"}


def test_owners_are_mapped_each_by_its_own_ranges(tmp_path: Path) -> None:
    owners = [(100000, 200000), (100001, 200009), (165535, 200000), (1000, 1000), (1000, 200003)]
    outside = [
        (0, 0),
        (99999, 200000),
        (165536, 200000),
        (100000, 200010),
        (100000, 100000),
        (1 << 31, 200000),
    ]
    files = [
        member(f"backup/container/rootfs/{uid}-{gid}", b"x", uid=uid, gid=gid)
        for uid, gid in owners + outside
    ]
    top = member("backup/container/rootfs", b"", type=tarfile.DIRTYPE, uid=100000, gid=200000)
    done = publish(backup(index(idmap=_MAP), [_FILES[2], top, *files]), tmp_path / "image")
    with open_members(tmp_path / "image") as opened:
        found = {item.path: (item.member.entry.uid, item.member.entry.gid) for item in opened}
    expected = [(0, 0), (1, 9), (65535, 0), (1000, 1000), (1000, 3)]
    named = [f"rootfs/{uid}-{gid}" for uid, gid in owners]
    assert dict(zip(named, expected, strict=True)) == {path: found[path] for path in found if "-" in path}
    assert f"and {len(outside) - 1} more" in done.notes[0].message


def test_a_name_of_a_file_that_is_left_out_is_left_out(tmp_path: Path) -> None:
    top = member("backup/container/rootfs", b"", type=tarfile.DIRTYPE, uid=100000, gid=200000)
    outside = member("backup/container/rootfs/f", b"x")
    link = member(
        "backup/container/rootfs/l",
        b"",
        type=tarfile.LNKTYPE,
        linkname="backup/container/rootfs/f",
        uid=100000,
        gid=200000,
    )
    publish(backup(index(idmap=_MAP), [_FILES[2], top, outside, link]), tmp_path / "image")
    assert set(members(tmp_path / "image")) == {"rootfs"}


def test_hard_links_stay_links(tmp_path: Path) -> None:
    link = member(
        "backup/container/rootfs/l", b"", type=tarfile.LNKTYPE, linkname="backup/container/rootfs/f"
    )
    publish(backup(index(), [*_FILES, link]), tmp_path / "image")
    with open_members(tmp_path / "image") as opened:
        (target,) = [item.member.entry.target for item in opened if item.member.type is EntryType.HARD_LINK]
    assert target == "rootfs/f"


def test_what_belongs_to_another_instance_is_left_out(tmp_path: Path) -> None:
    other = [member("backup/virtual-machine/rootfs/x"), member("backup/virtual-machine/templates/x")]
    publish(backup(index(), [*_FILES, *other]), tmp_path / "image")
    assert set(members(tmp_path / "image")) == {"rootfs", "rootfs/f"}


@pytest.mark.parametrize("layout", Layout)
def test_hard_links_among_templates_stay_links(tmp_path: Path, layout: Layout) -> None:
    link = member(
        "backup/container/templates/b.tpl",
        b"",
        type=tarfile.LNKTYPE,
        linkname="backup/container/templates/hostname.tpl",
    )
    files = [
        member("backup/container/metadata.yaml", TEMPLATED),
        member("backup/container/templates/hostname.tpl", b"x"),
        link,
        *_FILES[3:],
    ]
    done = publish(backup(index(), files), tmp_path / "image", layout=layout)
    with open_members(*(file.path for file in done.files)) as opened:
        found = {item.path: item.member.entry.target for item in opened}
    assert found["templates/b.tpl"] == "templates/hostname.tpl"


@pytest.mark.parametrize("target", Target)
def test_metadata_that_the_target_cannot_use_is_not_made(tmp_path: Path, target: Target) -> None:
    text = index().replace("2023-01-02T03:04:05.6Z", "9999-12-31T23:59:59-23:00")
    data = backup(text, [made for made in _FILES if "metadata" not in made[0].name])
    if target.traits.renews_metadata:
        publish(data, tmp_path / "image", target=target, creation_date=7)
        return
    with pytest.raises(LXDImageError):
        publish(data, tmp_path / "image", target=target)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_names_of_files_that_are_left_out(tmp_path: Path) -> None:
    """Nor with the names of templates: both may have any length."""
    top = member("backup/container/rootfs", b"", type=tarfile.DIRTYPE, uid=100000, gid=200000)
    long = [
        member(f"backup/container/{place}/{number}" + "x" * 1_000_000)
        for number in range(60)
        for place in ("templates", "rootfs")
    ]
    front = [made for made in long if "/templates/" in made[0].name]
    data = backup(index(idmap=_MAP), [_FILES[2], *front, top, *(made for made in long if made not in front)])
    tracemalloc.start()
    try:
        publish_backup(io.BytesIO(data), io.BytesIO(), compression=Compression.GZIP)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("target", Target)
def test_an_instance_without_metadata_gets_some(tmp_path: Path, target: Target) -> None:
    data = backup(index(), [made for made in _FILES if "metadata" not in made[0].name])
    done = publish(data, tmp_path / "image", target=target, creation_date=7)
    assert done.metadata.properties == {"os": "tiny", "empty": ""}
    made = 7 if target.traits.renews_metadata else 1_672_628_645
    assert (done.metadata.architecture.value, done.metadata.creation_timestamp) == ("x86_64", made)


def test_an_old_index_has_its_configuration_in_the_instance(tmp_path: Path) -> None:
    inner = index(idmap=_MAP).partition("config:\n")[2].replace("\n  ", "\n")[2:].encode()
    files = [
        member("backup/container/backup.yaml", inner),
        _FILES[2],
        member("backup/container/rootfs", b"", type=tarfile.DIRTYPE, uid=100000, gid=200000),
        member("backup/container/rootfs/f", b"x", uid=100002, gid=200003),
    ]
    publish(backup(index(config=""), files), tmp_path / "image")
    with open_members(tmp_path / "image") as opened:
        assert [item.member.entry.uid for item in opened] == [0, 0, 2]


def test_templates_behind_the_root_come_to_the_front(tmp_path: Path) -> None:
    files = [
        member("backup/container/metadata.yaml", TEMPLATED),
        *_FILES[3:],
        member("backup/container/templates", b"", type=tarfile.DIRTYPE),
        member("backup/container/templates/hostname.tpl", b"x"),
    ]
    publish(backup(index(), files), tmp_path / "image")
    with tarfile.open(tmp_path / "image") as archive:
        names = archive.getnames()
    assert names == ["metadata.yaml", "templates", "templates/hostname.tpl", "rootfs", "rootfs/f"]


def test_a_backup_may_be_a_squashfs(tmp_path: Path) -> None:
    tar = io.BytesIO(CODECS["gzip"](pack([member("backup/index.yaml", index().encode()), *_FILES])))
    holder = pack([member("metadata.yaml", METADATA)])
    convert_image(io.BytesIO(holder), tar, output=tmp_path / "s", rootfs_format="squashfs")
    publish((tmp_path / "s.root").read_bytes(), tmp_path / "image")
    assert set(members(tmp_path / "image")) == {"rootfs", "rootfs/f"}


# ── what cannot be published ──


@pytest.mark.parametrize(
    ("text", "error", "code"),
    [
        (index("type: virtual-machine\n"), BuildError, "backup-virtual-machine"),
        (index("optimized: true\n"), BuildError, "backup-optimized"),
        (index("type: zoo\n"), InvalidImageError, "backup-index"),
        (index().replace("name: c1", "name: ../../etc"), InvalidImageError, "backup-index"),
        (index().replace("name: c1", "name:"), InvalidImageError, "backup-index"),
        (index().replace("[s0, s1]", "[../s0]"), InvalidImageError, "backup-index"),
        (index().replace("[s0, s1]", "[null]"), InvalidImageError, "backup-index"),
        (index().replace("[s0, s1]", "[[s0]]"), InvalidImageError, "backup-index"),
        (index().replace("[s0, s1]", "s0"), InvalidImageError, "backup-index"),
        (index(config="config: {container: null}\n"), InvalidImageError, "backup-index"),
        (index(config="config: {container: []}\n"), InvalidImageError, "backup-index"),
        (index(config="config: [x]\n"), InvalidImageError, "backup-index"),
        (index(config="config: {container: {config: [x]}}\n"), InvalidImageError, "backup-index"),
        (index(config="config: {container: {}, snapshots: [null]}\n"), InvalidImageError, "backup-index"),
        (index(config=""), InvalidImageError, "backup-index"),
        (index(idmap="{}"), InvalidImageError, "backup-idmap"),
        (index(idmap="[null]"), InvalidImageError, "backup-idmap"),
        (index(idmap="[["), InvalidImageError, "backup-idmap"),
        (index(idmap='[{"Hostid": -1}]'), InvalidImageError, "backup-idmap"),
        (index(idmap='[{"Hostid": true}]'), InvalidImageError, "backup-idmap"),
        (index(idmap='[{"Isuid": 1}]'), InvalidImageError, "backup-idmap"),
        (index(idmap="[" * 20_000), InvalidImageError, "backup-idmap"),
        (index(idmap="[" + ", ".join(["{}"] * 681) + "]"), InvalidImageError, "backup-idmap"),
        ("", InvalidImageError, "backup-index"),
        ("[", InvalidImageError, "backup-index"),
        ("a: &a [*a]\nname: *a", InvalidImageError, "backup-index"),
        ("- x", InvalidImageError, "backup-index"),
        (b"\xff\xfe\x00", InvalidImageError, "backup-index"),
        (b"# " + bytes(1 << 20).replace(b"\0", b"x"), InvalidImageError, "backup-index"),
    ],
)
def test_an_index_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str | bytes, error: type[LXDImageError], code: str
) -> None:
    with pytest.raises(error) as raised:
        publish(backup(text), tmp_path / "image")
    assert raised.value.diagnostics[0].code == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "error", "code"),
    [
        ([], BuildError, "backup-incomplete"),
        ([_FILES[0], _FILES[2]], BuildError, "root-missing"),
        ([member("backup/container.bin", b"btrfs")], BuildError, "backup-optimized"),
        ([*_FILES, member("backup/container/rootfs/../../x", b"")], InvalidImageError, "dotdot-member"),
        (
            [
                *_FILES,
                member("backup/container/rootfs/l", b"", type=tarfile.LNKTYPE, linkname="backup/index.yaml"),
            ],
            InvalidImageError,
            "dangling-hard-link",
        ),
        (
            [
                _FILES[2],
                member("backup/container/templates/t", b"", type=tarfile.LNKTYPE, linkname="/etc/shadow"),
                *_FILES[3:],
            ],
            InvalidImageError,
            "dangling-hard-link",
        ),
        *(
            ([_FILES[2], made, _FILES[4]], InvalidImageError, "root-not-directory")
            for made in (
                member("backup/container/rootfs", b"", type=tarfile.SYMTYPE, linkname="/"),
                member("backup/container/rootfs", b"text"),
                member("backup/container/rootfs", b"", type=tarfile.FIFOTYPE),
            )
        ),
        (
            [
                member("backup/virtual-machine/metadata.yaml", METADATA),
                member("backup/virtual-machine/rootfs/x"),
            ],
            BuildError,
            "backup-incomplete",
        ),
        (
            [
                member("backup/container/metadata.yaml", b"", type=tarfile.SYMTYPE, linkname="/etc/x"),
                _FILES[4],
            ],
            InvalidImageError,
            "metadata-not-regular",
        ),
    ],
)
def test_files_that_cannot_be_used_are_refused(
    tmp_path: Path, files: list[tuple[tarfile.TarInfo, bytes]], error: type[LXDImageError], code: str
) -> None:
    with pytest.raises(error) as raised:
        publish(backup(index(), files), tmp_path / "image")
    assert raised.value.diagnostics[0].code == code
    assert list(tmp_path.iterdir()) == []


def test_an_instance_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as raised:
        publish(backup(index(config=""), _FILES[2:]), tmp_path / "image")
    assert raised.value.diagnostics[0].code == "backup-incomplete"


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    for data in (pack([member("metadata.yaml", METADATA)]), pack(_FILES), CODECS["xz"](pack([]))):
        with pytest.raises(InvalidImageError):
            publish(data, tmp_path / "image")


def test_a_snapshot_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as raised:
        publish(backup(index()), tmp_path / "image", snapshot="s2")
    assert raised.value.diagnostics[0].message == "there is no snapshot 's2'; there are: 's0', 's1'"


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["c1", "s0", "container"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "type",
                    "config",
                    "container",
                    "instance",
                    "snapshots",
                    "architecture",
                    "optimized",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_VALUES)
def test_any_index_ends_in_an_image_or_an_error_of_ours(value: object) -> None:
    data = backup(json.dumps(value), codec="none")
    with suppress(LXDImageError):
        publish_backup(io.BytesIO(data), io.BytesIO(), compression=Compression.NONE)
