"""
Compression of image files: detected as the daemons do it, decoded within limits, encoded reproducibly.

This package is the only importer of codecs.  Every stage takes chunks of bytes and yields chunks of bytes; no
stage closes its source.  What only writers need is in `lxdimage.compression.writing`.
"""

from __future__ import annotations

from lxdimage.compression._decode import decode, decode_named
from lxdimage.compression._detect import HEAD_SIZE, Compression, detect

__all__ = ["HEAD_SIZE", "Compression", "decode", "decode_named", "detect"]
