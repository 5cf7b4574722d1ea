"""Commands of a document, run against a service that listens elsewhere and gives other ids than the document shows."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.api import eventually
from tests.support.documents import Block, Command

SECONDS: Final = 60.0
"""For one command."""

_ID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z"
_SHORT_TIME: Final = r"\d\d-\d\d \d\d:\d\d:\d\d"
_DURATION: Final = r"\d+\.\d s"
_ANY: Final = '"…"'
_VARYING: Final = re.compile(f"({_ID}|{_TIME}|{_SHORT_TIME}|{_DURATION}|{_ANY})")

# What a person has configured for curl, and proxies, are not part of the document.
_SHELL: Final = 'set -euo pipefail; curl() { command curl -q --silent --show-error %s "$@"; }\n'


class CommandFailed(AssertionError):
    """A command does not do what the document says."""


class Transcript:
    """A document's commands in order; remembers which ids of this run stand for which of the document."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        *,
        environment: Mapping[str, str] | None = None,
        patience: float = SECONDS,
    ) -> None:
        self._addresses = addresses
        self._environment = environment or {}
        self._patience = patience
        self._ids: dict[str, str] = {}

    def run(self, block: Block) -> None:
        """Run the commands of a block. Raises CommandFailed."""
        if block.language == "sh":
            self._shell(block.text, "--fail-with-body", block)
            return
        for command in block.commands:
            self._run(command, block)

    def _run(self, command: Command, block: Block) -> None:
        """Run a command and compare what it prints; one that only reads is repeated until it prints that."""
        seen: list[str] = []

        def printed_as_shown() -> bool:
            seen.append(self._shell(command.text, "", block))
            return self._is(seen[-1], command.printed or "")

        if command.only_reads:
            try:
                eventually(printed_as_shown, what=command.text, seconds=self._patience)
            except TimeoutError:
                raise CommandFailed(_difference(command, block, seen[-1])) from None
        elif not printed_as_shown():
            raise CommandFailed(_difference(command, block, seen[-1]))

    def _shell(self, script: str, curl_options: str, block: Block) -> str:
        """What a script of the document prints, its errors too. Raises CommandFailed where it fails."""
        programs = Path(sys.executable).parent
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "no_proxy": "*", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["bash", "-c", _SHELL % curl_options + self._here(script)],
            env={**environment, **self._environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"{block}: exit code {done.returncode}\n{self._here(script)}\n{done.stdout}")
        return done.stdout

    def _here(self, text: str) -> str:
        """A text of the document with this run's addresses and ids."""
        for shown, real in {**self._addresses, **self._ids}.items():
            text = text.replace(shown, real)
        return text

    def _is(self, printed: str, shown: str) -> bool:
        """Whether this was printed, apart from ids, times and addresses; remembers the ids."""
        groups: dict[str, str] = {}
        pattern = ""
        for part in _VARYING.split(_canonical(self._here(shown))):
            if re.fullmatch(_ID, part) and part not in self._ids.values():
                if part in groups:
                    pattern += f"(?P={groups[part]})"
                else:
                    groups[part] = f"id{len(groups)}"
                    pattern += f"(?P<{groups[part]}>{_ID})"
            elif form := next((form for form in (_TIME, _SHORT_TIME, _DURATION) if re.fullmatch(form, part)), None):
                pattern += form
            elif part == _ANY:
                pattern += r'"[^"]*"'
            else:
                pattern += re.escape(part)
        match = re.fullmatch(pattern, _canonical(printed))
        if match is not None:
            self._ids |= {shown_id: match[group] for shown_id, group in groups.items()}
        return match is not None


def _canonical(text: str) -> str:
    """JSON in one form, other text with single spaces."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, sort_keys=True)
    except ValueError:
        return " ".join(text.split())


def _difference(command: Command, block: Block, printed: str) -> str:
    return f"{block}\n$ {command.text}\nis shown with:\n{command.printed}\nand prints:\n{printed}"
