"""README.md and docs/, held against the code: commands, links, settings, routes and make targets."""

import json
import re
from pathlib import Path

import pytest

from local.template import Template
from task_service.entrypoints.docs.openapi import operations
from tests.support.documents import (
    DOCUMENTS,
    LANGUAGES,
    PROJECT,
    Block,
    anchors,
    blocks,
    command_blocks,
    links,
)
from tests.support.settings_table import SETTINGS, generated, table
from tests.support.transcripts import CommandFailed, Transcript

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)

IN_THE_PACKAGE = r"`((?:adapters|domain|entrypoints|schemas|testing|usecases|wiring)/[\w/]+\.py)"
"""A file of task_service, as the documents name it."""

RUNNABLE = {"curl", "taskctl", ".venv/bin/taskctl"}
"""Programs that tests/e2e/test_documentation.py starts; a block with another one has to say why no test runs it."""


def targets() -> set[str]:
    """The targets of the Makefile that its help shows."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))


@each_document
def test_every_block_of_commands_is_run_by_a_test_or_says_why_not(document: Path) -> None:
    neither = [
        f"{block}: {command.text}"
        for block in command_blocks(document)
        if block.not_run is None
        for command in block.commands
        if command.program not in RUNNABLE
    ]
    assert neither == []


@each_document
def test_every_file_that_it_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(r"\b((?:cli|docs|functions|host|layers|local|tests)/[\w./-]+\.\w+)", text)
    named += [f"layers/core/task_service/{path}" for path in re.findall(IN_THE_PACKAGE, text)]
    assert [path for path in named if not (PROJECT / path).exists()] == []


@each_document
def test_every_block_says_its_language(document: Path) -> None:
    assert [f"{block}: {block.language}" for block in blocks(document) if block.language not in LANGUAGES] == []


@each_document
def test_every_json_block_is_json(document: Path) -> None:
    for block in blocks(document):
        if block.language == "json":
            json.loads(block.text)


@each_document
def test_what_is_run_elsewhere_names_a_file_that_is_there(document: Path) -> None:
    for block in command_blocks(document):
        for path in re.findall(r"\b(?:tests|functions|local)/[\w/.]+\w", block.not_run or ""):
            assert (PROJECT / path).exists(), f"{block}: {path}"


@each_document
def test_every_make_target_exists(document: Path) -> None:
    named = re.findall(r"(?:^|`|\s)make ([a-z-]+)\b", _of_commands(document), flags=re.MULTILINE)
    assert set(named) <= targets()


def _of_commands(document: Path) -> str:
    """The document's code: its blocks of commands, and what is between backticks."""
    text = document.read_text(encoding="utf-8")
    quoted = [code for code in re.findall(r"`([^`\n]+)`", text) if code.startswith("make ")]
    lines = [command.text for block in command_blocks(document) for command in block.commands]
    return "\n".join([*quoted, *(line for line in lines if "make " in line)])


@each_document
def test_every_link_leads_somewhere(document: Path) -> None:
    for path, anchor in links(document):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), f"{path.name}#{anchor}"


def test_every_document_is_linked_from_the_readme() -> None:
    readme, *others = DOCUMENTS
    assert set(others) <= {path for path, _ in links(readme)}


def test_the_settings_are_those_of_the_template() -> None:
    document = SETTINGS.read_text(encoding="utf-8")
    assert document == generated(document, Template.read(PROJECT / "template.yaml")), "make docs writes them anew"


def test_a_parameter_is_a_row_that_says_what_is_allowed() -> None:
    level = {"Description": "How much\n is | logged.", "Default": "INFO", "AllowedValues": ["INFO", "ERROR", "info"]}
    template = Template({"Parameters": {"LogLevel": level, "MostTasks": {"Description": "Most.", "MinValue": 1}}})

    assert table(template).splitlines()[2:] == [
        "| `LogLevel` | `LOG_LEVEL` | `INFO` | `INFO`, `ERROR` | How much is \\| logged. |",
        "| `MostTasks` | `MOST_TASKS` |  | from 1 | Most. |",
    ]


def test_every_make_target_is_explained() -> None:
    contributing = (PROJECT / "docs" / "contributing.md").read_text(encoding="utf-8")
    assert {target for target in targets() if f"`make {target}" not in contributing} == set()


def test_every_route_is_described() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert {operation.path for operation in operations() if operation.path not in text} == set()


# ---- the reader of documents itself


def read(tmp_path: Path, text: str) -> list[Block]:
    document = tmp_path / "document.md"
    document.write_text(text, encoding="utf-8")
    return [*blocks(document)]


def test_a_console_block_has_commands_and_what_they_print(tmp_path: Path) -> None:
    (block,) = read(tmp_path, "```console\n$ curl a \\\n  b\n{\n1}\n$ curl -d '{\n  c}' d\n```\n")

    first, second = block.commands
    assert (first.text, first.printed, first.only_reads) == ("curl a \\\n  b", "{\n1}", True)
    assert (second.text, second.printed, second.only_reads) == ("curl -d '{\n  c}' d", "", False)
    assert block.not_run is None


def test_a_mark_counts_for_the_block_below_it_only(tmp_path: Path) -> None:
    marked = "<!-- not run: {} -->\n\n```sh\ndocker a\n```\n\n"
    found = read(tmp_path, marked.format("needs\nDocker") + "```sh\ncurl a\n```\n\n" + marked.format("too slow"))

    assert [block.not_run for block in found] == ["needs Docker", None, "too slow"]


def test_a_block_says_that_it_needs_tokens(tmp_path: Path) -> None:
    command = "```sh\ncurl a\n```\n\n"
    found = read(tmp_path, f"<!-- with tokens -->\n\n{command}{command}")

    assert [(block.has_tokens, block.not_run) for block in found] == [(True, None), (False, None)]


# ---- what a transcript accepts

ONE, OTHER = "a9d7398a-fbfe-48bd-bb64-c5b7a92a5d5a", "80e7d5e0-70ca-4337-8d78-d770ba98a3f1"


def run(tmp_path: Path, text: str) -> None:
    transcript = Transcript({"shown:1": "real:2"}, patience=0)
    for block in read(tmp_path, text):
        transcript.run(block)


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("echo one   two", "one two"),
        ("""echo '{"b": 1,"a": [2]}'""", '{"a": [2],\n"b": 1}'),
        ("""echo '"2026-11-24T06:00:39.051Z"'""", '"2025-01-02T03:04:05.678Z"'),
        ("""echo '{"next": "abc"}'""", '{"next": "…"}'),
        ("echo shown:1", "shown:1"),
        ("echo took 12.3 s at 11-26 08:12:46", "took 0.1 s at 01-01 00:00:00"),
        ("echo wrong >&2", "wrong"),
    ],
)
def test_a_transcript_accepts_what_is_the_same(command: str, printed: str, tmp_path: Path) -> None:
    run(tmp_path, f"```console\n$ {command}\n{printed}\n```\n")


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("echo one two", "one"),
        ("""echo '{"a": 1}'""", '{"a": 2}'),
        ("""echo '{"a": 1, "b": 2}'""", '{"a": 1}'),
        ("""echo '{"next": null}'""", '{"next": "…"}'),
        (f"echo {ONE} {OTHER}", f"{ONE} {ONE}"),
        ("false", ""),
        ("echo one -d", "two"),
    ],
)
def test_a_transcript_refuses_what_is_not(command: str, printed: str, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed):
        run(tmp_path, f"```console\n$ {command}\n{printed}\n```\n")


def test_an_id_stands_for_the_same_one_from_then_on(tmp_path: Path) -> None:
    first = f"```console\n$ echo {ONE}\n{OTHER}\n```\n"
    # The command's id is the document's, so it is replaced by the one of this run.
    run(tmp_path, f"{first}```console\n$ echo {OTHER}\n{OTHER}\n```\n")

    with pytest.raises(CommandFailed):
        run(tmp_path, f"{first}```console\n$ echo {OTHER[:-1]}0\n{OTHER}\n```\n")


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="exit code 3"):
        run(tmp_path, "```sh\ntrue\nexit 3\n```\n")
