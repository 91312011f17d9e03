"""Targets are followed through the root as each daemon follows them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from lxdimage.archive import Entry, EntryType
from lxdimage.targets import Target
from lxdimage.templates._places import Exists, OutsideError, Place, find_place

ALL = list(Target)
AS_THE_KERNEL = [Target.LXD_5_0, Target.LXD, Target.INCUS_6_0]


def root(**tree: str) -> Exists:
    """Return what a root has: by path with ``__`` for slashes, ``file``, ``dir`` or where a link leads."""
    kinds = {"file": EntryType.FILE, "dir": EntryType.DIRECTORY}
    found: Mapping[str, Entry] = {
        name.replace("__", "/"): Entry(
            path=name, type=kinds.get(kind, EntryType.SYMLINK), target="" if kind in kinds else kind
        )
        for name, kind in {"etc": "dir", "run": "dir", **tree}.items()
    }
    return found.get


def place(target: Target, path: str, exists: Exists) -> Place:
    return find_place(path, exists, target.traits)


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("path", ["/etc/new", "etc/new", "///etc//new", "/./etc/new"])
def test_leading_slashes_and_dots_vanish(target: Target, path: str) -> None:
    assert Place(path="etc/new", file="etc/new", exists=False) == place(target, path, root())


@pytest.mark.parametrize("target", ALL)
def test_a_file_that_is_there_exists(target: Target) -> None:
    found = place(target, "/etc/hosts", root(etc__hosts="file"))
    assert Place(path="etc/hosts", file="etc/hosts", exists=True) == found


@pytest.mark.parametrize("target", ALL)
def test_missing_parents_are_made(target: Target) -> None:
    assert Place(path="a/b/c", file="a/b/c", exists=False) == place(target, "/a/b/c", root())


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("path", ["/..", "/../x", "/etc/../../x", "/../rootfs/etc/x"])
def test_a_path_out_of_the_root_is_refused(target: Target, path: str) -> None:
    with pytest.raises(OutsideError, match="out"):
        place(target, path, root())


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("link", ["/etc/hosts", "../../x", "../../rootfs/etc/x", "b"])
def test_a_link_out_of_the_root_is_refused(target: Target, link: str) -> None:
    """An absolute link is one also where its target exists in the instance; a chain is followed."""
    with pytest.raises(OutsideError):
        place(target, "/etc/a", root(etc__a=link, etc__b="/x"))


@pytest.mark.parametrize("target", ALL)
def test_links_within_the_root_are_followed(target: Target) -> None:
    exists = root(etc__a="b", etc__b="../run/c", run__c="file", etc__d="../run")
    assert place(target, "/etc/a", exists).file == "run/c"
    assert place(target, "/etc/d/c", exists).file == "run/c"
    assert place(target, "/etc/d/new", exists) == Place(path="etc/d/new", file="run/new", exists=False)


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("path", ["/", "", "/etc", "/etc/.", "/link"])
def test_a_directory_cannot_be_written(target: Target, path: str) -> None:
    found = place(target, path, root(link="etc"))
    assert found.exists
    assert found.problem == "is a directory"


@pytest.mark.parametrize("target", AS_THE_KERNEL)
def test_dots_and_a_trailing_slash_are_cleaned_as_text(target: Target) -> None:
    exists = root(etc__hosts="file", etc__link="../run")
    for path in ("/etc/x/../new", "/etc/hosts/../new", "/etc/link/../new", "/etc/new/", "/etc/new/."):
        assert Place(path="etc/new", file="etc/new", exists=False) == place(target, path, exists)


def test_todays_incus_takes_each_step() -> None:
    exists = root(etc__hosts="file", etc__link="../run", etc__dir="dir")
    assert place(Target.INCUS, "/etc/dir/../new", exists).file == "etc/new"
    assert place(Target.INCUS, "/etc/link/../new", exists).file == "new"
    for path in ("/etc/x/../new", "/etc/hosts/../new", "/etc/new/", "/etc/new/."):
        found = place(Target.INCUS, path, exists)
        assert found.problem
        assert not found.exists


def test_todays_daemons_refuse_steps_that_leave_the_root_through_a_link() -> None:
    exists = root(etc__link="../run")
    for target in (Target.LXD, Target.INCUS):
        with pytest.raises(OutsideError):
            place(target, "/etc/link/../../new", exists)
    assert place(Target.LXD_5_0, "/etc/link/../../new", exists).file == "new"


@pytest.mark.parametrize("target", AS_THE_KERNEL)
def test_a_dangling_link_exists_and_what_it_leads_to_is_made(target: Target) -> None:
    found = place(target, "/etc/a", root(etc__a="../run/b"))
    assert Place(path="etc/a", file="run/b", exists=True) == found


def test_todays_incus_refuses_a_dangling_link() -> None:
    found = place(Target.INCUS, "/etc/a", root(etc__a="../run/b"))
    assert not found.exists
    assert found.problem == "is a symbolic link that leads nowhere"


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize("link", ["x/y", "x/../hosts", "hosts/x", "a"])
def test_a_link_that_needs_what_is_not_there_cannot_be_written(target: Target, link: str) -> None:
    """A directory that only a link names is not made."""
    found = place(target, "/etc/a", root(etc__a=link, etc__hosts="file"))
    assert found.problem
    assert found.exists is (target is not Target.INCUS)


@pytest.mark.parametrize("target", ALL)
def test_nothing_can_be_made_below_a_dangling_link(target: Target) -> None:
    found = place(target, "/etc/a/b", root(etc__a="x"))
    assert not found.exists
    assert found.problem == "needs the directory 'etc/x', which is not there"


@pytest.mark.parametrize("target", ALL)
@pytest.mark.parametrize(
    "path", ["/etc/hosts/x", "/etc/hosts/x/y", "/etc/\0", "/etc/" + "n" * 256, "/n" * 2100]
)
def test_what_keeps_the_kernel_from_looking_counts_as_existing(target: Target, path: str) -> None:
    """A rule with create_only is then content, but on today's Incus."""
    found = place(target, path, root(etc__hosts="file"))
    assert found.problem
    assert found.exists is (target is not Target.INCUS)


@pytest.mark.parametrize("target", ALL)
def test_a_name_of_255_bytes_is_the_longest(target: Target) -> None:
    assert place(target, "/etc/" + "n" * 255, root()).problem is None
    found = place(target, "/new/" + "n" * 256, root())
    assert found.problem
    assert not found.exists


@pytest.mark.parametrize("target", ALL)
def test_an_answer_of_yes_is_a_file_at_the_end_and_a_directory_before(target: Target) -> None:
    assert Place(path="a/b", file="a/b", exists=True) == place(target, "/a/b", lambda _path: True)


@pytest.mark.parametrize("target", ALL)
def test_hostile_targets_are_judged_quickly(target: Target) -> None:
    began = time.perf_counter()
    circle = {f"l{number}": f"{'x/../' * 800}l{(number + 1) % 50}" for number in range(50)}
    for path in ("/a" * 500_000, "/.." * 300_000, "/l0", "/" * 1_000_000):
        try:
            place(target, path, root(**circle, x="dir"))
        except OutsideError:
            continue
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("target", ALL)
def test_a_link_that_leads_into_itself_is_judged_quickly(target: Target) -> None:
    exists = root(l="l/" * 2000)
    began = time.process_time()
    for number in range(300):
        assert place(target, f"/l/{number}", exists).problem
    assert time.process_time() - began < 4
