"""Every directory of tests is looked into, whatever pytest leaves out unless it is told."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest


def test_no_directory_of_tests_is_left_out(pytestconfig: pytest.Config) -> None:
    left_out = pytestconfig.getini("norecursedirs")
    directories = {path.parent for path in Path(__file__).parent.rglob("test_*.py")}
    assert len(directories) > 10
    assert [str(path) for path in directories for pattern in left_out if fnmatch(path.name, pattern)] == []
