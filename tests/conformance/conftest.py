"""What the comparisons with real programs share: daemons that start once, and the rule for missing programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.daemons import PROGRAMS, Daemon, MissingProgramError
from conformance.programs import MODE, absent

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, before marks are selected."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.conformance)
            if MODE == "off":
                item.add_marker(pytest.mark.skip(reason="LXDIMAGE_CONFORMANCE is off"))


def _run(kind: str) -> Iterator[Daemon]:
    """Run a daemon for the session."""
    try:
        program = PROGRAMS[kind]()
    except MissingProgramError as missing:
        absent(f"{kind}: {missing}")
    with Daemon.running(program) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def lxd() -> Iterator[Daemon]:
    """Return a running LXD with an empty image store."""
    yield from _run("lxd")


@pytest.fixture(scope="session")
def incus() -> Iterator[Daemon]:
    """Return a running Incus with an empty image store."""
    yield from _run("incus")


@pytest.fixture(params=sorted(PROGRAMS))
def daemon(request: pytest.FixtureRequest) -> Daemon:
    """Return each running daemon in turn."""
    running = request.getfixturevalue(request.param)
    assert isinstance(running, Daemon)
    return running
