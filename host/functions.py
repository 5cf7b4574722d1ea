"""The functions, loaded as they are, and the context that Lambda would give them."""

import time
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from uuid import uuid4

from host import ROOT
from task_service.entrypoints.telemetry import Handler


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """One invocation of a function."""

    seconds: float
    """The function's timeout."""
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    begun: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """The time that is left."""
        return max(0, round((self.begun + self.seconds - time.monotonic()) * 1_000))


def load(name: str) -> Handler:
    """The handler of functions/<name>/app.py. Each file is called app.py, so each module gets a name of its own."""
    spec = spec_from_file_location(f"task_service_function_{name}", ROOT / "functions" / name / "app.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no function {name}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler
