"""`check_metadata` decodes what the YAML library of LXD 5.0 and Incus 6.0 decodes, and refuses what it refuses."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.programs import need
from lxdimage import Architecture, CheckedMetadata, LXDImageError, Stage, Target, check_metadata

# LXDIMAGE_CONFORMANCE_SEED=N tries other texts than the usual ones, LXDIMAGE_CONFORMANCE_TEXTS=N so many of them.
_SEED = int(os.environ.get("LXDIMAGE_CONFORMANCE_SEED", "0"))
_COUNT = int(os.environ.get("LXDIMAGE_CONFORMANCE_TEXTS", "6000"))
_LAST_SECOND = 253_402_300_799

_SEEDS = [
    path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("yaml/seeds/*.yaml"))
]
# fmt: off
_VALUES = (
    "a", "'q'", '"d"', "14.04", "1e3", "yes", "null", "~", "''", "0755", "1:30", "[a]", "{a: b}", "*x", "&y v", "@x",
    "%x", "0x1F", "2020-01-01", "=", "- x", "!!str 5", "!!int x", "!!float 1", "!own x", "a: b", "a #c", "a#c", "|",
    ">", "? x", "<<", "1_0", "0o17", "-5", ".5", "1.", "!!null ''", "y", "on", "\u00e9", "a\tb", "1e", "+", "-", ".inf",
    "!!binary YQ", "!<x> y",
)
_PIECES: tuple[str, ...] = (
    *":#-?[]{},&*!|>'\"%@`~=<\\\t\r ", "\n", "\n  ", "\n- ", ": ", ", ", " #", "---\n", "...\n", "<<: ", "\n\t", "\\n",
    "''", "\u0085", "\u2028", "\ufeff", "\x7f", "\0", "0", "e",
)
# fmt: on


def _mutated(rng: random.Random, text: str) -> str:
    """Return a text with one change."""
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + rng.randrange(1, 6))
    match rng.randrange(6):
        case 0 | 1:
            return text[:at] + rng.choice(_PIECES) + text[at:]
        case 2:
            return text[:at] + text[end:]
        case 3:
            lines = text.splitlines(keepends=True)
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            return "".join(lines)
        case _:
            start, colon, rest = text.partition(rng.choice((": ", "- ", ":\n", "[", "{a")))
            value = rng.choice(_VALUES)
            return f"{start}{colon}{value}\n{rest.partition(chr(10))[2]}" if colon else text + value


def _texts() -> Iterator[bytes]:
    """Yield the seeds, and changed ones that depend on the seed only."""
    yield from (seed.encode() for seed in _SEEDS)
    rng = random.Random(_SEED)
    for _ in range(_COUNT):
        text = rng.choice(_SEEDS)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            text = _mutated(rng, text) or "a"
        yield text.encode(rng.choice(("utf-8",) * 30 + ("utf-16", "latin-1")), "replace")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the program that decodes as the daemons do."""
    need("go")
    if not Path("/usr/share/gocode/src/gopkg.in/yaml.v2").is_dir():
        need("golang-gopkg-yaml.v2-dev")
    program = tmp_path_factory.mktemp("go") / "decode"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "CGO_ENABLED": "0"}
    source = Path(__file__).parent / "yaml/main.go"
    subprocess.run(["go", "build", "-o", str(program), str(source)], env=environment, check=True, timeout=300)
    return program


def _text(encoded: str | None) -> bytes:
    return base64.b64decode(encoded or "")


def _texts_of(pairs: list[list[str]]) -> dict[bytes, bytes]:
    return {_text(key): _text(value) for key, value in pairs}


def _theirs(answer: Mapping[str, Any]) -> object:
    """Return what a daemon makes of an answer: the record, or that it refuses."""
    if "error" in answer:
        return "refused"
    try:
        architecture = str(
            Architecture.parse(_text(answer["architecture"]).decode(), target=Target.INCUS_6_0)
        )
    except (LXDImageError, UnicodeDecodeError):
        return "refused"
    dates = answer["creation_date"], answer["expiry_date"]
    if not dates[0] or max(dates) > _LAST_SECOND:
        return "refused"
    rules = {_text(rule["target"]): _rule_theirs(rule) for rule in answer["templates"]}
    return architecture, dates, _texts_of(answer["properties"]), rules


def _rule_theirs(rule: Mapping[str, Any]) -> object:
    when = [_text(trigger) for trigger in rule["when"]]
    return rule["null"], when, rule["create_only"], _text(rule["template"]), _texts_of(rule["properties"])


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _raws(texts: Mapping[str, str]) -> dict[bytes, bytes]:
    return {_raw(key): _raw(value) for key, value in texts.items()}


def _ours(checked: CheckedMetadata) -> object:
    """Return the same of our findings."""
    if any(finding.stage is Stage.IMPORT for finding in checked.diagnostics):
        return "refused"
    metadata = checked.metadata
    assert metadata is not None
    rules = {
        _raw(target): (
            rule.null,
            [_raw(trigger) for trigger in rule.when],
            rule.create_only,
            _raw(rule.template),
            _raws(rule.properties),
        )
        for target, rule in metadata.templates.items()
    }
    dates = metadata.creation_timestamp, metadata.expiry_timestamp
    return str(metadata.architecture), dates, _raws(metadata.properties), rules


def test_texts_decode_as_in_the_daemons(decoder: Path) -> None:
    """Every text: refused by both, or the same record."""
    texts = list(_texts())
    lines = b"".join(base64.b64encode(text) + b"\n" for text in texts)
    done = subprocess.run([str(decoder)], input=lines, stdout=subprocess.PIPE, check=True, timeout=120)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    different = []
    for text, answer in zip(texts, answers, strict=True):
        checked = check_metadata(text, target=Target.INCUS_6_0)
        ours, theirs = _ours(checked), _theirs(answer)
        if ours != theirs:
            reason = answer.get("error") or "; ".join(map(str, checked.diagnostics))
            different.append(f"{text!r}\n  ours   {ours}\n  theirs {theirs}\n  {reason}")
    assert not different, f"{len(different)} of {len(texts)} differ\n" + "\n".join(different[:20])
