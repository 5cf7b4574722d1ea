"""The variables that the programs read, found in their source: a chart must not set one that nothing reads."""

import re
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[2]

_SOURCES: Final = {
    "host": ("host/*.py", "layers/core/task_service/wiring/*.py"),
    "bridge": ("functions/bridge/bridge/*.py",),
}

_NAME: Final = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')

_LIBRARIES: Final = frozenset({"LOG_LEVEL", "SSL_CERT_FILE", "PGPASSWORD"})
"""What is read by Powertools, by Python's ssl and by libpq."""


def known_variables(program: str) -> frozenset[str]:
    """The variables that a program knows: the host or the bridge."""
    found = set(_LIBRARIES)
    for pattern in _SOURCES[program]:
        for path in PROJECT.glob(pattern):
            found.update(_NAME.findall(path.read_text(encoding="utf-8")))
    return frozenset(found)
