"""What the comparisons need from the machine, and what happens where it is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import NoReturn

import pytest

__all__ = ["MODE", "absent", "debian_release", "need", "need_root"]

MODE = os.environ.get("LXDIMAGE_CONFORMANCE", "")
"""``required`` makes a missing program a failure, ``off`` skips every comparison, else what is missing is skipped."""


def absent(reason: str) -> NoReturn:
    """Skip with *reason*, or fail where everything must be there."""
    if MODE == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def need(*names: str) -> None:
    """Go on only where the programs *names* are installed."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        absent(f"not installed: {', '.join(missing)}")


def need_root() -> None:
    """Go on only as root."""
    if os.geteuid() != 0:
        absent("needs root")


def debian_release() -> tuple[str, str]:
    """Return the code name of the Debian that runs here, and the mirror that apt is set up with."""
    need("apt-get")
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"]
    targets = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    mirrors = [target.split()[2] for target in targets if target.startswith(f"{codename} main ")]
    if not mirrors:
        absent(f"apt knows no mirror of {codename!r}")
    return codename, mirrors[0]
