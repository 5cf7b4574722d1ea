"""template.yaml as data: read with CloudFormation's short tags, pointed at uploaded artifacts, written as JSON.

CloudFormation accepts neither YAML's anchors and merge keys nor folders of this machine. `sam` replaces them before it
uploads a template, and so does this module. So one template serves everywhere.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor  # type: ignore[import-untyped]

from local.errors import LocalCloudError

FUNCTION = "AWS::Serverless::Function"
LAYER = "AWS::Serverless::LayerVersion"
API = "AWS::Serverless::Api"
TABLE = "AWS::DynamoDB::Table"
# For each type of resource, the property that names its folder.
FOLDER_PROPERTY = {FUNCTION: "CodeUri", LAYER: "ContentUri"}
# The member of the template's metadata that names the parameters whose values a later deployment keeps.
GIVEN = "GivenSettings"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, and without dates (the format version looks like one)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


class Template:
    """A SAM template."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    @classmethod
    def read(cls, path: Path) -> "Template":
        """The template in the file."""
        try:
            with path.open("rb") as file:
                # A subclass of SafeLoader is as safe.
                return cls(yaml.load(file, _Loader))
        except (OSError, yaml.YAMLError) as error:
            raise LocalCloudError(f"the template cannot be read: {error}") from error

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        """Each parameter's declaration."""
        declared: dict[str, dict[str, Any]] = self._content.get("Parameters", {})
        return declared

    def resources(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The logical id and the properties of each resource of this type."""
        for name, resource in self._content["Resources"].items():
            if resource["Type"] == kind:
                yield name, resource.get("Properties", {})

    def queue_events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The functions that a queue triggers, each with the trigger's properties."""
        for name, properties in self.resources(FUNCTION):
            for event in properties.get("Events", {}).values():
                if event["Type"] == "SQS":
                    yield name, event["Properties"]

    def value(self, member: Any, parameters: Mapping[str, str]) -> Any:
        """A member of the template with the parameters' values. Raises LocalCloudError for any other function."""
        if isinstance(member, list):
            return [self.value(item, parameters) for item in member]
        if not isinstance(member, dict):
            return member
        for name, operand in member.items():
            if name == "Ref" and operand in parameters:
                return parameters[operand]
            if name == "Ref" or name.startswith("Fn::"):
                raise LocalCloudError(f"template.yaml has {name} {operand} where only a parameter is allowed")
        return {name: self.value(item, parameters) for name, item in member.items()}

    def folders(self) -> Iterator[tuple[str, Path]]:
        """The folders of resources, each with the resource's type."""
        for kind, member in FOLDER_PROPERTY.items():
            for _, properties in self.resources(kind):
                yield kind, Path(properties[member])

    def remember_given(self, parameters: list[str]) -> None:
        """Note in the template's metadata which parameters keep their values in a later deployment."""
        self._content.setdefault("Metadata", {})[GIVEN] = parameters

    def to_json(self, uploaded: Mapping[Path, str]) -> str:
        """The template as CloudFormation accepts it, with the URI of an uploaded artifact for each folder."""
        template = Template(copy.deepcopy(self._content))
        for kind, member in FOLDER_PROPERTY.items():
            for _, properties in template.resources(kind):
                properties[member] = uploaded[Path(properties[member])]
        return json.dumps(template._content, separators=(",", ":"))


def given_settings(deployed: Any) -> list[str]:
    """The parameters that `remember_given` noted in a deployed template, which is parsed or a text."""
    content = json.loads(deployed) if isinstance(deployed, str) else deployed
    given: list[str] = content.get("Metadata", {}).get(GIVEN, [])
    return given


def setting_name(parameter: str) -> str:
    """The environment variable of a parameter: LOG_LEVEL of LogLevel."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()
