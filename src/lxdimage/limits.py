"""Bounds on what reading an untrusted image or rendering an untrusted template may use."""

from __future__ import annotations

import attrs

__all__ = ["RATIO_COUNTS_FROM", "Limits"]

_MIB = 1 << 20

RATIO_COUNTS_FROM = 256 * _MIB
"""Bytes that may come out, or be holes, before `Limits.ratio` counts: small files may compress without bounds."""


def _check_sign(_instance: object, attribute: attrs.Attribute[int], value: int) -> None:
    if not isinstance(value, int):
        message = f"expected a whole number for {attribute.name}, found {value!r}"
        raise ValueError(message)  # noqa: TRY004 - what cannot be is a ValueError, whatever it is
    if value < 0:
        message = f"expected no negative number for {attribute.name}, found {value}"
        raise ValueError(message)


def _bound(default: int) -> int:
    bound: int = attrs.field(default=default, validator=_check_sign)
    return bound


@attrs.frozen(kw_only=True)
class Limits:
    """
    Bounds for untrusted input; what exceeds one ends in `LimitExceededError` or a finding.

    Every bound can be raised; none can be switched off.

    Attributes:
        size: Bytes that an archive may decompress to.
        ratio: Decompressed bytes for each compressed byte, once more than 256 MiB came out, and bytes of holes for
            each byte of an image where they have to be read or written.
        members: Members of one archive.
        extension: Bytes of one PAX or GNU extension header, and of all PAX global headers together.
        window: Bytes of memory that one decoder may need for its window or dictionary.
        parallel_memory: Bytes that parallel xz and bzip2 decoding may use in all; below that, one thread.
        template_size: Bytes of one template.
        templates_size: Bytes of all templates of an image together.
        nesting: Levels of tags, brackets or macro calls in a template.
        steps: Loop rounds, lookups, filters and calls of one rendering.
        output: Bytes of one rendering's output.
        value: Length of one string or list within a rendering.

    Raises:
        ValueError: When one is negative, or no whole number.
    """

    size: int = _bound(1 << 40)
    ratio: int = _bound(2000)
    members: int = _bound(20_000_000)
    extension: int = _bound(8 * _MIB)
    window: int = _bound(128 * _MIB)
    parallel_memory: int = _bound(160 * _MIB)
    template_size: int = _bound(_MIB)
    templates_size: int = _bound(16 * _MIB)
    nesting: int = _bound(50)
    steps: int = _bound(1_000_000)
    output: int = _bound(16 * _MIB)
    value: int = _bound(16 * _MIB)
