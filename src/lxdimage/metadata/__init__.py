"""What metadata.yaml says: read by the daemons' own rules, checked, and written so that all read it alike."""

from __future__ import annotations

from lxdimage.metadata._architectures import Architecture
from lxdimage.metadata._check import (
    CheckedMetadata,
    MetadataFiles,
    accepted_metadata,
    check_documents,
    check_metadata,
    parse_metadata,
    refusals_at_import,
)
from lxdimage.metadata._dump import dump_metadata
from lxdimage.metadata._model import FIRST_START, Metadata, TemplateRule, Trigger

__all__ = [
    "FIRST_START",
    "Architecture",
    "CheckedMetadata",
    "Metadata",
    "MetadataFiles",
    "TemplateRule",
    "Trigger",
    "accepted_metadata",
    "check_documents",
    "check_metadata",
    "dump_metadata",
    "parse_metadata",
    "refusals_at_import",
]
