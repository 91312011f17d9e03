"""Codes of findings about metadata.yaml."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

_FILE = (
    Rule(
        code="yaml-syntax",
        title="metadata.yaml is not YAML",
        severity=Severity.ERROR,
        explanation="""\
The text breaks the rules of YAML as the daemons' decoder applies them, so nothing in it can be read.
The decoder knows YAML 1.1: a `%YAML 1.2` directive is refused, and so are tabs as indentation.
A daemon refuses the image at import.
Correct the text at the place that the finding points to.""",
    ),
    Rule(
        code="yaml-characters",
        title="metadata.yaml contains bytes that are not allowed",
        severity=Severity.ERROR,
        explanation="""\
The file holds a control character, a NUL, or bytes that are not UTF-8.
Files in UTF-16 need a byte order mark; padding with NUL bytes at the end is refused as well.
A daemon refuses the image at import when it reads that far; today's Incus accepts the character U+007F.
Save the file as UTF-8 and remove what is not text.""",
        hint="save the file as UTF-8 without control characters",
    ),
    Rule(
        code="yaml-too-large",
        title="metadata.yaml is larger than the daemons read",
        severity=Severity.ERROR,
        explanation="""\
The daemons' decoder is given at most 1 MiB (1,048,576 bytes) of metadata.yaml, and reports an error when it needs more.
Today's Incus always reads to the end; the others stop behind the first document, so only that must fit.
A daemon refuses the image at import.
Of several members called metadata.yaml no more than 2 MiB are read here, although the daemons have no bound for all of them.
Keep large texts out of the metadata: put them into a template file or into the root file system.""",
    ),
    Rule(
        code="yaml-too-deep",
        title="metadata.yaml is nested too deeply",
        severity=Severity.ERROR,
        explanation="""\
The decoder gives up at more than 10,000 levels of nested lists and maps.
A daemon refuses the image at import.
Nothing that metadata.yaml describes needs more than four levels.""",
    ),
    Rule(
        code="yaml-anchor",
        title="an alias in metadata.yaml cannot be followed",
        severity=Severity.ERROR,
        explanation="""\
An alias names an anchor that is not defined before it, lies inside what it stands for, or many aliases together multiply the document beyond what the decoder allows.
A daemon refuses the image at import.
Write the values out where they are needed.""",
    ),
    Rule(
        code="metadata-empty",
        title="metadata.yaml contains nothing",
        severity=Severity.ERROR,
        explanation="""\
The file is empty, or holds nothing but comments.
A daemon refuses the image at import with the bare message `EOF`.
Write at least the architecture and the creation date.""",
        hint="write at least 'architecture' and 'creation_date'",
    ),
    Rule(
        code="several-documents",
        title="something follows the first YAML document",
        severity=Severity.WARNING,
        explanation="""\
A line `---` or `...` ends the first document, and more text stands behind it.
At import every daemon reads the first document only and does not even notice errors in the rest.
Today's Incus reads the file again when an instance starts, then wants a single document, and the instance does not start.
Remove everything behind the first document.""",
        hint="remove what follows the first document",
    ),
    Rule(
        code="yaml-encoding",
        title="metadata.yaml is not plain UTF-8",
        severity=Severity.INFO,
        explanation="""\
The file begins with a byte order mark or is encoded as UTF-16.
The daemons read it; many other programs that look at images do not.
Save the file as UTF-8 without a byte order mark.""",
        hint="save the file as UTF-8 without a byte order mark",
    ),
    Rule(
        code="yaml-feature",
        title="metadata.yaml uses directives, anchors or tags",
        severity=Severity.INFO,
        explanation="""\
The file uses a part of YAML that metadata does not need: a directive, an anchor with aliases, or a tag.
The daemons understand it, but differ in details such as which of two merged values counts, and simple readers do not understand it at all.
Write the values out.""",
    ),
    Rule(
        code="duplicate-key",
        title="a key is given twice",
        severity=Severity.ERROR,
        explanation="""\
A mapping holds the same key twice.
LXD and Incus 6.0 silently use the last value, or the entries of both where the key is `properties` or `templates`; today's Incus refuses the image at import.
Whoever reads the file sees one value and the daemon uses another.
Remove one of the two.""",
        hint="remove one of the two",
    ),
    Rule(
        code="unknown-key",
        title="a key is not known and not read",
        severity=Severity.WARNING,
        explanation="""\
No daemon reads this key; everything below it is skipped.
Keys are compared exactly: `Architecture` and `creation-date` are unknown.
Correct the spelling, move descriptive values below `properties`, or remove the key.""",
    ),
    Rule(
        code="not-portable",
        title="another daemon refuses this metadata.yaml",
        severity=Severity.WARNING,
        explanation="""\
The daemon in question reads the file, but one that uses another generation of the YAML library refuses the image because of it.
LXD and Incus 6.0 read with version 2 of that library, today's Incus with version 4.
Change the value so that every daemon accepts it, or tell users which daemon the image is for.""",
    ),
    Rule(
        code="reads-differently",
        title="daemons read this metadata.yaml differently",
        severity=Severity.WARNING,
        explanation="""\
All daemons accept the file, but they do not agree on a value.
It happens with null as a key, with merged maps, and with repeated nulls.
Write the value out, with quotes, where it is used.""",
    ),
    Rule(
        code="wrong-type",
        title="a value has the wrong type",
        severity=Severity.ERROR,
        explanation="""\
The value is a list, a map, a number or a text where the daemons' record has something else.
Dates are whole numbers of seconds without quotes, `when` is a list, `create_only` is `true` or `false` without quotes, and every property is a text.
A daemon refuses the image at import.""",
    ),
)

_IDENTITY = (
    Rule(
        code="missing-architecture",
        title="the architecture is missing",
        severity=Severity.ERROR,
        explanation="""\
metadata.yaml must say for which architecture the image is, in the key `architecture`.
A daemon refuses the image at import when it is missing, empty or null.
Write the canonical name, for example `x86_64` or `aarch64`.""",
        hint="write for example 'architecture: x86_64'",
    ),
    Rule(
        code="unknown-architecture",
        title="the architecture is not known to the daemon",
        severity=Severity.ERROR,
        explanation="""\
The daemon compares the architecture exactly with the names and aliases that it knows: without folding case, without removing blanks.
Names for "any architecture" do not exist.
A daemon refuses the image at import.
Write the canonical name.""",
    ),
    Rule(
        code="architecture-alias",
        title="the architecture is given by an alias",
        severity=Severity.INFO,
        explanation="""\
The daemons accept this name and store the canonical one in its place.
The file keeps the alias, so an exported image shows a name that the daemon never does, and aliases differ between daemons.
Write the canonical name.""",
    ),
    Rule(
        code="architecture-not-portable",
        title="some daemons do not know this architecture",
        severity=Severity.WARNING,
        explanation="""\
The daemon in question knows the name, but other daemons refuse the image at import because of it.
Some aliases are recent (`amd64v3`, `x86_64_v3`, `mipsle`), `loongarch64` is unknown to LXD 5.0, and only today's LXD takes the first word of a longer text.
Write the canonical name where there is one that all know.""",
    ),
    Rule(
        code="missing-creation-date",
        title="the creation date is missing",
        severity=Severity.ERROR,
        explanation="""\
metadata.yaml must say when the image was made, in the key `creation_date`, as a number of seconds since 1970.
0, null and a fraction below one count as missing.
A daemon refuses the image at import.""",
        hint="write 'creation_date:' and the seconds since 1970 ('date +%s' prints them)",
    ),
    Rule(
        code="date-out-of-range",
        title="a date cannot be read back from a daemon's database",
        severity=Severity.ERROR,
        explanation="""\
Dates beyond the year 9999, and for LXD those before the year 0, can be stored but not read back.
The import reports an error, and yet the record stays: the image can be neither shown nor deleted, and its fingerprint is taken for ever.
The usual reason is a date in milliseconds.
Write the date in seconds.""",
        hint="write the date in seconds since 1970",
    ),
    Rule(
        code="fractional-date",
        title="a date has a fraction",
        severity=Severity.WARNING,
        explanation="""\
Dates are whole numbers of seconds.
LXD and Incus 6.0 cut the fraction off; today's Incus refuses the image at import.
Write the whole number.""",
        hint="write a whole number of seconds",
    ),
    Rule(
        code="negative-date",
        title="a date lies before 1970",
        severity=Severity.WARNING,
        explanation="""\
The date is negative.
LXD keeps it as a time before 1970; Incus takes it for no date at all.
Write the seconds since 1970, or remove the expiry date.""",
    ),
    Rule(
        code="expired",
        title="the image has expired",
        severity=Severity.WARNING,
        explanation="""\
The expiry date lies in the past.
The daemons import the image and make instances from it all the same; only tools and people look at the date.
Use a newer image.""",
        hint="look for a newer image",
    ),
    Rule(
        code="expiry-before-creation",
        title="the image expires before it is made",
        severity=Severity.WARNING,
        explanation="""\
The expiry date lies before the creation date, so one of them is wrong.
The daemons do not mind.
Correct the wrong one.""",
    ),
    Rule(
        code="immutable-field",
        title="a change names what identifies the image",
        severity=Severity.ERROR,
        explanation="""\
Architecture and creation date tell one image from another: mirrors, caches and the daemons' own update logic go by them, and no daemon allows to change them.
`Metadata.evolve` refuses such a change.
Where a different image is really meant, say `--allow-immutable`, or pass `allow_immutable=True`.""",
        hint="say --allow-immutable, or pass allow_immutable=True, if a different image is meant",
    ),
)

_PROPERTIES = (
    Rule(
        code="missing-properties",
        title="there is no map of properties",
        severity=Severity.WARNING,
        explanation="""\
metadata.yaml has no `properties`, or null in their place.
The image imports; but when a user adds a property on the command line of the import, today's daemons write into a map that does not exist and crash as a whole.
Write `properties: {}` if there are none.""",
        hint="write 'properties: {}' if there are none",
    ),
    Rule(
        code="empty-property",
        title="a property is empty",
        severity=Severity.WARNING,
        explanation="""\
The value is null or an empty text; both are stored as an empty text.
The first change of the image's properties drops it, and instances never see it.
Remove the property or give it a value.""",
        hint="remove it or give it a value",
    ),
    Rule(
        code="nul-in-property",
        title="a property contains a NUL character",
        severity=Severity.WARNING,
        explanation="""\
The database of the daemons ends texts at a NUL character, so what follows it is lost.
Remove the character.""",
        hint="remove the NUL",
    ),
    Rule(
        code="unquoted-date",
        title="a date stands where text is wanted",
        severity=Severity.WARNING,
        explanation="""\
A text such as `2024-01-31` without quotes is a date to YAML.
LXD and Incus 6.0 take its characters as they stand; today's Incus refuses the image at import.
Put quotes around it.""",
        hint="put quotes around it",
    ),
    Rule(
        code="unquoted-value",
        title="a property is a text only to the daemons",
        severity=Severity.INFO,
        explanation="""\
The daemons take the characters of the value as they stand, so `20.10` stays `20.10`.
Other programs follow YAML, where it is a number or a truth value, and may show `20.1` or `True`.
Put quotes around it.""",
        hint="put quotes around it",
    ),
)

_TEMPLATES = (
    Rule(
        code="null-template-rule",
        title="a template rule is null",
        severity=Severity.ERROR,
        explanation="""\
A target in `templates` has no rule behind it.
The image imports, and then every start of every instance fails without any reason in any log.
Write the rule or remove the target.""",
        hint="write the rule or remove the target",
    ),
    Rule(
        code="unknown-trigger",
        title="a trigger is not known and never fires",
        severity=Severity.WARNING,
        explanation="""\
The triggers are `create`, `copy`, `start` and `rename`, compared exactly.
Any other name is accepted and never fires.
Correct the name.""",
        hint="the triggers are 'create', 'copy', 'start' and 'rename'",
    ),
    Rule(
        code="template-never-fires",
        title="a template rule has no trigger",
        severity=Severity.WARNING,
        explanation="""\
`when` is missing or empty, so the rule never runs in a container.
Write the list of triggers, or remove the rule.""",
        hint="write for example 'when: [create, copy]'",
    ),
    Rule(
        code="template-runs-twice",
        title="a template rule runs twice at one start",
        severity=Severity.INFO,
        explanation="""\
A start first runs the rules of the trigger that is recorded, such as `create`, and then those of `start`.
A rule with both is rendered twice, and the second result, whose trigger is `start`, stays.
Leave `start` alone in the list, or remove it.""",
    ),
    Rule(
        code="template-without-file",
        title="a template rule names no template",
        severity=Severity.WARNING,
        explanation="""\
`template` is missing or empty, so there is nothing to render.
The instance does not start when the rule fires.
Name a file of the directory `templates/` of the image.""",
        hint="name a file of the directory templates/",
    ),
    Rule(
        code="template-outside",
        title="a template rule names a file that is not allowed",
        severity=Severity.WARNING,
        explanation="""\
`template` must be the name of a file directly in `templates/`: the daemons refuse slashes and `..`, which could lead to files of the host.
Only today's LXD allows subdirectories, and it too refuses names that lead out of `templates/`.
The instance does not start when the rule fires.
Put the file directly into `templates/`.""",
        hint="put the file directly into templates/",
    ),
    Rule(
        code="template-target",
        title="the target of a template rule is not one that every daemon writes",
        severity=Severity.WARNING,
        explanation="""\
The key of a rule is the path of the file that it writes, below the root of the instance.
The root itself and paths that lead out of it cannot be written: the instance does not start when the rule fires.
With `create_only` a rule leaves alone what is there already, the root too.
`..` in the middle and slashes at the end are removed by LXD 5.0 and Incus 6.0 and followed step by step by today's daemons.
Write the plain path.""",
    ),
    Rule(
        code="duplicate-target",
        title="two template rules write the same file",
        severity=Severity.WARNING,
        explanation="""\
Two keys are spellings of one path, and one trigger fires both rules.
The daemons run rules in random order, so chance decides which result stays.
Remove one of them.""",
        hint="remove one of them",
    ),
    Rule(
        code="bad-mode",
        title="the mode of a template rule is not what it seems",
        severity=Severity.WARNING,
        explanation="""\
Incus takes three characters for octal digits; all else it reads as a number by Go's rules, where only a leading `0` or `0o` means octal.
So `4755` is a decimal number and becomes 0223, and setuid bits are always dropped.
A text that is no number makes the start fail when the rule creates a file.
Write three octal digits, or four with a leading zero.""",
        hint="write three octal digits, or four with a leading zero",
    ),
    Rule(
        code="bad-owner",
        title="the owner of a template rule is not a number",
        severity=Severity.WARNING,
        explanation="""\
`uid` and `gid` are decimal numbers; names of users and groups are not looked up.
A text that is no number makes the start fail when the rule creates a file.
Write the number.""",
        hint="write a decimal number",
    ),
    Rule(
        code="permissions-ignored",
        title="uid, gid and mode are read by Incus only",
        severity=Severity.INFO,
        explanation="""\
LXD knows neither `uid` nor `gid` nor `mode`: files that rules create belong to root and have mode 0644.
Do not depend on them in an image that is meant for LXD too.""",
    ),
)

RULES: tuple[Rule, ...] = _FILE + _IDENTITY + _PROPERTIES + _TEMPLATES
