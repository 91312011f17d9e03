"""Names of architectures, by daemon (image format, section 5.5)."""

from __future__ import annotations

import pytest

from lxdimage import Architecture, InvalidMetadataError, Target

OLDER = (Target.LXD_5_0, Target.INCUS_6_0, Target.INCUS)


def known(name: str) -> set[Target]:
    """Return the daemons that know *name*."""
    found = set()
    for target in Target:
        try:
            Architecture.parse(name, target)
        except InvalidMetadataError:
            continue
        found.add(target)
    return found


@pytest.mark.parametrize("architecture", Architecture)
def test_every_name_and_alias_means_its_architecture(architecture: Architecture) -> None:
    for target in architecture_targets(architecture):
        for name in (str(architecture), *architecture.aliases(target)):
            assert architecture is Architecture.parse(name, target)
    assert {*architecture.aliases()} >= {name for target in Target for name in architecture.aliases(target)}


def architecture_targets(architecture: Architecture) -> set[Target]:
    return {target for target in Target if architecture.known_to(target)}


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("amd64", {*Target}),
        ("loongarch64", {*Target} - {Target.LXD_5_0}),
        ("loong64", {*Target} - {Target.LXD_5_0}),
        ("amd64v3", {Target.LXD}),
        ("x86_64_v3", {Target.INCUS}),
        ("x86_64_v5", set()),
        (" x86_64\n", {Target.LXD}),
        ("x86_64 and more", {Target.LXD}),
        ("X86_64", set()),
        ("x86-64", set()),
        ("", set()),
        ("all", set()),
        ("386", {*Target}),
        ("armv7hl", set()),
    ],
)
def test_daemons_know_different_names(name: str, targets: set[Target]) -> None:
    assert targets == known(name)


def test_numbers_are_those_of_the_daemons_databases() -> None:
    assert [*range(1, 16)] == [architecture.id for architecture in Architecture]
    assert (1, 2, 4, 15) == tuple(
        Architecture.parse(name).id for name in ("i686", "amd64", "arm64", "loongarch64")
    )


def test_hosts_run_related_architectures() -> None:
    assert (Architecture.I686,) == Architecture.X86_64.personalities
    assert {"armv6l", "armv7l", "armv8l"} == {str(other) for other in Architecture.AARCH64.personalities}
    assert () == Architecture.S390X.personalities


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("X86-64", "did you mean 'x86_64'?"),
        ("AMD64 ", "did you mean 'x86_64'?"),
        ("armv7hl", "did you mean 'armv7l'?"),
        ("arm64v8", "did you mean 'aarch64'?"),
        ("aarch46", "did you mean 'aarch64'?"),
        ("powerpc64le", "did you mean 'ppc64le'?"),
        ("any", "an image is made for one architecture; name that of its binaries, such as 'x86_64'"),
        ("vax", None),
        ("x" * 100_000, None),
    ],
)
def test_an_unknown_name_gets_a_guess(name: str, hint: str | None) -> None:
    with pytest.raises(InvalidMetadataError) as caught:
        Architecture.parse(name)
    (finding,) = caught.value.diagnostics
    assert ("unknown-architecture", hint) == (finding.code, finding.hint)
    assert len(finding.message) < 200


def test_a_missing_name_is_told_from_an_unknown_one() -> None:
    with pytest.raises(InvalidMetadataError) as caught:
        Architecture.parse("", Target.LXD)
    assert "missing-architecture" == caught.value.diagnostics[0].code
