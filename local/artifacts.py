"""What is uploaded: each layer, built, and each function's folder, as zip archives named by their content."""

import contextlib
import fcntl
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.environment import PROJECT
from local.errors import DeploymentError
from local.processes import Child
from local.template import LAYER

# Zip archives know no earlier time; one fixed time makes equal content an equal archive.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A zip archive to upload."""

    key: str
    """Its name in the bucket. Other content has another name, which makes changed code a changed template."""
    content: bytes


class Workshop:
    """Makes artifacts of the project's folders; what takes long is kept in its .build folder."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log = log
        self._environment = environment

    def make(self, kind: str, folder: Path) -> Artifact:
        """The artifact of a resource of this type, whose folder the template names relative to itself."""
        if kind != LAYER:
            return _artifact(folder.name, PROJECT / folder, "")
        target = PROJECT / ".build" / f"{folder.name}-{RUNNING}"
        target.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(target.suffix + ".lock")):
            self._run([str(PROJECT / folder / "build.py"), str(target)])
            return _artifact(folder.name, target / "python", "python/")

    def _run(self, arguments: list[str]) -> None:
        self._log.write_bytes(b"")
        child = Child(arguments, environment=self._environment, log=self._log, directory=PROJECT)
        try:
            failed = child.wait()
        except BaseException:
            child.kill()
            raise
        if failed:
            said = self._log.read_text(errors="replace").strip().splitlines()
            raise DeploymentError("the layer cannot be built:\n" + "\n".join(said[-10:]))


def _artifact(name: str, folder: Path, prefix: str) -> Artifact:
    """Not compressed: it stays on this machine, and unpacking is part of every cold start."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for path in sorted(folder.rglob("*")):
            name_inside = path.relative_to(folder).as_posix()
            if path.is_file() and (prefix or "__pycache__" not in path.parts):
                entry = zipfile.ZipInfo(prefix + name_inside, FIXED_TIME)
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
