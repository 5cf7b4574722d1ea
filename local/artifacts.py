"""What is uploaded: each layer, built, and each function's folder, as zip archives named by their content."""

import contextlib
import fcntl
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local.environment import PROJECT
from local.errors import LocalCloudError
from local.processes import Child, last_lines
from local.template import LAYER

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A zip archive to upload."""

    key: str
    """Its name in the bucket. Other content has another name, which makes changed code a changed template."""
    content: bytes


def make_artifact(kind: str, folder: Path, *, log: Path, temporary: Path) -> Artifact:
    """The artifact of a resource of this type, whose folder the template names; layers stay built in .build."""
    if kind != LAYER:
        return _artifact(folder.name, PROJECT / folder, "")
    target = PROJECT / ".build" / f"{folder.name}-{RUNNING}"
    target.mkdir(parents=True, exist_ok=True)
    with locked(target.with_suffix(target.suffix + ".lock")):
        _build([str(PROJECT / folder / "build.py"), str(target)], log, temporary)
        return _artifact(folder.name, target / "python", "python/")


def _build(arguments: list[str], log: Path, temporary: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    # Compiling is a part of it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    log.write_bytes(b"")
    child = Child(arguments, environment=environment, log=log)
    try:
        failed = child.wait()
    except BaseException:
        child.kill()
        raise
    if failed:
        raise LocalCloudError("\n".join(["the layer cannot be built:", *last_lines(log)]))


def _artifact(name: str, folder: Path, prefix: str) -> Artifact:
    """Not compressed: it stays on this machine, and unpacking is part of every cold start."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(folder.rglob("*")):
            name_inside = path.relative_to(folder).as_posix()
            if path.is_file() and (prefix or "__pycache__" not in path.parts):
                # Of no other time than the earliest, so that equal content is an equal archive.
                entry = zipfile.ZipInfo(prefix + name_inside)
                entry.external_attr = 0o644 << 16
                file.writestr(entry, path.read_bytes())
    content = archive.getvalue()
    return Artifact(key=f"{name}-{hashlib.sha256(content).hexdigest()[:32]}.zip", content=content)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with a folder that several processes use, while the file at `path` is locked."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
