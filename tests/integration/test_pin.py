"""A built template accepts only what its layer was built for."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.runtime import PROJECT

PARAMETERS = {
    "PythonRuntime": {"Type": "String", "Default": "python3.13", "AllowedValues": ["python3.12", "python3.13"]},
    "Architecture": {"Type": "String", "Default": "arm64", "AllowedValues": ["arm64", "x86_64"]},
    "LogLevel": {"Type": "String", "Default": "INFO"},
}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder with a built template, and a layer with nothing in it."""
    (tmp_path / "template.yaml").write_text(yaml.safe_dump({"Parameters": PARAMETERS, "Resources": {}}))
    (tmp_path / "CoreLayer" / "python" / "library").mkdir(parents=True)
    return tmp_path


def compiled(build: Path, *names: str) -> None:
    for name in names:
        (build / "CoreLayer" / "python" / "library" / name).touch()


def pin(build: Path) -> tuple[int, str]:
    """The exit code, and what was said."""
    command = [sys.executable, "layers/core/pin.py", str(build)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def parameters(build: Path) -> Any:
    return yaml.safe_load((build / "template.yaml").read_text())["Parameters"]


@pytest.mark.parametrize(("machine", "architecture"), [("aarch64", "arm64"), ("x86_64", "x86_64")])
def test_the_template_accepts_what_the_layer_was_built_for(build: Path, machine: str, architecture: str) -> None:
    compiled(build, f"a.cpython-312-{machine}-linux-gnu.so", f"b.cpython-312-{machine}-linux-gnu.so", "any.abi3.so")

    assert pin(build) == (0, "")

    assert parameters(build) == PARAMETERS | {
        "PythonRuntime": {"Type": "String", "Default": "python3.12", "AllowedValues": ["python3.12"]},
        "Architecture": {"Type": "String", "Default": architecture, "AllowedValues": [architecture]},
    }


def test_a_layer_of_two_processors_is_refused(build: Path) -> None:
    compiled(build, "a.cpython-313-aarch64-linux-gnu.so", "b.cpython-313-x86_64-linux-gnu.so")
    code, said = pin(build)
    assert (code, "for one runtime and processor" in said) == (1, True)
    assert parameters(build) == PARAMETERS


def test_a_layer_without_a_compiled_module_is_refused(build: Path) -> None:
    assert pin(build)[0] == 1


def test_a_layer_for_a_runtime_that_the_template_does_not_know_is_refused(build: Path) -> None:
    compiled(build, "a.cpython-311-x86_64-linux-gnu.so")
    code, said = pin(build)
    assert (code, "PythonRuntime is one of ['python3.12', 'python3.13']" in said) == (1, True)
    assert parameters(build) == PARAMETERS
