"""Reading documents from files and folders.

taskTemplates/*.json                                     also .yaml, .yml; any name of the file
taskListTemplates/*.json
eventTasks/*.json
policies/<repository>/<group>/<name>/<version>.rego      its data in <version>.json beside it
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from taskctl import yaml_text
from taskctl.documents import POLICY_PARTS, Document, Kind, document, kind_of
from taskctl.errors import Refused, WrongUse
from taskctl.hostile import plain

DATA_SUFFIXES: Final = (".json", ".yaml", ".yml")
_KINDS: Final = frozenset(str(kind) for kind in Kind)
_VARIABLE: Final = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
"""${NAME}; names in capitals, so that no other notation with braces is one."""


class Reader:
    """Reads documents, and collects what is wrong with the files."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._documents: dict[tuple[Kind, str], Document] = {}
        self._faults: list[str] = []
        self.kinds: set[Kind] = set()
        """The kinds for which there is a folder, an empty one too."""

    def read(self, paths: Iterable[str]) -> list[Document]:
        """The documents of files and folders (-: stdin), in the order of writing. Raises Refused, WrongUse."""
        for path in paths:
            if path == "-":
                self._read_file(Path(path), "stdin")
            elif Path(path).is_dir():
                self._read_folder(Path(path))
            elif Path(path).is_file():
                self._read_file(Path(path).resolve(), path)
            else:
                raise WrongUse(f"there is no file or folder {plain(path)}", "name one with -f")
        if self._faults:
            raise Refused(f"nothing is written: {'; '.join(self._faults)}", "correct these files")
        order = list(Kind)
        return sorted(self._documents.values(), key=lambda found: (order.index(found.kind), found.name))

    def _read_folder(self, folder: Path) -> None:
        for path in sorted(folder.resolve().rglob("*")):
            inside = path.relative_to(folder.resolve())
            if any(part.startswith(".") for part in inside.parts):
                continue
            if path.is_dir():
                if path.name in _KINDS and path.parent == folder.resolve():
                    self.kinds.add(Kind(path.name))
            elif path.suffix in (*DATA_SUFFIXES, ".rego"):
                self._read_file(path, str(folder / inside))

    def _read_file(self, path: Path, shown: str) -> None:
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            self._faults.append(f"{plain(shown)}: it cannot be read as UTF-8 ({type(error).__name__})")
            return
        if str(path) == "-":
            self._read_text(text, path, shown, is_yaml=True)
        elif path.suffix == ".rego":
            self._read_policy(text, path, shown)
        elif path.suffix not in DATA_SUFFIXES:
            self._faults.append(f"{plain(shown)}: .json, .yaml, .yml or .rego is expected as the end of its name")
        elif not path.with_suffix(".rego").is_file():
            self._read_text(text, path, shown, is_yaml=path.suffix != ".json")

    def _read_policy(self, source: str, path: Path, shown: str) -> None:
        parts = path.with_suffix("").parts
        try:
            if Kind.POLICY not in parts[-5:-4]:
                raise ValueError(f"a policy is at {Kind.POLICY}/{'/'.join(f'<{part}>' for part in POLICY_PARTS)}.rego")
            members: dict[str, Any] = dict(zip(POLICY_PARTS, parts[-4:], strict=True))
            members["source"] = source
            data = next((path.with_suffix(end) for end in DATA_SUFFIXES if path.with_suffix(end).is_file()), None)
            if data is not None:
                (members["data"],) = self._parse(data.read_text(encoding="utf-8"), is_yaml=data.suffix != ".json")
            self._add(Kind.POLICY, members, shown)
        except (ValueError, OSError) as fault:
            self._faults.append(f"{plain(shown)}: {plain(fault)}")

    def _read_text(self, text: str, path: Path, shown: str, *, is_yaml: bool) -> None:
        folder = path.parent.name if path.parent.name in _KINDS else None
        try:
            for value in self._parse(text, is_yaml=is_yaml):
                if isinstance(value, dict) and value and set(value) <= _KINDS:
                    for kind, many in value.items():
                        self._add_all(Kind(kind), many, shown)
                else:
                    self._add_all(Kind(folder) if folder else None, value, shown)
        except ValueError as fault:
            self._faults.append(f"{plain(shown)}: {plain(fault)}")

    def _parse(self, text: str, *, is_yaml: bool) -> list[Any]:
        return [self._filled(value) for value in (yaml_text.load_all(text) if is_yaml else [parse_json(text)])]

    def _add_all(self, kind: Kind | None, value: Any, shown: str) -> None:
        for members in value if isinstance(value, list) else [value]:
            if not isinstance(members, dict):
                raise ValueError("an object is expected, or an array of objects")
            self._add(kind or kind_of(members), members, shown)

    def _add(self, kind: Kind, members: Mapping[str, Any], shown: str) -> None:
        found = document(kind, members, shown)
        if before := self._documents.get((kind, found.name)):
            raise ValueError(f"{found.label} is in {before.source} as well")
        self._documents[kind, found.name] = found

    def _filled(self, value: Any) -> Any:
        """The value with the variables in its strings replaced. Raises ValueError."""
        if isinstance(value, str):
            return _VARIABLE.sub(self._value, value)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        return value

    def _value(self, found: re.Match[str]) -> str:
        if found[1] not in self._values:
            raise ValueError(f"{found[0]} has no value, give it one with --set {found[1]}=…")
        return self._values[found[1]]


def read_text(path: Path) -> str:
    """The text of a file (-: stdin), which is UTF-8 whatever the terminal has. Raises OSError, UnicodeDecodeError."""
    return sys.stdin.buffer.read().decode("utf-8") if str(path) == "-" else path.read_text(encoding="utf-8")


def read_bytes(path: str, hint: str) -> bytes:
    """The bytes of a file (-: stdin). Raises WrongUse with the hint."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise WrongUse(f"{plain(path)} cannot be read ({error.strerror})", hint) from None


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, which says where it is wrong."""
    try:
        return json.loads(text, object_pairs_hook=unique_members, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these members. Raises ValueError if one is there twice."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the member {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return members


def refuse_constant(constant: str) -> Any:
    """Refuse what Python takes for a number: NaN, Infinity. Raises ValueError."""
    raise ValueError(f"{constant} is not JSON")


def assignments(texts: Iterable[str]) -> dict[str, str]:
    """The values of NAME=value. Raises WrongUse."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not _VARIABLE.fullmatch(f"${{{name}}}"):
            raise WrongUse(f"--set {plain(name)} is no assignment", "write --set NAME=value, with the name in capitals")
        values[name] = value
    return values
