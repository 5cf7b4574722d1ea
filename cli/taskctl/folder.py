"""Writing documents to a folder, in the layout in which `files.Reader` reads them."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from taskctl.documents import Document, Kind
from taskctl.errors import Refused
from taskctl.hostile import plain

_SAFE_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,99}")
"""Parts of a policy's name that can be the name of a folder; others are written in the document."""
_LONGEST: Final = 100
"""Characters of a file's name."""


class Folder:
    """A folder of documents. A name of a document is no path: only harmless names become names of files."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._taken: set[str] = set()

    def write(self, documents: Iterable[Document], *, step: Callable[[], object] = lambda: None) -> None:
        """Write documents; `step` is called after each. Raises Refused."""
        try:
            for one in documents:
                self._write(one)
                step()
        except OSError as error:
            raise Refused(f"{plain(error.filename or self._root)} cannot be written ({error.strerror})") from None

    def _write(self, one: Document) -> None:
        parts = one.name.split("/")
        members = one.members
        if one.kind is Kind.POLICY and all(_SAFE_PART.fullmatch(part) for part in parts):
            base = self._free("/".join((Kind.POLICY, *parts)))
            if base is not None:
                self._put(base + ".rego", str(members["source"]))
                if members.get("data") is not None:
                    self._put(base + ".json", _text(members["data"]))
                else:
                    (self._root / (base + ".json")).unlink(missing_ok=True)
                return
        name = _file_name(one.name)
        base = self._free(f"{one.kind}/{name}") or f"{one.kind}/{name[:60]}-{_digest(one.name)}"
        self._put(base + ".json", _text(members))

    def _free(self, path: str) -> str | None:
        """The path, unless it is taken; some file systems do not tell capitals from small letters."""
        if path.casefold() in self._taken:
            return None
        self._taken.add(path.casefold())
        return path

    def _put(self, path: str, text: str) -> None:
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        # Headers can hold secrets, so the file is for its owner only.
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def _file_name(name: str) -> str:
    # A dot at the beginning hides a file.
    encoded = quote(name, safe=" @,+=", errors="backslashreplace").replace("%3A", "_")
    encoded = f"_{encoded}" if encoded.startswith(".") else encoded
    return encoded if len(encoded) <= _LONGEST else f"{encoded[:60]}-{_digest(name)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace").decode() + "\n"
