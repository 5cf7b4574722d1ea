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
    return _LIBRARIES.union(*map(variables_in, _SOURCES[program]))


def variables_in(pattern: str) -> frozenset[str]:
    """The variables that files of the project name."""
    texts = (path.read_text(encoding="utf-8") for path in PROJECT.glob(pattern))
    return frozenset(name for text in texts for name in _NAME.findall(text))
