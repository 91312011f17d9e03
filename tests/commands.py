"""The command line, run within the process of the tests."""

from __future__ import annotations

import pytest

from lxdimage.cli import main

__all__ = ["run"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return status, output and words."""
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err
