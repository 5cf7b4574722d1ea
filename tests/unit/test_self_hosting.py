"""docs/self-hosting.md, held against the host, its chart and its metrics."""

import re
from typing import Any

import pytest
import yaml
from helm_python.chart import Chart

from tests.support.documents import PROJECT, blocks
from tests.support.environments import variables_in

DOCUMENT = PROJECT / "docs" / "self-hosting.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")


def yaml_block(containing: str) -> Any:
    """The one YAML block that contains a text."""
    [text] = [block.text for block in blocks(DOCUMENT) if block.language == "yaml" and containing in block.text]
    return yaml.safe_load(text)


def test_the_example_of_values_renders() -> None:
    manifests = Chart.load(str(PROJECT / "host" / "chart")).render(values=yaml_block("egressAllow"), name="task")
    assert "registry.example.com/task-service:" in manifests["task/templates/api.yaml"]
    assert "tasks.example.com" in manifests["task/templates/ingress.yaml"]


def test_every_setting_of_the_host_is_explained() -> None:
    missing = {name for name in variables_in("host/settings.py") if f"`{name}`" not in TEXT}
    assert missing == set()


def test_every_metric_that_is_named_exists() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "host").glob("*.py"))
    bridge = (PROJECT / "functions" / "bridge" / "bridge" / "metrics.py").read_text(encoding="utf-8")
    for name in re.findall(r"\btask_service_[a-z_]+[a-z]\b", TEXT):
        if not name.endswith("_total"):
            assert f'"{name}"' in sources, name
        else:
            assert f'("{name.removeprefix("task_service_").removesuffix("_total")}",' in sources, name
    for name in re.findall(r"\bbridge_[a-z_]+[a-z]\b", TEXT):
        assert f'"{name}"' in bridge, name


def test_every_alert_says_what_to_do() -> None:
    [group] = yaml_block("alert:")["groups"]
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "annotations"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("file", ["values.yaml", "values.schema.json"])
def test_every_value_that_is_named_is_one_of_the_chart(file: str) -> None:
    known = (PROJECT / "host" / "chart" / file).read_text(encoding="utf-8")
    groups = "database|migration|settings|auth|oauth|nats|worker|bridge|metrics|networkPolicy|ingress|istio|autoscaling"
    for path in re.findall(rf"`((?:{groups})\.[a-zA-Z.]+)`", TEXT):
        for part in path.split("."):
            assert part in known, path
