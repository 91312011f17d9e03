"""
YAML as the daemons read it.

The daemons decode metadata.yaml with the Go YAML library, whose two generations in use differ from each other and
from every Python library in what they accept and in what a scalar means.  A verdict that equals theirs needs
their rules, so this package has its own reader: bytes to characters (`Text`), characters to tokens to nodes
(`Parser`), and what a scalar is (`resolve`).  Positions are kept all the way, so that every finding can point.
"""

from __future__ import annotations

from lxdimage.metadata._yaml._generation import GENERATIONS, Generation
from lxdimage.metadata._yaml._nodes import Alias, Mapping, Node, Scalar, Sequence
from lxdimage.metadata._yaml._parser import Parser, Usage
from lxdimage.metadata._yaml._resolve import Resolved, resolve
from lxdimage.metadata._yaml._text import MAX_SIZE, Text, YAMLError

__all__ = [
    "GENERATIONS",
    "MAX_SIZE",
    "Alias",
    "Generation",
    "Mapping",
    "Node",
    "Parser",
    "Resolved",
    "Scalar",
    "Sequence",
    "Text",
    "Usage",
    "YAMLError",
    "resolve",
]
