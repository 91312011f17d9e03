"""The tokens of YAML."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

__all__ = ["Kind", "Token"]


class Kind(Enum):
    """What a token is; the texts are what messages call it."""

    STREAM_END = auto()
    VERSION_DIRECTIVE = auto()
    TAG_DIRECTIVE = auto()
    DOCUMENT_START = auto()
    DOCUMENT_END = auto()
    BLOCK_SEQUENCE_START = auto()
    BLOCK_MAPPING_START = auto()
    BLOCK_END = auto()
    FLOW_SEQUENCE_START = auto()
    FLOW_SEQUENCE_END = auto()
    FLOW_MAPPING_START = auto()
    FLOW_MAPPING_END = auto()
    BLOCK_ENTRY = auto()
    FLOW_ENTRY = auto()
    KEY = auto()
    VALUE = auto()
    ALIAS = auto()
    ANCHOR = auto()
    TAG = auto()
    SCALAR = auto()


class Token(NamedTuple):
    """
    One token.

    Attributes:
        kind: What it is.
        start: Where it begins, in characters.
        end: Where it ends.
        text: The value of a scalar, the name of an anchor, the handle of a tag, the version of a directive.
        detail: The style of a scalar (``|``, ``>``, a quote, or nothing when plain), the suffix or prefix of a tag.
    """

    kind: Kind
    start: int
    end: int
    text: str = ""
    detail: str = ""
