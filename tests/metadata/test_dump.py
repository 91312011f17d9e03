"""Metadata as text: what it looks like, and that every daemon reads back the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lxdimage import (
    Architecture,
    InvalidMetadataError,
    Metadata,
    Severity,
    Target,
    TemplateRule,
    Trigger,
    check_metadata,
    dump_metadata,
    parse_metadata,
)

FULL = Metadata(
    architecture="amd64",
    creation_date=1600000000,
    expiry_date=1900000000,
    properties={"os": "Debian", "release": "14.04", "description": "a: b # c", "live": "yes", "empty": ""},
    templates={
        "/etc/hosts": TemplateRule(
            template="hosts.tpl",
            when=["start", "1"],
            create_only=True,
            properties={"default": 'say "no"\n'},
            uid="0",
            gid="0",
            mode="0644",
        ),
        "/etc/a": TemplateRule(),
        "/etc/b": TemplateRule(null=True),
    },
)
TEXT = """\
architecture: x86_64
creation_date: 1600000000
expiry_date: 1900000000
properties:
  description: "a: b # c"
  empty: ""
  live: "yes"
  os: Debian
  release: "14.04"
templates:
  /etc/a:
    when: []
    template: ""
  /etc/b: null
  /etc/hosts:
    when:
      - start
      - "1"
    create_only: true
    template: hosts.tpl
    properties:
      default: "say \\"no\\"\\n"
    uid: "0"
    gid: "0"
    mode: "0644"
"""


def test_the_text_is_plain_and_in_a_fixed_order() -> None:
    assert dump_metadata(FULL) == TEXT


@pytest.mark.parametrize("target", Target)
def test_the_text_means_what_was_dumped(target: Target) -> None:
    assert parse_metadata(TEXT, target=target) == FULL


def test_equal_metadata_make_equal_text() -> None:
    backwards = dict(reversed(list(FULL.properties.items())))
    assert dump_metadata(FULL.evolve(properties=backwards)) == TEXT


def test_there_is_always_a_map_of_properties() -> None:
    text = dump_metadata(Metadata(architecture="i686", creation_date=1))
    assert text == "architecture: i686\ncreation_date: 1\nproperties: {}\n"


def test_long_keys_and_raw_bytes_survive() -> None:
    metadata = Metadata(
        architecture="i686",
        creation_date=-5,
        properties={"k" * 2000: "v", "caf\udce9": "\udcff\n", "x" * 1000: "y"},
        templates={"/" + "t" * 3000: TemplateRule(when=["copy"]), "/" + "n" * 3000: TemplateRule(null=True)},
    )
    for target in Target:
        assert metadata == parse_metadata(dump_metadata(metadata), target=target)


def test_text_that_no_daemon_would_read_is_refused() -> None:
    metadata = Metadata(architecture="i686", creation_date=1, properties={"k": "v" * (1 << 20)})
    with pytest.raises(InvalidMetadataError, match="takes 1048630 bytes as YAML, more than 1048576"):
        dump_metadata(metadata)


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_ODD = (
    "",
    "~",
    "null",
    "<<",
    "yes",
    "2020-01-01",
    "0x1F",
    "1e3",
    ".inf",
    "- a",
    "a: b",
    "#",
    "\ufeff",
    "=",
    "\x85",
)
TEXTS = st.one_of(
    st.sampled_from(_ODD),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.binary(max_size=6).map(lambda data: data.decode("utf-8", "surrogateescape")),
    st.text("ab: #-?[]{}&*!|>'\"%@`~\\\t\n\r", max_size=10),
)
OPTIONAL = st.none() | TEXTS.filter(bool)
MAPS = st.dictionaries(TEXTS, TEXTS, max_size=4)
RULES = st.one_of(
    st.just(TemplateRule(null=True)),
    st.builds(
        TemplateRule,
        template=TEXTS,
        when=st.lists(st.sampled_from(Trigger) | TEXTS, max_size=3),
        create_only=st.booleans(),
        properties=MAPS,
        uid=OPTIONAL,
        gid=OPTIONAL,
        mode=OPTIONAL,
    ),
)
SECONDS = st.integers(-62_167_219_200, 253_402_300_799)
METADATA = st.builds(
    Metadata,
    architecture=st.sampled_from([each for each in Architecture if each.known_to(Target.LXD_5_0)]),
    creation_date=SECONDS.filter(bool),
    expiry_date=SECONDS,
    properties=MAPS,
    templates=st.dictionaries(TEXTS, RULES, max_size=3),
)


@settings(max_examples=80, deadline=None)
@given(METADATA)
def test_every_target_reads_back_what_was_dumped(metadata: Metadata) -> None:
    text = dump_metadata(metadata)
    for target in Target:
        assert metadata == parse_metadata(text, target=target)


@settings(max_examples=40, deadline=None)
@given(METADATA)
def test_what_is_dumped_is_clean_but_for_its_content(metadata: Metadata) -> None:
    """No finding is about how the text is written; only bytes that are not UTF-8 need a tag."""
    found = {finding.code for finding in check_metadata(dump_metadata(metadata)).diagnostics}
    assert not found & {
        "duplicate-key",
        "unquoted-date",
        "unquoted-value",
        "several-documents",
        "yaml-encoding",
    }
    assert not found & {"not-portable", "reads-differently", "missing-properties", "unknown-key"}


@settings(max_examples=40, deadline=None)
@given(METADATA)
def test_dumping_what_was_read_changes_nothing(metadata: Metadata) -> None:
    text = dump_metadata(metadata)
    assert text == dump_metadata(parse_metadata(text))


def test_a_dumped_image_has_no_findings() -> None:
    clean = FULL.evolve(
        properties={"os": "Debian"}, templates={"/etc/hosts": TemplateRule(template="a", when=["create"])}
    )
    assert () == check_metadata(dump_metadata(clean)).diagnostics
    assert Severity.INFO not in {found.severity for found in check_metadata(dump_metadata(clean)).diagnostics}
