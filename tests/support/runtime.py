"""Built functions in AWS's Runtime Interface Emulator, which starts and ends them as Lambda does.

The emulator ships with aws-sam-cli; the runtime's own library, awslambdaric, is taken out of the tools' environment
into a folder of its own. A function's interpreter runs without site-packages: it finds what Lambda would give it, and
nothing else. Even boto3 is not there, which Lambda has.
"""

import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from local.ports import HOST, claim
from tests.support.sessions import direct

PROJECT: Final = Path(__file__).resolve().parents[2]
TOOLS: Final = PROJECT / ".venv-tools"
RUNNING: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE: Final = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
REGION: Final = "eu-central-1"
INVOKED_WITHIN_SECONDS: Final = 60.0
ENDED_WITHIN_SECONDS: Final = 10.0

_SITE_PACKAGES: Final = TOOLS / "lib" / f"python{RUNNING}" / "site-packages"
_INIT: Final = re.compile(r"INIT REPORT\(durationMs: ([0-9.]+)")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What `sam build` made of template.yaml for this machine and this interpreter."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Build":
        """Build into the folder. Raises RuntimeError with what `sam` said where it does not build."""
        sam = TOOLS / "bin" / "sam"
        if not sam.exists() or not _SITE_PACKAGES.is_dir():
            raise RuntimeError(f"{TOOLS.name} is not there for Python {RUNNING}: make .venv-tools/stamp")
        shutil.rmtree(folder, ignore_errors=True)
        command: list[str | Path] = [sam, "build", "--build-dir", folder]
        command += ["--parameter-overrides", f"PythonRuntime=python{RUNNING}", f"Architecture={ARCHITECTURE}"]
        made = subprocess.run(
            command,
            cwd=PROJECT,
            env={
                **os.environ,
                # `sam` looks for pythonX.Y on the path; this interpreter's folder has it, with pip.
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "LAYER_PYTHON": RUNNING,
                "LAYER_ARCHITECTURE": ARCHITECTURE,
                "AWS_DEFAULT_REGION": REGION,
                "SAM_CLI_TELEMETRY": "0",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"sam build failed:\n{made.stdout}{made.stderr}")
        return cls(folder=folder)

    @property
    def layer(self) -> Path:
        """What Lambda unpacks under /opt."""
        return self.folder / "CoreLayer"

    def functions(self) -> dict[str, Mapping[str, Any]]:
        """The properties of each function, by its name in the template."""
        template = self._template()
        shared = template["Globals"]["Function"]
        functions: dict[str, Mapping[str, Any]] = {}
        for name, resource in template["Resources"].items():
            if resource["Type"] == "AWS::Serverless::Function":
                own = resource["Properties"]
                variables = {**shared["Environment"]["Variables"], **own["Environment"]["Variables"]}
                logs = {**shared["LoggingConfig"], **own["LoggingConfig"]}
                functions[name] = {**shared, **own, "Environment": {"Variables": variables}, "LoggingConfig": logs}
        return functions

    def resolve(self, value: Any, resources: Mapping[str, str]) -> str:
        """A property of the template: itself, a parameter's default, or the name of one of these resources."""
        if not isinstance(value, dict):
            return str(value)
        if "Fn::Sub" in value:
            return str(value["Fn::Sub"]).replace("${AWS::StackName}", "built")
        name = value["Ref"]
        if name in resources:
            return resources[name]
        return str(self._template()["Parameters"][name]["Default"])

    def _template(self) -> Any:
        # `sam build` writes every function of CloudFormation in its long form.
        return yaml.safe_load((self.folder / "template.yaml").read_bytes())


class BuiltFunction:
    """One built function under the emulator; a context manager.

    `resources` are the names that its environment refers to, by their logical ids and parameters.
    """

    def __init__(self, build: Build, name: str, *, endpoint_url: str, resources: Mapping[str, str], log: Path) -> None:
        self._build = build
        self._name = name
        self._endpoint_url = endpoint_url
        self._resources = resources
        self._log = log
        self._port = claim(0, "the emulator's port")

    def __enter__(self) -> Self:
        emulator = _SITE_PACKAGES / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{ARCHITECTURE}"
        properties = self._build.functions()[self._name]
        command: list[str | Path] = [emulator, "--runtime-interface-emulator-address", f"{HOST}:{self._port}"]
        command += ["--runtime-api-address", f"{HOST}:{claim(0, 'the runtime API')}"]
        # -S: no site-packages. The interpreter is the one that this environment was made of.
        command += [f"{sys.base_prefix}/bin/python{RUNNING}", "-S", "-m", "awslambdaric", properties["Handler"]]
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=self._environment(properties),
                cwd=self._build.folder / self._name,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # On SIGTERM the emulator ends the function too, which has a process group of its own.
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=ENDED_WITHIN_SECONDS)

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the function returns. Raises AssertionError with its log where it does not start, or fails."""
        # The emulator takes some milliseconds until it listens.
        until_it_listens = Retry(connect=8, backoff_factor=0.05)
        with direct() as session:
            session.mount("http://", HTTPAdapter(max_retries=until_it_listens))
            url = f"http://{HOST}:{self._port}/2015-03-31/functions/function/invocations"
            answer = session.post(url, data=json.dumps(event), timeout=INVOKED_WITHIN_SECONDS)
        result = answer.json() if answer.ok else None
        if not answer.ok or (isinstance(result, dict) and "errorType" in result):
            raise AssertionError(f"{self._name} answered {answer.status_code} {answer.text}\n{self.said}")
        return result

    @property
    def said(self) -> str:
        """What the function and the emulator have printed so far."""
        return self._log.read_text(errors="replace")

    @property
    def init_milliseconds(self) -> float:
        """How long the function's last start took, imports included."""
        return float(_INIT.findall(self.said)[-1])

    def _environment(self, properties: Mapping[str, Any]) -> dict[str, str]:
        folder = self._build.folder / self._name
        path = (folder, self._build.layer / "python", runtime_library())
        variables = {
            "PATH": os.environ["PATH"],
            "LAMBDA_TASK_ROOT": str(folder),
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "AWS_LAMBDA_FUNCTION_NAME": self._name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": self._build.resolve(properties["MemorySize"], self._resources),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": self._build.resolve(properties["Timeout"], self._resources),
            "AWS_LAMBDA_LOG_FORMAT": properties["LoggingConfig"]["LogFormat"],
            "AWS_LAMBDA_LOG_LEVEL": properties["LoggingConfig"]["ApplicationLogLevel"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ENDPOINT_URL": self._endpoint_url,
        }
        for name, value in properties["Environment"]["Variables"].items():
            variables[name] = self._build.resolve(value, self._resources)
        return variables


def runtime_library() -> Path:
    """A folder with awslambdaric, and what it needs, alone."""
    installed = {_normal(found.metadata["Name"]): found for found in distributions(path=[str(_SITE_PACKAGES)])}
    folder = PROJECT / ".build" / f"awslambdaric-{installed['awslambdaric'].version}-{RUNNING}"
    if folder.is_dir():
        return folder
    unfinished = folder.with_name(f"{folder.name}-{os.getpid()}")
    names = ["awslambdaric"]
    while names:
        needed = installed[names.pop()]
        for file in needed.files or ():
            if ".." not in file.parts:
                (unfinished / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), unfinished / file)
        names += [_normal(re.split(r"[^\w.-]", requirement)[0]) for requirement in needed.requires or ()]
    unfinished.rename(folder)
    return folder


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
