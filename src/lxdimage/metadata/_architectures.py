"""
Architectures: their canonical names, and the aliases that each daemon accepts for them.

A daemon compares names exactly, without folding case or trimming; only today's LXD takes the first word of what
is written (image format, section 5.5).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from lxdimage.errors import InvalidMetadataError
from lxdimage.metadata._show import shown
from lxdimage.rules import diagnose
from lxdimage.targets import Target, Traits

__all__ = ["Architecture"]


class Architecture(Enum):
    """An architecture that images are made for; the values are the canonical names."""

    I686 = "i686"
    X86_64 = "x86_64"
    ARMV7L = "armv7l"
    AARCH64 = "aarch64"
    PPC = "ppc"
    PPC64 = "ppc64"
    PPC64LE = "ppc64le"
    S390X = "s390x"
    MIPS = "mips"
    MIPS64 = "mips64"
    RISCV32 = "riscv32"
    RISCV64 = "riscv64"
    ARMV6L = "armv6l"
    ARMV8L = "armv8l"
    LOONGARCH64 = "loongarch64"

    def __str__(self) -> str:
        return self.value

    @property
    def id(self) -> int:
        """The number that the daemons keep in their databases."""
        return _ROWS[self].id

    @property
    def personalities(self) -> tuple[Architecture, ...]:
        """The other architectures whose instances a host of this one can run."""
        return tuple(Architecture(name) for name in _ROWS[self].personalities)

    def aliases(self, target: Target | None = None) -> tuple[str, ...]:
        """Return the other names that *target* accepts for this architecture; without a target, all there are."""
        row = _ROWS[self]
        newer = (name for trait, name in row.newer if target is None or getattr(target.traits, trait))
        return (*row.aliases, *newer)

    def known_to(self, target: Target) -> bool:
        """Whether *target* knows this architecture at all."""
        return self is not Architecture.LOONGARCH64 or target.traits.loongarch64

    @classmethod
    def parse(cls, name: str, target: Target | None = None) -> Architecture:
        """
        Return the architecture that *target* takes *name* for; without a target, that any daemon takes it for.

        Raises:
            InvalidMetadataError: There is none of that name.
        """
        traits = target.traits if target else _ANY
        word = _first_word(name) if traits.first_word_architecture else name
        if found := _names(target).get(word):
            return found
        if not word:
            raise InvalidMetadataError(diagnose("missing-architecture", "the architecture is missing"))
        known = f"known to {target.traits.title}" if target else "known"
        message = f"the architecture {shown(name)} is not {known}"
        raise InvalidMetadataError(diagnose("unknown-architecture", message, hint=_near_miss(name, target)))


class _Row(NamedTuple):
    id: int
    aliases: tuple[str, ...] = ()
    newer: tuple[tuple[str, str], ...] = ()
    personalities: tuple[str, ...] = ()


_X86_64_LEVELS = tuple(("x86_64_levels", f"x86_64_v{level}") for level in range(1, 5))

_ROWS: Mapping[Architecture, _Row] = MappingProxyType(
    {
        Architecture.I686: _Row(id=1, aliases=("i386", "i586", "386", "x86", "generic_32")),
        Architecture.X86_64: _Row(
            id=2,
            aliases=("amd64", "generic_64"),
            newer=(("amd64v3", "amd64v3"), *_X86_64_LEVELS),
            personalities=("i686",),
        ),
        Architecture.ARMV7L: _Row(
            id=3,
            aliases=("armhf", "armhfp", "armv7a_hardfp", "armv7", "armv7a_vfpv3_hardfp"),
            personalities=("armv6l",),
        ),
        Architecture.AARCH64: _Row(
            id=4, aliases=("arm64", "arm64_generic"), personalities=("armv6l", "armv7l", "armv8l")
        ),
        Architecture.PPC: _Row(id=5, aliases=("powerpc",)),
        Architecture.PPC64: _Row(id=6, aliases=("powerpc64",), personalities=("ppc",)),
        Architecture.PPC64LE: _Row(id=7, aliases=("ppc64el",)),
        Architecture.S390X: _Row(id=8),
        Architecture.MIPS: _Row(id=9, aliases=("mipsel",), newer=(("mips_go_names", "mipsle"),)),
        Architecture.MIPS64: _Row(
            id=10, aliases=("mips64el",), newer=(("mips_go_names", "mips64le"),), personalities=("mips",)
        ),
        Architecture.RISCV32: _Row(id=11),
        Architecture.RISCV64: _Row(id=12),
        Architecture.ARMV6L: _Row(id=13, aliases=("armel", "arm")),
        Architecture.ARMV8L: _Row(id=14, personalities=("armv6l", "armv7l")),
        Architecture.LOONGARCH64: _Row(id=15, aliases=("loong64",)),
    }
)

_ANY = Traits(title="", client="")


def _names(target: Target | None) -> dict[str, Architecture]:
    known = [arch for arch in Architecture if target is None or arch.known_to(target)]
    return {name: arch for arch in known for name in (arch.value, *arch.aliases(target))}


_NO_SPACE = re.compile("[^\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


def _first_word(name: str) -> str:
    word = _NO_SPACE.search(name)
    return word[0] if word else ""


_ANYTHING = frozenset(("all", "any", "noarch", "none"))
_FOREIGN: Mapping[str, Architecture] = MappingProxyType(
    {
        "x64": Architecture.X86_64,
        "em64t": Architecture.X86_64,
        "intel64": Architecture.X86_64,
        "i486": Architecture.I686,
        "i86pc": Architecture.I686,
        "ia32": Architecture.I686,
        "arm64v8": Architecture.AARCH64,
        "armv8": Architecture.AARCH64,
        "arm32v7": Architecture.ARMV7L,
        "armv7hl": Architecture.ARMV7L,
        "armv7hnl": Architecture.ARMV7L,
        "arm32v6": Architecture.ARMV6L,
        "armv6": Architecture.ARMV6L,
        "armv6hl": Architecture.ARMV6L,
        "powerpc64le": Architecture.PPC64LE,
        "powerpc64el": Architecture.PPC64LE,
        "s390": Architecture.S390X,
        "riscv": Architecture.RISCV64,
    }
)


def _near_miss(name: str, target: Target | None = None) -> str | None:
    """Return what may have been meant by the unknown *name*, as a hint, or None."""
    plain = name.strip().casefold()
    if plain in _ANYTHING:
        return "an image is made for one architecture; name that of its binaries, such as 'x86_64'"
    names = _names(target)
    close = difflib.get_close_matches(plain[:40], names, n=1, cutoff=0.75)
    guess = names.get(plain) or names.get(plain.replace("-", "_")) or _FOREIGN.get(plain)
    if not guess and close:
        guess = names[close[0]]
    return f"did you mean {guess.value!r}?" if guess else None
