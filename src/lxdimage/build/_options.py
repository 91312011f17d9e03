"""How a root file system becomes members of an image, whatever it comes from."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from lxdimage.build._owners import OwnerMap
from lxdimage.diagnostics import Diagnostic
from lxdimage.errors import BuildError, InvalidArgumentError
from lxdimage.limits import Limits
from lxdimage.rules import diagnose

__all__ = ["Place", "RootOptions", "check_numbers", "check_root_format"]


def check_numbers(**numbers: int | None) -> None:
    """
    Check that what was given is whole and not negative.

    Raises:
        BuildError: One of the *numbers*, named as the argument is, is negative.
        InvalidArgumentError: One of them is no whole number.
    """
    for name, number in numbers.items():
        if number is not None and not isinstance(number, int):
            text = f"{name} must be a whole number, found {number!r}"
            raise InvalidArgumentError(diagnose("invalid-argument", text))
        if number is not None and number < 0:
            raise BuildError(diagnose("number-out-of-range", f"{name} must not be negative, found {number}"))


def check_root_format(name: str) -> None:
    """
    Check that the root of an image can have the format of this name.

    Raises:
        BuildError: It cannot.
    """
    if name not in {"tar", "squashfs"}:
        text = f"expected 'tar' or 'squashfs' as the format of the root, found {name!r}"
        raise BuildError(diagnose("root-format", text))


@attrs.frozen(kw_only=True)
class RootOptions:
    """
    What is done to all members.

    Attributes:
        latest: Later times become this one, in seconds since 1970.
        excluded: Tells whether a path is left out.
        owners: Maps the owners of all files.
        strip: Leading components that the names in an archive lose.
        limits: Bounds on what an untrusted archive may use.
        note: Is told what was left out or looks wrong.
    """

    latest: int | None
    excluded: Callable[[str], bool] | None
    owners: OwnerMap | None
    strip: int
    limits: Limits
    note: Callable[[Diagnostic], None]


@attrs.frozen(kw_only=True)
class Place:
    """
    Where the members go.

    Attributes:
        prefix: What precedes their paths.
        top: The path of the top directory.
        made: The time of a top directory that the source does not have, in seconds since 1970.
    """

    prefix: str
    top: str
    made: int
