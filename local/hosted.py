"""The host, as a process that ends with its parent.

    python -m local.hosted TEMPORARY_FOLDER

Its settings are in its environment.
"""

import runpy
import sys
from pathlib import Path

from local.processes import end_with_parent


def main() -> None:
    """Run API and workers until stopped."""
    end_with_parent(Path(sys.argv[1]))
    sys.argv[1:] = ["all"]
    runpy.run_module("host", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
