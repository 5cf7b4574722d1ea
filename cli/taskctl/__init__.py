"""The command line of the task service."""

from typing import Final

__version__: Final = "2.0.0"
