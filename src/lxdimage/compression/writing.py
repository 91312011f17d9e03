"""What only writers need of compression; apart, so that readers do not load it."""

from __future__ import annotations

from lxdimage.compression._encode import encode
from lxdimage.compression._first import First, take_first

__all__ = ["First", "encode", "take_first"]
