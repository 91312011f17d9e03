"""Variables, what follows them, and calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lxdimage.errors import TemplateRenderError
from lxdimage.templates import Dialect
from templates.rendering import bare, daemon

VARIABLES: dict[str, Any] = {
    "text": "h\u00e9",
    "number": 7,
    "half": 0.5,
    "yes": True,
    "items": ["a", 5, None, {"k": "v"}],
    "map": {"k": "v", "inner": {"x": 1}, "none": None},
    "keyed": {1: "one"},
    "moment": datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC),
    "f": lambda: "called",
    "same": lambda value: value,
    "pair": lambda first, second="x": f"{first}{second}",
    "nothing": lambda: None,
}


def error(source: str, **more: Any) -> str:
    with pytest.raises(TemplateRenderError) as caught:
        bare(source, **VARIABLES, **more)
    return caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("missing", ""),
        ("missing.a.b.0", ""),
        ("missing(1/0).x", ""),
        ("map.nope.x(1/0)", ""),
        ("map.k", "v"),
        ("map.inner.x", "1"),
        ("map.none.x", ""),
        ("items.1", "5"),
        ("items.9", ""),
        ("items.3.k", "v"),
        ("text.1", "195"),
        ("text.9", ""),
        ("f", "called"),
        ("f()", "called"),
        ("nothing().x", ""),
        ("same(map).inner.x", "1"),
        ("same(same)(1)", "1"),
        ("pair(1)", "1x"),
        ("pair(1, 2)", "12"),
        ("moment.Year", "2021"),
        ("moment.nope", ""),
        ("moment.Format('02.01.')", "04.03."),
    ],
)
def test_lookups_follow_dots_and_calls(expression: str, output: str) -> None:
    if expression == "same(same)(1)":
        assert "must be equal to the calling argument count (2)" in error("{{ %s }}" % expression)
    else:
        assert output == bare("{{ %s }}" % expression, **VARIABLES)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("text.x", "can't access a field by name on type string (variable text.x)"),
        ("number.x.y", "can't access a field by name on type int (variable number.x.y)"),
        ("half.x", "can't access a field by name on type float64 (variable half.x)"),
        ("yes.x", "can't access a field by name on type bool (variable yes.x)"),
        ("items.x", "can't access a field by name on type slice (variable items.x)"),
        ("map.0", "can't access an index on type map (variable map.0)"),
        ("moment.0", "can't access an index on type struct (variable moment.0)"),
        ("text()", "'text' is not a function (it is string)"),
        ("map.none()", "'map.none' is not a function (it is invalid)"),
        (
            "same",
            "function input argument count (1) of 'same' must be equal to the calling argument count (0)",
        ),
        (
            "moment.Format(1)",
            "function input argument 0 of 'moment.Format' must be of type string or *pongo2.Value (not int)",
        ),
    ],
)
def test_lookups_that_fail_say_so_as_the_engine_does(expression: str, message: str) -> None:
    assert message == error("{{ %s }}" % expression)


def test_the_number_of_arguments_is_checked_before_they_are_evaluated() -> None:
    assert "calling argument count (3)" in error("{{ pair(1, 2, text.x) }}")


def test_a_nil_that_was_stored_cannot_be_called() -> None:
    assert bare("{% set x = missing %}{{ x }}{{ x.y }}") == ""
    assert error("{% set x = missing %}{{ x() }}") == "'x' is not a function (it is invalid)"
    assert bare("{% macro m(a) %}{{ a() }}{% endmacro %}{{ m() }}{{ m(missing) }}") == ""


def test_a_map_with_integer_keys_has_no_names() -> None:
    assert bare("{{ 1 in keyed }}", **VARIABLES) == "True"
    assert "panics" in error("{{ keyed.one }}")


def test_errors_of_functions_are_errors_of_the_template() -> None:
    def fails() -> None:
        raise ValueError("no such thing")

    assert error("{{ fails() }}", fails=fails) == "a function raises ValueError: no such thing"
    assert (
        error("{{ odd() }}", odd=lambda: object())
        == "the result of 'odd': 'object' has no counterpart in templates"
    )


def test_an_error_in_an_argument_is_reported_by_every_call_around_it() -> None:
    source = "{% macro m() %}{{ same(same(text.x)) }}{% endmacro %}{{ m() }}"
    outer = "[Error (where: execution) in <string> | Line 1 Col 19 near 'same'] "
    middle = "[Error (where: execution) in <string> | Line 1 Col 24 near 'same'] "
    inner = "[Error (where: execution) in <string> | Line 1 Col 29 near 'text'] "
    message = "Can't access a field by name on type string (variable text.x)"
    assert outer + middle + inner + message == bare(source, **VARIABLES)


# -- subscripts


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("map['k']", "v"),
        ("map.inner['x']|add:1", "2"),
        ("map[0]", ""),
        ("items[number - 6]", "5"),
        ("items['1']", "5"),
        ("items[99]", ""),
        ("text[0]", "104"),
        ("keyed[1]", "one"),
        ("missing[1/0]", ""),
        ("same(map)['k']", "v"),
    ],
)
def test_version_6_has_subscripts(expression: str, output: str) -> None:
    assert output == bare("{{ %s }}" % expression, dialect=Dialect.V6, **VARIABLES)


def test_a_nil_subscript_panics() -> None:
    with pytest.raises(TemplateRenderError, match="panics"):
        bare("{{ map[missing] }}", dialect=Dialect.V6, **VARIABLES)


# -- what the daemons give

DEVICES = {
    "eth1": {"type": "nic", "nested": "eth0"},
    "eth0": {"type": "nic"},
    "data": {"type": "disk", "path": "/srv"},
    "root": {"type": "disk", "path": "/", "initial.size": "1"},
    "gpu": {"type": "gpu"},
    "tpm": {"type": "tpm"},
}


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{% for d in devices.Sorted %}{{ d.Name }} {% endfor %}", "eth0 eth1 root data tpm gpu "),
        ("{% for d in devices.Reversed() %}{{ d.Name }} {% endfor %}", "gpu tpm data root eth1 eth0 "),
        (
            "{% for d in devices.Sorted reversed sorted %}{{ d.Name }} {% endfor %}",
            "eth0 eth1 root data tpm gpu ",
        ),
        (
            "{{ devices.Sorted.0.Config.type }}{{ devices.Sorted.Len }}{{ devices.Sorted.Less(0, 1) }}",
            "nic6True",
        ),
        (
            "{{ devices }} {{ devices.root }} {{ devices.CloneNative }}",
            "<config.Devices Value> <config.Device Value> <map[string]map[string]string Value>",
        ),
        ("{{ devices.Filter|length }}{{ devices.Clone.root.path }}", "6/"),
        ("{{ devices.Contains('gpu', devices.gpu) }}{{ devices.Contains('gpu', devices.tpm) }}", "TrueFalse"),
        ("{{ devices.root.InitialConfig|length }}{{ devices.root.InitialConfigWithoutPrefix.size }}", "11"),
        ("{{ devices.CutInitialConfig|length }}{{ devices.root.InitialConfig|length }}", "10"),
        (
            "{{ devices.Sorted }}{{ devices.Sorted.0 }}",
            "<config.DevicesSortable Value><config.DeviceNamed Value>",
        ),
        ("{{ devices.Sorted.0 == 1 }}{{ devices.root.type }}", "Falsedisk"),
        ("{{ pongo2.Update(pongo2) }}", "<pongo2.Context Value>"),
    ],
)
def test_devices_have_the_methods_of_lxd(source: str, output: str) -> None:
    assert output == daemon(source, devices=DEVICES)


@pytest.mark.parametrize(
    "expression",
    [
        "devices.Copy(devices)",
        "devices.Update(devices, 1)",
        "devices.Sorted.Swap(0, 1)",
        "devices.Filter('x')",
        "devices.gpu.Validate('x')",
        "devices.Sorted.Less(0, 99)",
        "devices.Contains(1, devices.gpu)",
        "devices.Clone(1)",
    ],
)
def test_methods_that_a_template_cannot_call_are_errors(expression: str) -> None:
    with pytest.raises(TemplateRenderError):
        daemon("{{ %s }}" % expression, devices=DEVICES)


def test_config_get_takes_a_key_and_a_default() -> None:
    config = {"user.a": "text\r\n\n", "5": "five"}
    assert daemon('[{{ config_get("user.a", "") }}]', config=config) == "[text]"
    assert (
        daemon("{{ config_get(5, 1) }}{{ config_get(6, 1.5) }}{{ config_get(6, nil) }}", config=config)
        == "five1.500000"
    )
    for arguments in ("", "()", "(1)", "(1, 2, 3)"):
        with pytest.raises(TemplateRenderError, match="calling argument count"):
            daemon("{{ config_get%s }}" % arguments)


def test_the_trigger_equals_no_plain_string() -> None:
    assert (
        daemon('{{ trigger == "create" }}{{ trigger|lower == "create" }}{{ trigger in "create" }}')
        == "FalseTrueTrue"
    )


def test_container_is_the_instance_unless_given() -> None:
    assert daemon("{{ container.name }}") == "c1"
    assert daemon("{{ container.name }}", container={"name": "c2"}) == "c2"
