"""Pins a built template to its built layer: CloudFormation then refuses another runtime or processor.

    python layers/core/pin.py .aws-sam/build

A function with a layer of another processor or Python version fails at its first import, and nothing says so before.
"""

import re
import sys
from pathlib import Path
from typing import Any

import yaml

# Names of compiled modules, such as _pydantic_core.cpython-313-aarch64-linux-gnu.so.
COMPILED = re.compile(r".+\.cpython-(\d)(\d+)-(\w+)-linux-gnu\.so")
ARCHITECTURES = {"aarch64": "arm64", "x86_64": "x86_64"}


def pin(build: Path) -> None:
    """Leave the parameters of the template in `build` one value each: what the layer there was built for."""
    path = build / "template.yaml"
    template: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, value in built_for(build / "CoreLayer" / "python").items():
        parameter = template["Parameters"][name]
        if value not in parameter["AllowedValues"]:
            sys.exit(f"pin.py: the layer is built for {value}, but {name} is one of {parameter['AllowedValues']}")
        parameter.update(Default=value, AllowedValues=[value])
    path.write_text(yaml.safe_dump(template, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")


def built_for(libraries: Path) -> dict[str, str]:
    """The values of the template's parameters for which these libraries were compiled."""
    found = {match.groups() for path in libraries.rglob("*.so") if (match := COMPILED.fullmatch(path.name))}
    if len(found) != 1:
        sys.exit(f"pin.py: the layer must be compiled for one runtime and processor, not for {sorted(found) or 'none'}")
    major, minor, machine = found.pop()
    return {"PythonRuntime": f"python{major}.{minor}", "Architecture": ARCHITECTURES[machine]}


if __name__ == "__main__":
    pin(Path(sys.argv[1]))
