"""
Runs the two commands of the README where a newcomer would: in a fresh clone, with nothing of this tree installed.

``python3 tests/readme.py [DIRECTORY]`` clones the repository into DIRECTORY (a temporary one unless given) and runs
the first two ``sh`` blocks of its README there, in this order.  The exit status is that of the block that failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(readme: str) -> list[str]:
    """Return the shell blocks of a README."""
    return _BLOCK.findall(readme)


def main(arguments: list[str]) -> int:
    """Run the blocks and return the exit status."""
    with tempfile.TemporaryDirectory(prefix="lxdimage-readme-") as scratch:
        clone = Path(arguments[0] if arguments else scratch, "lxdimage")
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        blocks = commands((clone / "README.md").read_text(encoding="utf-8"))[:2]
        if len(blocks) != 2:
            print(f"README.md has {len(blocks)} sh blocks, expected at least 2")
            return 1
        environment = {
            key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")
        }
        for block in blocks:
            print(f"$ {block}", flush=True)
            status = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block], cwd=clone, env=environment, check=False
            )
            if status.returncode:
                return status.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
