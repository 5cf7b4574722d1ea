"""YAML as JSON's data: read without dates and without double members, written with texts in blocks."""

from typing import Any, Final

import yaml

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Reads what JSON can say."""


class _Dumper(yaml.SafeDumper):
    """Writes texts of many lines as blocks."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    members: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        place = f"line {key_node.start_mark.line + 1}"
        if not isinstance(key, str):
            raise yaml.YAMLError(f"{place}: the member {key!r} is no string, write it in quotes")
        if key in members:
            raise yaml.YAMLError(f"{place}: the member {key!r} is there twice")
        members[key] = loader.construct_object(value_node, deep=True)
    return members


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Dumper.add_representer(str, _text)


def load_all(text: str) -> list[Any]:
    """The documents of a YAML text. Raises ValueError, which says where it is wrong."""
    try:
        return [value for value in yaml.load_all(text, Loader=_Loader) if value is not None]
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{place}{error.problem or 'it is not YAML'}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error) or "it is nested too deep") from None


def dump(value: Any) -> str:
    """The YAML text of a JSON value."""
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=True, width=100)
    return text
