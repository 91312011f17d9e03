"""New files get the mode and owner that Incus reads from a rule; LXD reads none."""

from __future__ import annotations

import pytest

from lxdimage.metadata import TemplateRule
from lxdimage.templates._permissions import BadPermissionError, Permissions, new_permissions


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("640", 0o640),
        ("0640", 0o640),
        ("0o755", 0o755),
        ("0x1FF", 0o777),
        ("0b11", 0o003),
        ("7", 0o007),
        ("77", 77),
        ("4755", 4755 & 0o777),
        ("+755", 755 & 0o777),
        ("1_000", 1000 & 0o777),
        ("-5", -5 & 0o777),
        ("", 0o644),
        (None, 0o644),
    ],
)
def test_three_characters_are_octal_and_all_else_goes_by_its_prefix(text: str | None, mode: int) -> None:
    assert Permissions(mode=mode) == new_permissions(TemplateRule(mode=text), honoured=True)


@pytest.mark.parametrize(
    "text", ["rwx", "493", "0o7", " 755", "_755", "7__5", "08", "0o", "9223372036854775808", "9" * 5000]
)
def test_a_mode_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(BadPermissionError, match="no number"):
        new_permissions(TemplateRule(mode=text), honoured=True)


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        ("7", 7),
        ("+5", 5),
        ("000000000000000000000000000005", 5),
        ("-1", 0),
        ("4294967295", 0),
        ("4294967296", 0),
        ("4294967301", 5),
        ("-2", 4294967294),
        ("", 0),
        (None, 0),
    ],
)
def test_an_owner_has_32_bits_and_minus_one_leaves_it_to_root(text: str | None, owner: int) -> None:
    assert Permissions(uid=owner, gid=owner) == new_permissions(
        TemplateRule(uid=text, gid=text), honoured=True
    )


@pytest.mark.parametrize("text", ["root", " 5", "0x5", "1_0", "9223372036854775808", "٣"])
def test_an_owner_that_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(BadPermissionError, match="no decimal number"):
        new_permissions(TemplateRule(gid=text), honoured=True)


def test_lxd_reads_none_of_them() -> None:
    rule = TemplateRule(mode="rwx", uid="root", gid="root")
    assert Permissions(mode=0o644, uid=0, gid=0) == new_permissions(rule, honoured=False)
