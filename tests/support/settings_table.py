"""The table of docs/settings.md, made of template.yaml's parameters.

    python -m tests.support.settings_table

writes it into the document, between two marks.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from local.template import Template, setting_name
from tests.support.documents import PROJECT

SETTINGS: Final = PROJECT / "docs" / "settings.md"
BEGIN: Final = "<!-- generated from template.yaml by make docs: begin -->"
END: Final = "<!-- generated: end -->"


def table(template: Template) -> str:
    """The table of a template's parameters, as Markdown."""
    rows = ["| parameter | locally | default | allowed | what |", "|---|---|---|---|---|"]
    for name, declared in template.parameters.items():
        cells = (
            f"`{name}`",
            f"`{setting_name(name)}`",
            _code(str(declared.get("Default", ""))),
            _allowed(declared),
            _plain(str(declared["Description"])),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def generated(document: str, template: Template) -> str:
    """A document with the table of a template between its marks. Raises ValueError where it has no marks."""
    between = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    made, count = between.subn(lambda _: table(template) + "\n", document)
    if count != 1:
        raise ValueError(f"the document needs {BEGIN} and {END} once")
    return made


def _allowed(declared: Mapping[str, Any]) -> str:
    if "AllowedValues" in declared:
        return ", ".join(_code(value) for value in _different(declared["AllowedValues"]))
    least, most = declared.get("MinValue"), declared.get("MaxValue")
    if least is None and most is None:
        return ""
    return f"from {least}" if most is None else f"{least} to {most}"


def _different(values: list[Any]) -> Iterator[str]:
    """The values, of those that differ in their case the first one."""
    seen: set[str] = set()
    for value in map(str, values):
        if value.lower() not in seen:
            seen.add(value.lower())
            yield value


def _plain(text: str) -> str:
    """A text on one line, in which no character means something in Markdown."""
    return re.sub(r"([|*_<])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def main() -> None:
    """Write the table into the document."""
    template = Template.read(PROJECT / "template.yaml")
    document = SETTINGS.read_text(encoding="utf-8")
    SETTINGS.write_text(generated(document, template), encoding="utf-8")


if __name__ == "__main__":
    main()
