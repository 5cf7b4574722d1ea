"""The task service: runs HTTP tasks asynchronously, at least once, each one to its end."""

from typing import Final

VERSION: Final = "2.0.0"
