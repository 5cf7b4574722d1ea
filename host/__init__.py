"""The host: runs the functions on own servers, with PostgreSQL in the place of AWS."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder with this package, the functions and their library."""
