"""The variables that the daemons give."""

from __future__ import annotations

from typing import Any

import pytest

from lxdimage.templates._daemon import DaemonVariables, TemplateContext
from lxdimage.templates._values import NamedString, type_name
from templates.rendering import daemon


def variables(**given: Any) -> DaemonVariables:
    return DaemonVariables(TemplateContext(**given))


def test_the_daemons_variables_have_their_types() -> None:
    found = variables(trigger="start", path="/p", instance={"name": "c"}, devices={"d": {}})
    assert {name: type_name(value) for name, value in found.items() if name != "config_get"} == {
        "trigger": "instance.TemplateTrigger",
        "path": "string",
        "instance": "map[string]string",
        "container": "map[string]string",
        "config": "map[string]string",
        "devices": "config.Devices",
        "properties": "map[string]string",
    }
    assert isinstance(found["trigger"], NamedString)
    assert found["container"] is found["instance"]
    assert type_name(found["devices"]["d"]) == "config.Device"


def test_a_variable_is_the_same_each_time() -> None:
    found = variables(devices={"d": {}})
    assert found["devices"] is found["devices"]


def test_there_are_no_other_variables() -> None:
    found = variables()
    assert len(found) == 8
    assert all(name in found for name in found)
    assert "environ" not in found
    assert found.get("environ") is None


def test_only_variables_that_are_used_are_converted() -> None:
    broken: Any = object()
    assert daemon("{{ path }}", path="/p", config=broken, devices=broken) == "/p"


@pytest.mark.parametrize(
    ("config", "key", "value"),
    [
        ({"user.a": "b\r\n\n"}, "user.a", "b"),
        ({"user.a": "b"}, "user.b", "default"),
        ({"user.a": ""}, "user.a", ""),
        ({"user.a": "\udcc3\udca9"}, "user.a", "\u00e9"),
        ({"user.\u00e9": "b"}, "user.\u00e9", "b"),
        ({"user.\udcc3\udca9": "b"}, "user.\u00e9", "b"),
        ({"user.\udcff": "b"}, "user.\udcff", "b"),
    ],
)
def test_config_get_finds_a_key_however_it_is_spelled(config: dict[str, str], key: str, value: str) -> None:
    assert daemon('{{ config_get("%s", "default") }}' % key, config=config) == value


def test_renderings_share_no_devices() -> None:
    devices = {"d": {"initial.size": "1"}}
    source = "{% for name in devices.CutInitialConfig %}{{ name }}{% endfor %}"
    assert [daemon(source, devices=devices) for _ in range(2)] == ["d", "d"]
