"""What people get wrong, found without rendering."""

from __future__ import annotations

from collections import Counter

import pytest

from lxdimage.diagnostics import Severity, Stage
from lxdimage.errors import LXDImageError
from lxdimage.limits import Limits
from lxdimage.templates import Dialect, Template, check_template
from templates.recorded import read_cases


def found(source: str, dialect: Dialect = Dialect.V4) -> list[tuple[str, str]]:
    """Return the code of each finding with the text that it marks."""
    result = []
    for finding in check_template(source, dialect=dialect):
        assert finding.span is not None
        line = source.split("\n")[finding.span.start.line - 1]
        result.append((finding.code, line[finding.span.start.column - 1 : finding.span.end.column - 1]))
    return result


@pytest.mark.parametrize(
    "source",
    [
        "{{ instance.name }}\n",
        '{{ config_get("user.a", properties.default) }}',
        '{% if trigger|lower == "create" %}{% endif %}{% if trigger in "create copy" %}{% endif %}',
        '{% if instance.privileged == "true" and path == "/x" %}{% endif %}',
        "{% for k, v in config sorted %}{{ k }}{{ v }}{{ forloop.Counter }}{% endfor %}",
        "{% for d in devices.Sorted %}{{ d.Name }}{% endfor %}",
        '{% set trigger = "x" %}{% if trigger == "x" %}{% endif %}',
        "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m(config) }}",
        "{% cycle 1 2 as c %}{{ c }}{% widthratio 1 2 3 as w %}{{ w }}{% with a=1 %}{{ a }}{% endwith %}",
        "{% if properties.x == nil %}{% endif %}",
        "{% block b %}{{ block.Super }}{% endblock %}",
        '{% now "2006" fake %}',
        "{{ 1 + 2 }}{{ limits|default:1 + 3 }}{% set limits = 1 %}",
        '{% if config_get("user.n", 5) == 5 %}{% endif %}',
        "{% ifchanged %}{% endifchanged %}",
        "{{ devices.eth0.type }}{{ devices.Sorted.Len == 3 }}",
    ],
)
def test_good_templates_have_no_findings(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    ("source", "code", "marked"),
    [
        ('{% if trigger == "create" %}{% endif %}', "comparison-never-equal", 'trigger == "create"'),
        ('{% if "create" != trigger %}{% endif %}', "comparison-never-equal", '"create" != trigger'),
        ('{% ifequal trigger "start" %}{% endifequal %}', "comparison-never-equal", 'trigger "start"'),
        ('{% if trigger in "a,b"|split:"," %}{% endif %}', "comparison-never-equal", "trigger"),
        ("{% if trigger in config %}{% endif %}", "comparison-never-equal", "trigger"),
        (
            "{% if instance.privileged == true %}{% endif %}",
            "comparison-never-equal",
            "instance.privileged == true",
        ),
        ("{% if properties.n == 5 %}{% endif %}", "comparison-never-equal", "properties.n == 5"),
        ("{% if path|length == '5' %}{% endif %}", "comparison-never-equal", "path|length == '5'"),
        ('{% if config_get("a.b", "") == -1.5 %}{% endif %}', "comparison-never-equal", None),
        ("{{ config.user.foo|upper }}", "dotted-key", "config.user.foo"),
        ("{% if config.foo %}{% endif %}", "dotted-key", "config.foo"),
        ("{{ hostname }}", "unknown-variable", "hostname"),
        ("{{ instance.hostname }}", "unknown-variable", "hostname"),
        ("{% for a in path %}{{ forloop.counter }}{% endfor %}", "unknown-variable", "counter"),
        ("{{ forloop.Counter }}", "unknown-variable", "forloop"),
        ("{% if True %}{% endif %}", "unknown-variable", "True"),
        ("{% if instance.privileged %}{% endif %}", "always-true", "instance.privileged"),
        ("{% if path and not container.ephemeral %}{% endif %}", "always-true", "container.ephemeral"),
        ("{% for k in config %}{% endfor %}", "map-order", "config"),
        ("{% for k, v in devices.eth0 reversed %}{% endfor %}", "map-order", "devices.eth0"),
        ('{% if path %}{{ config_get("a") }}{% endif %}', "config-get-arguments", "config_get"),
        ("{{ instance.name + '.lan' }}", "string-addition", "+"),
        ("{{ path.x }}", "text-has-no-keys", "path.x"),
        ("{{ instance.name.x }}", "text-has-no-keys", "instance.name.x"),
        ("{% ifchanged path %}{% endifchanged %}", "ifchanged-without-else", "ifchanged"),
        ("{% now '2006' %}", "not-reproducible", "now"),
        ("{% lorem 3 w random %}", "not-reproducible", "lorem"),
        ("{{ path|make_list|random }}", "not-reproducible", "random"),
        ("{% filter random %}{% endfilter %}", "not-reproducible", "random"),
        ("{% filter uper %}{% endfilter %}", "unknown-filter", "uper"),
        ("{% include 'x' %}", "banned-tag", "include"),
        ("{{ path|uper }}", "unknown-filter", "uper"),
        ("{% nosuch %}", "unknown-tag", "nosuch"),
        ("{{ path path }}", "template-syntax", "path"),
    ],
)
def test_a_mistake_is_found_and_marked(source: str, code: str, marked: str | None) -> None:
    ((actual, text),) = found(source)
    assert code == actual
    assert marked in {None, text}


@pytest.mark.parametrize(
    ("source", "fails"),
    [
        ("{{ config_get() }}", True),
        ("{% with a=config_get(1) %}{% endwith %}", True),
        ("{% if config_get(1) %}{% endif %}", True),
        ("{% if path %}{{ config_get() }}{% endif %}", False),
        ("{% if path or config_get(1) %}{% endif %}", False),
        ("{% for a in path %}{{ path.x }}{% endfor %}", False),
        ("{% autoescape on %}{{ path.x }}{% endautoescape %}", True),
        ("{% macro m() %}{{ path.x }}{% endmacro %}", False),
        ("{% filter nosuch %}{% endfilter %}", True),
        ("{{ missing(config_get(1)) }}{% set missing = 1 %}", False),
        ("{{ path|uper }}", True),
    ],
)
def test_what_certainly_fails_is_an_error_at_start(source: str, fails: bool) -> None:
    (finding,) = check_template(source)
    assert (finding.stage is Stage.START) is fails
    if fails:
        assert finding.severity is Severity.ERROR


def test_strings_may_be_added_in_version_6() -> None:
    assert found("{{ instance.name + '.lan' }}", Dialect.V6) == []
    assert found("{% ifchanged path %}{% endifchanged %}", Dialect.V6) == []


def test_findings_come_in_the_order_of_the_text() -> None:
    codes = [code for code, _ in found("{{ a }}{% if instance.privileged %}{{ config.x }}{% endif %}{{ b }}")]
    assert codes == ["unknown-variable", "always-true", "dotted-key", "unknown-variable"]


def test_of_each_mistake_a_number_is_told() -> None:
    findings = check_template("{{ a }}" * 150 + "{% if b %}{{ path.x }}{% endif %}" * 101 + "{{ path.x }}")
    told = Counter((found.code, found.stage) for found in findings if found.span)
    assert told == {
        ("unknown-variable", None): 100,
        ("text-has-no-keys", None): 100,
        ("text-has-no-keys", Stage.START): 1,
    }
    assert [found.message for found in findings if not found.span] == [
        "151 more findings of this kind are left out",
        "1 more findings of this kind are left out",
    ]


def test_the_daemons_variables_are_guessed_however_many_others_there_are() -> None:
    source = "".join("{%% set v%d = 1 %%}" % number for number in range(300))
    (finding,) = check_template(source + "{{ isntance }}")
    assert finding.hint == "did you mean 'instance'?"


def test_nothing_is_guessed_for_a_name_that_is_very_long() -> None:
    name = "a" * 10_000
    (finding,) = check_template("{%% set %sb = 1 %%}{{ %sc }}" % (name, name))
    assert "did you mean" not in str(finding.hint)


def test_a_template_that_is_no_images_has_no_known_variables() -> None:
    assert check_template("{{ anything.at.all }}", wrapped=False) == ()
    (finding,) = check_template("{{ a|nosuch }}", wrapped=False)
    assert finding.stage is None


def test_limits_are_findings_too() -> None:
    (finding,) = check_template("x" * 11, limits=Limits(template_size=10))
    assert finding.code == "template-limit"
    (finding,) = check_template("{{ " + "(" * 100 + "1" + ")" * 100 + " }}")
    assert finding.code == "template-limit"
    (finding,) = check_template("{% if a %}" * 5000 + "{% endif %}" * 5000, limits=Limits(nesting=10_000))
    assert finding.code == "template-limit"


def test_real_templates_raise_no_false_alarm() -> None:
    """Templates of real images render; whatever is called a certain failure does fail."""
    for case in read_cases("lxd_real.jsonl", "semantics.jsonl"):
        certain = [finding for finding in check_template(case.template) if finding.stage]
        if certain:
            assert case.outputs("lxd") is None, (case.id, certain)


def test_what_does_not_parse_is_found_as_parsing_finds_it() -> None:
    for case in read_cases("semantics.jsonl"):
        if case.outputs("lxd") is None and case.stage("lxd") == "parse":
            (finding,) = check_template(case.template)
            with pytest.raises(LXDImageError) as caught:
                Template.parse(case.template, wrapped=True)
            (raised,) = caught.value.diagnostics
            assert (finding.code, finding.message, finding.span) == (raised.code, raised.message, raised.span)
