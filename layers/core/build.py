"""Builds the core layer: the libraries of requirements.txt and the package task_service, small and compiled.

    python layers/core/build.py TARGET_DIR [--python-version 3.13] [--platform manylinux2014_aarch64 ...]

makes TARGET_DIR/python, by default for the running interpreter and this machine. Equal input makes equal
files, whatever the target is called; libraries are installed again only when what they depend on has changed.

For the cold start, modules are compiled: Lambda's file system is read-only, so every new instance would have to compile
again what does not come compiled. For the size, botocore's data are cut down to the services that the functions call
through it.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE / "task_service"
REQUIREMENTS = HERE / "requirements.txt"
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
# Zip archives know no earlier time; one fixed time makes equal content an equal archive.
FIXED_TIME = 315_619_200
# What the functions call through botocore; there are more than 400, whose data are 23 MB.
SERVICES = ("s3", "secretsmanager", "ssm")


def build(target: Path, python_version: str, wheel_platforms: Sequence[str]) -> None:
    """The layer's folder, complete, at target/python."""
    compiler = find_interpreter(python_version)
    libraries, stamp = target / "python", target / ".libraries"
    machine = " ".join(wheel_platforms) or platform.platform()
    inputs = b"".join(path.read_bytes() for path in (Path(__file__), REQUIREMENTS))
    key = hashlib.sha256(f"{python_version} {machine}\n".encode() + inputs).hexdigest()
    if not (libraries.is_dir() and stamp.is_file() and stamp.read_text() == key):
        stamp.unlink(missing_ok=True)
        shutil.rmtree(libraries, ignore_errors=True)
        install_libraries(libraries, python_version, wheel_platforms)
        drop_unused_services(libraries / "botocore" / "data")
        compile_modules(compiler, libraries, target)
        stamp.write_text(key)
    package = libraries / PACKAGE.name
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    compile_modules(compiler, package, target)
    for path in (*libraries.rglob("*"), libraries, stamp):
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def find_interpreter(python_version: str) -> str:
    """The interpreter that compiles the modules; what it makes fits its own version only."""
    name = f"python{python_version}"
    found = sys.executable if python_version == RUNNING else shutil.which(name)
    # pyenv's shims are found, but run only where their version is selected.
    if found is None or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        sys.exit(f"build.py: no working {name} on PATH, which has to compile the layer")
    return found


def install_libraries(libraries: Path, python_version: str, wheel_platforms: Sequence[str]) -> None:
    """Exactly what requirements.txt names, with its licences, without commands, tests and pip's notes."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-compile", "--no-deps", "--target", str(libraries), "--requirement", str(REQUIREMENTS)]
    if not wheel_platforms and python_version != RUNNING:
        wheel_platforms = [f"{glibc}_{platform.machine()}" for glibc in ("manylinux2014", "manylinux_2_34")]
    if wheel_platforms:
        command += ["--only-binary=:all:", "--python-version", python_version]
        command += [f"--platform={wheel_platform}" for wheel_platform in wheel_platforms]
    if code := subprocess.run(command, check=False).returncode:
        sys.exit(f"build.py: pip could not install {REQUIREMENTS.name} (exit code {code})")
    for folder in (libraries / "bin", *libraries.glob("*/tests"), *libraries.rglob("__pycache__")):
        shutil.rmtree(folder, ignore_errors=True)
    for note in ("RECORD", "INSTALLER", "REQUESTED"):
        for path in libraries.glob(f"*.dist-info/{note}"):
            path.unlink()


def drop_unused_services(data: Path) -> None:
    """Leave the data of SERVICES only: botocore brings that of every service, 17 MB of the layer."""
    for folder in data.glob("*/"):
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)


def compile_modules(compiler: str, folder: Path, target: Path) -> None:
    """Compiled modules that are never compared with their sources, and name the paths they have on Lambda."""
    command = [compiler, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    if subprocess.run([*command, "-s", str(target), "-p", "/opt", str(folder)], check=False).returncode:
        sys.exit(f"build.py: not every module under {folder.name} compiles")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Builds the core layer.")
    parser.add_argument("target", type=Path, help="the layer is made in TARGET/python")
    parser.add_argument("--python-version", default=RUNNING, help="default: that of the running interpreter")
    parser.add_argument("--platform", action="append", default=[], help="may be repeated; default: this machine's")
    arguments = parser.parse_args()
    build(arguments.target.resolve(), arguments.python_version, arguments.platform)
