"""The process that is the cloud: MiniStack, with three of its ways changed.

    python -m local.emulator FUNCTIONS_LOG

What functions print, MiniStack keeps in its emulation of CloudWatch Logs: in memory, for ever, a stream for each
invocation. Reading it there costs more with every invocation. Here the lines go to one file as they arrive, while
the function still runs, and nowhere else.

A layer, MiniStack unpacks again for each process that it starts, which takes longer than starting it. Here each
archive is unpacked once, and all processes use the same folder; on Lambda it is read-only too.

Chains function → queue → function, MiniStack lets go on for ever. Here they end as on AWS: see `lineage`.

All of them reach into MiniStack, which requirements/local.txt pins to one release. If another release is different
inside, this program says so when it starts.
"""

import hashlib
import os
import re
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ministack import app  # type: ignore[import-untyped]
from ministack.core import lambda_runtime  # type: ignore[import-untyped]
from ministack.services import lambda_svc  # type: ignore[import-untyped]

from local.lineage import end_loops
from local.patching import replace

# What CloudFormation makes of a stack's and a resource's name.
GENERATED_NAME = re.compile(r".*-(\w+)-[0-9A-F]{12,}")

LINE_BREAKS = {ord(character): f"\\u{ord(character):04x}" for character in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"}
"""Characters at which some readers of a text begin a line, and which a function prints within one, escaped."""


def log_lines(function: str, text: str) -> str:
    """The text that a function has printed, as lines of the log, each headed by the function's name in the template."""
    generated = GENERATED_NAME.fullmatch(function)
    name = generated[1] if generated else function
    lines = text.removesuffix("\n").split("\n")
    return "".join(f"{name} {line.translate(LINE_BREAKS)}\n" for line in lines)


def record_functions(path: Path) -> None:
    """Make MiniStack write the functions' output to one file, and keep none of it in memory."""
    # Line buffered and appended to: other processes write to the file, or empty it, and lines stay whole.
    log = path.open("a", buffering=1, encoding="utf-8", errors="backslashreplace")
    worker = lambda_runtime.Worker
    invoke: Callable[..., dict[str, Any]] = worker.invoke

    def read_output(self: Any) -> None:
        for line in self._proc.stderr:
            log.write(log_lines(self.func_name, line))
            self._stderr_queue.put(line.rstrip("\n"))

    def invoke_and_record_failure(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            result = invoke(self, *args, **kwargs)
        except Exception as error:
            log.write(log_lines(self.func_name, f"does not start: {error}"))
            raise
        if result.get("status") == "error":
            log.write(log_lines(self.func_name, result.get("trace") or result["error"]))
        return result

    def keep_nothing(*args: Any, **kwargs: Any) -> None:
        """Every invocation would leave a log stream of its own in MiniStack's memory."""

    replace(worker, "_read_stderr", read_output)
    replace(worker, "invoke", invoke_and_record_failure)
    replace(lambda_svc, "_emit_lambda_logs", keep_nothing)


class UnpackedOnce(zipfile.ZipFile):
    """An archive that unpacks itself by linking the folder to the one where it was unpacked first."""

    _unpacking = threading.Lock()

    def namelist(self) -> list[str]:
        """No names: MiniStack would resolve each, to be safe from strangers' archives. These are our own."""
        return []

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """Put a link to the unpacked archive in the place of an empty folder."""
        archive = Path(os.fspath(self.filename or ""))
        unpacked = Path(tempfile.gettempdir(), "unpacked", hashlib.sha256(archive.read_bytes()).hexdigest())
        with self._unpacking:
            if not unpacked.is_dir():
                super().extractall(unpacked.with_suffix(".part"), self.infolist())
                unpacked.with_suffix(".part").rename(unpacked)
        Path(path).rmdir()
        Path(path).symlink_to(unpacked)


def unpack_once() -> None:
    """Make MiniStack unpack each archive once."""
    # With the names of errors that MiniStack expects there.
    replacement = SimpleNamespace(
        ZipFile=UnpackedOnce, BadZipFile=zipfile.BadZipFile, LargeFileError=zipfile.LargeZipFile
    )
    replace(lambda_runtime, "zipfile", replacement)


def main() -> None:
    """Serve until killed."""
    # MiniStack reads what is left of the command line.
    record_functions(Path(sys.argv.pop()))
    unpack_once()
    end_loops()
    app.main()


if __name__ == "__main__":
    main()
