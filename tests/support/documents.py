"""README.md and docs/: their blocks of commands, their links, and which blocks say that no test runs them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))

COMMANDS: Final = ("sh", "console")
"""Languages of blocks with commands: sh has commands only, console has a prompt before each and what it prints."""

LANGUAGES: Final = (*COMMANDS, "json", "mermaid", "rego", "text", "yaml")

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK: Final = re.compile(r"<!-- not run: ((?:(?!-->).)+) -->\s*\Z", re.DOTALL)
_TOKENS: Final = re.compile(r"<!-- with tokens -->\s*\Z")
_LINK: Final = re.compile(r"\]\((?!https?://)([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of a block."""

    text: str
    printed: str | None
    """What the document says that it prints; None: it does not say."""

    @property
    def program(self) -> str:
        """The program that it starts."""
        return self.text.split(maxsplit=1)[0]

    @property
    def only_reads(self) -> bool:
        """Whether it can be repeated until it prints what it should."""
        if self.program.endswith("taskctl"):
            return re.search(r"taskctl (ls|result|watch|open)\b", self.text) is not None
        return re.search(r"\s(-d|--data|-X|--request)\b", self.text) is None


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a document."""

    document: Path
    line: int
    language: str
    text: str
    not_run: str | None
    """Why no test runs it; None: a test does."""
    has_tokens: bool
    """Whether it is run where the service asks for tokens: $ADA and $BOB, and the profiles ada and bob."""

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """Its commands, in order."""
        if self.language == "console":
            return [_console_command(part) for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE) if part]
        lines = self.text.replace("\\\n", " ").splitlines()
        return [Command(text=line, printed=None) for line in lines if line.strip() and not line.startswith("#")]


def blocks(document: Path) -> Iterator[Block]:
    """The fenced blocks of a document."""
    text = document.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        before = text[: found.start()]
        mark = _MARK.search(before)
        yield Block(
            document=document,
            line=before.count("\n") + 1,
            language=found[1],
            text=found[2],
            not_run=" ".join(mark[1].split()) if mark else None,
            has_tokens=_TOKENS.search(before) is not None,
        )


def command_blocks(document: Path) -> list[Block]:
    """The blocks of a document that hold commands."""
    return [block for block in blocks(document) if block.language in COMMANDS]


def links(document: Path) -> Iterator[tuple[Path, str]]:
    """Where a document links to within the project: a file, and a heading's anchor or an empty text."""
    for target in _LINK.findall(_FENCE.sub("", document.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        yield (document.parent / path).resolve() if path else document, anchor


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = _HEADING.findall(_FENCE.sub("", document.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _console_command(part: str) -> Command:
    """A command, which goes on while a quote is open or a line ends with a backslash, and what it prints."""
    lines = part.splitlines()
    length = next(length for length in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:length])))
    return Command(text="\n".join(lines[:length]), printed="\n".join(lines[length:]))


def _is_whole(command: str) -> bool:
    """Whether a shell would not wait for more."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True
