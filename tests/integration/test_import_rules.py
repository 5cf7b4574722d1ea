"""The import rules of pyproject.toml: they hold, and each one notices when it is broken."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers" / "core" / "task_service"
TASKCTL = ROOT / "cli" / "taskctl"
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]

OFFENCES = [
    ("domain/task.py", "import task_service.usecases.create_task", "wiring knows all"),
    ("ports.py", "import task_service.adapters.cache_service", "wiring knows all"),
    ("usecases/create_task.py", "import task_service.adapters.template_cache", "wiring knows all"),
    ("entrypoints/telemetry.py", "import task_service.adapters.template_cache", "wiring knows all"),
    ("entrypoints/telemetry.py", "import task_service.wiring.services", "wiring knows all"),
    ("adapters/template_cache.py", "import task_service.usecases.create_task", "adapters and fakes implement ports"),
    ("testing/tasks.py", "import task_service.schemas.policy", "adapters and fakes implement ports"),
    ("schemas/policy.py", "import task_service.usecases.create_task", "schemas know the domain only"),
    ("adapters/cache_service.py", "import task_service.adapters.aws.client", "only wiring chooses a platform"),
    ("adapters/cache_service.py", "import task_service.adapters.postgres.database", "only wiring chooses a platform"),
    ("adapters/postgres/tasks.py", "import task_service.adapters.aws.client", "platforms do not know each other"),
    ("adapters/aws/sqs.py", "import task_service.adapters.postgres.queue", "platforms do not know each other"),
    ("adapters/postgres/database.py", "import botocore", "the adapters of PostgreSQL need no library of AWS"),
    ("usecases/create_task.py", "import psycopg", "domain, ports and use cases reach nothing outside"),
    ("usecases/create_task.py", "import requests", "domain, ports and use cases reach nothing outside"),
    ("domain/task.py", "import pydantic", "domain, ports and use cases reach nothing outside"),
    ("entrypoints/telemetry.py", "import botocore", "entry points know no library of a platform"),
    ("../taskctl/documents.py", "import task_service.domain.template", "taskctl is a client"),
    ("../taskctl/screen.py", "import local.errors", "taskctl is a client"),
]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, with taskctl and the rules beside it."""
    for copied in (PACKAGE, TASKCTL):
        shutil.copytree(copied, tmp_path / copied.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path / "task_service"


def test_every_rule_holds(package: Path) -> None:
    code, broken = check(package)
    assert (code, broken) == (0, [])


@pytest.mark.parametrize(("module", "line", "rule"), OFFENCES)
def test_an_import_that_breaks_a_rule_is_named(package: Path, module: str, line: str, rule: str) -> None:
    offender = package / module
    offender.write_text(f"{offender.read_text()}\n{line}  # noqa\n")
    code, broken = check(package)
    assert code == 1
    assert any(name.startswith(rule) for name in broken), broken


def test_every_rule_has_an_offence_here() -> None:
    for name in CONTRACTS:
        assert any(name.startswith(rule) for _, _, rule in OFFENCES), name


def check(package: Path) -> tuple[int, list[str]]:
    """The exit code of import-linter, and the names of the contracts that it finds broken."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=package.parent,
        env=os.environ | {"PYTHONPATH": str(package.parent), "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run.returncode, re.findall(r"^(.*) BROKEN", run.stdout, flags=re.M)
