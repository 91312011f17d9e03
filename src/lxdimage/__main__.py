"""Run the command line as ``python -m lxdimage``."""

from __future__ import annotations

import sys

from lxdimage.cli import main

if __name__ == "__main__":
    sys.exit(main())
