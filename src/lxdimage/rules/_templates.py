"""Codes of findings about templates."""

from __future__ import annotations

from lxdimage.diagnostics import Severity
from lxdimage.rules._rule import Rule

__all__ = ["RULES"]

_SYNTAX = (
    Rule(
        code="template-syntax",
        title="a template does not parse",
        severity=Severity.ERROR,
        explanation="""\
The text breaks the grammar of pongo2, the language of image templates.
It looks like Django's and Jinja's but is neither: filter arguments follow a colon, a tag must not span lines, and there are no list literals, `not in`, or inline `if`.
The daemons parse a template when it is rendered, so the image imports, and then every instance fails at the trigger that uses it.
Correct the text at the place that the finding points to.""",
    ),
    Rule(
        code="unknown-tag",
        title="a template uses a tag that does not exist",
        severity=Severity.ERROR,
        explanation="""\
Tag names are fixed and case matters; there are no custom tags.
An unknown tag is an error wherever it stands, in a branch that is never taken too.
Tags of other template languages that are missing here: `raw` (it is `verbatim`), `elseif` (it is `elif`), `else` in a loop (it is `empty`), `break`, `continue`, `do`, `call`.
The instance fails to start.""",
    ),
    Rule(
        code="unknown-filter",
        title="a template uses a filter that does not exist",
        severity=Severity.ERROR,
        explanation="""\
Filter names are fixed; there are no custom filters.
An unknown filter is an error when the template is parsed, in a branch that is never taken too; only the names in a `filter` tag are looked up when it runs.
Many filters of Django and Jinja do not exist, such as `replace`, `trim`, `int` (it is `integer`) and `indent`.
The instance fails to start.""",
    ),
    Rule(
        code="banned-tag",
        title="a template uses a tag that the daemons refuse",
        severity=Severity.ERROR,
        explanation="""\
The tags `extends`, `import`, `include` and `ssi` load files, by which a template could read files of the host (CVE-2026-33897).
The daemons refuse a template that contains one, wherever it stands.
Put the text into the template itself.""",
    ),
    Rule(
        code="template-limit",
        title="a template needs more than the limits allow",
        severity=Severity.ERROR,
        explanation="""\
Templates come from whoever made the image, so rendering one is bounded: steps, output, the size of a value, nesting of tags, brackets and macro calls, and the size of the template itself.
The daemons have no such bounds: there the same template may exhaust memory, hang, or end the daemon.
No template for a configuration file comes near; raise the limit if yours is meant to.""",
    ),
)

_RUNNING = (
    Rule(
        code="template-error",
        title="rendering a template fails",
        severity=Severity.ERROR,
        explanation="""\
The template parses, but something in it cannot be evaluated: a key of a value that is no map, a call with the wrong number of arguments, a filter that refuses its input.
The instance fails to start, and the target file is left empty.
Inside a macro the daemons with version 4 of the language go on and print the error's text instead.""",
    ),
    Rule(
        code="template-panic",
        title="rendering a template panics",
        severity=Severity.ERROR,
        explanation="""\
The engine has no answer and gives up: an integer divided by zero, two maps compared, a string sorted, a slice with a negative start.
LXD catches this and the instance fails to start; Incus does not catch it, and the daemon ends.
No macro turns it into text.""",
    ),
    Rule(
        code="template-value",
        title="a variable cannot be given to a template",
        severity=Severity.ERROR,
        explanation="""\
Templates know nil, bools, integers of 64 bits, floats, strings, times, lists, maps with keys of one kind, and functions.
A variable of another type, an integer that needs more bits, or a name with other characters than letters, digits and underscores cannot be passed.
Convert the value before rendering.""",
    ),
)

_MISTAKES = (
    Rule(
        code="comparison-never-equal",
        title="two values that are compared are never equal",
        severity=Severity.WARNING,
        explanation="""\
Values of different types are never equal: `"1" == 1` is false, and so is `instance.privileged == true`, because every key of an instance, its configuration and its devices is a string.
The variable `trigger` has a string type of its own, so that even `trigger == "create"` is always false; `trigger|lower == "create"` compares as meant.
The branch is never taken, or with `!=` always.""",
    ),
    Rule(
        code="dotted-key",
        title="a key with dots is looked up by attribute",
        severity=Severity.WARNING,
        explanation="""\
A dot looks up one key: `config.user.foo` means the key `user`, then `foo` in what it holds.
Configuration keys have dots in their names, so this never finds anything and prints nothing.
Use `config_get("user.foo", "")`, which takes the whole key.""",
        hint='use config_get("KEY", "DEFAULT")',
    ),
    Rule(
        code="unknown-variable",
        title="a template uses a variable or key that does not exist",
        severity=Severity.WARNING,
        explanation="""\
A name that nothing defines is empty and no error, so a misspelling goes unnoticed.
Image templates have `trigger`, `path`, `instance`, `container`, `config`, `devices`, `properties` and `config_get`; case matters, as it does for `forloop.Counter`.
`True` and `None` are no keywords but names, and therefore empty.""",
    ),
    Rule(
        code="always-true",
        title="a condition is true whatever the value says",
        severity=Severity.WARNING,
        explanation="""\
`instance.privileged` and `instance.ephemeral` hold the texts `true` and `false`, and every text but the empty one counts as true.
Compare with the text: `instance.privileged == "true"`.""",
    ),
    Rule(
        code="map-order",
        title="output depends on the order of a map",
        severity=Severity.WARNING,
        explanation="""\
A loop over a map without `sorted` runs in an order that the daemons choose at random each time.
Two starts of one instance can write different files, and no test can tell what the file will be.
Write `for key, value in map sorted`.
Renderings here take the keys in ascending order.""",
        hint="add 'sorted' behind the map",
    ),
    Rule(
        code="config-get-arguments",
        title="config_get is called with the wrong number of arguments",
        severity=Severity.WARNING,
        explanation="""\
`config_get` takes exactly two arguments: the key and what to give when it is not set.
Anything else is an error when the call is reached, and the instance fails to start.
Naming the function without brackets calls it too, with no arguments.""",
        hint='write config_get("KEY", "DEFAULT")',
    ),
    Rule(
        code="text-has-no-keys",
        title="a key of a text is looked up",
        severity=Severity.WARNING,
        explanation="""\
A name behind a dot looks up a key or field; on a text, a number or a list that is an error, not nothing.
When the lookup is reached, the instance fails to start.
The variables `path` and `trigger` are texts, and so is every key of an instance, its configuration and its devices.""",
    ),
    Rule(
        code="ifchanged-without-else",
        title="ifchanged has values but no else",
        severity=Severity.WARNING,
        explanation="""\
With LXD and Incus 6.0, `ifchanged` with values panics when they have not changed and there is no `else` branch to take.
The instance fails to start; a daemon that does not catch panics ends.
An empty `else` branch is enough.""",
        hint="add an 'else' branch, be it empty",
    ),
    Rule(
        code="string-addition",
        title="strings are added as numbers",
        severity=Severity.WARNING,
        explanation="""\
With LXD and Incus 6.0, `+` always computes: texts are read as numbers and count as 0 when they are none, so `"a" + "b"` prints `0`.
Today's Incus joins them.
Write the parts one after the other, or use the filter `add`, which joins texts everywhere.""",
        hint="write the parts one after the other, or use the filter 'add'",
    ),
    Rule(
        code="not-reproducible",
        title="output differs from rendering to rendering",
        severity=Severity.INFO,
        explanation="""\
`now`, `random` and `lorem` with `random` make output that depends on the clock or on chance.
The file changes with every start of the instance, even when nothing else does.
Renderings here take the clock and the source of chance as arguments.""",
    ),
)

RULES: tuple[Rule, ...] = (*_SYNTAX, *_RUNNING, *_MISTAKES)
