"""Extracting the members of an image into a directory, and nothing anywhere else."""

from __future__ import annotations

from lxdimage.extract._extract import Extraction, extract_image

__all__ = ["Extraction", "extract_image"]
