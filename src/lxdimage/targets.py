"""
What each daemon accepts, as data.

The same image is judged for LXD 5.0, today's LXD, Incus 6.0 or today's Incus.  Wherever they differ the code
asks a field of `Traits`; it never asks for a daemon by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

__all__ = ["Target", "Traits"]


class Traits(NamedTuple):
    """
    How one daemon differs from the others.

    Attributes:
        title: The daemon's name for people.
        client: Its command-line client.
        lz4: Detects and decompresses LZ4 frames.
        vmdk: Detects (but never uses) VMDK disks.
        yaml: Generation of the Go YAML library: 2 or 4.
        regular_metadata: Refuses a metadata.yaml that is not a regular file by name; others read it as empty.
        signed_dates: Keeps negative dates; others take them for "no date".
        no_date: What a missing expiry date reads as.
        nul_ends_property: Its database cuts a property's value at the first NUL character.
        first_word_architecture: Takes the first word of the architecture.
        loongarch64: Knows that architecture.
        amd64v3: Knows that alias.
        x86_64_levels: Knows the aliases x86_64_v1 to x86_64_v4.
        mips_go_names: Knows the aliases mipsle and mips64le.
        file_permissions: Template rules have uid, gid and mode.
        template_directories: A rule's template may lie in a subdirectory of templates/.
        confined_templates: Looks at template targets as they are spelled, step by step below the root.
        exclusive_targets: Opens them so, too, and creates only what is not there.
        unpacks_dev: Members below rootfs/dev arrive in the instance.
        needs_root_content: Refuses to create an instance from an empty root file system.
        needs_root_directory: Refuses to create an instance when rootfs is not a real directory.
        regular_control_files: Refuses to create an instance when metadata.yaml or backup.yaml is special.
        file_capabilities_on_squashfs: Unpacks security.capability from a SquashFS root.
        nesting_requirement: Honours the property requirements.nesting.
        renews_metadata: Publishing writes metadata.yaml anew, dated at that moment, and merges properties into it;
            others copy it, or replace its properties.
        incus_requirements: Honours requirements.privileged, .cdrom_agent and .cdrom_cloud_init.
        dialect: Major version of pongo2 that renders templates: 4 or 6.
        go_panics_are_errors: A panic in a template is an error of that template and not the daemon's end.
    """

    title: str
    client: str
    lz4: bool = False
    vmdk: bool = False
    yaml: int = 2
    regular_metadata: bool = False
    signed_dates: bool = True
    no_date: str = "1970-01-01T00:00:00Z"
    nul_ends_property: bool = False
    first_word_architecture: bool = False
    loongarch64: bool = True
    amd64v3: bool = False
    x86_64_levels: bool = False
    mips_go_names: bool = True
    file_permissions: bool = False
    template_directories: bool = False
    confined_templates: bool = False
    exclusive_targets: bool = False
    unpacks_dev: bool = True
    needs_root_content: bool = False
    needs_root_directory: bool = False
    regular_control_files: bool = False
    file_capabilities_on_squashfs: bool = True
    nesting_requirement: bool = True
    renews_metadata: bool = False
    incus_requirements: bool = False
    dialect: int = 4
    go_panics_are_errors: bool = True


_INCUS = Traits(
    title="Incus 6.0",
    client="incus",
    nul_ends_property=True,
    lz4=True,
    vmdk=True,
    signed_dates=False,
    no_date="0001-01-01T00:00:00Z",
    file_permissions=True,
    unpacks_dev=False,
    file_capabilities_on_squashfs=False,
    renews_metadata=True,
    incus_requirements=True,
    go_panics_are_errors=False,
)
_LXD = Traits(title="LXD", client="lxc")


class Target(Enum):
    """A daemon that an image is meant for."""

    LXD_5_0 = "lxd-5.0"
    LXD = "lxd"
    INCUS_6_0 = "incus-6.0"
    INCUS = "incus"

    @property
    def traits(self) -> Traits:
        """How this daemon differs from the others."""
        return _TRAITS[self]


_TRAITS: Mapping[Target, Traits] = {
    Target.LXD_5_0: _LXD._replace(
        title="LXD 5.0", nul_ends_property=True, loongarch64=False, nesting_requirement=False
    ),
    Target.LXD: _LXD._replace(
        regular_metadata=True,
        first_word_architecture=True,
        amd64v3=True,
        template_directories=True,
        confined_templates=True,
        needs_root_content=True,
        regular_control_files=True,
    ),
    Target.INCUS_6_0: _INCUS,
    Target.INCUS: _INCUS._replace(
        title="Incus",
        nul_ends_property=False,
        yaml=4,
        x86_64_levels=True,
        confined_templates=True,
        exclusive_targets=True,
        needs_root_directory=True,
        dialect=6,
    ),
}
