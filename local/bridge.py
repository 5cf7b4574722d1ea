"""The bridge of functions/bridge, as a process that ends with its parent.

    python -m local.bridge PROJECT TEMPORARY_FOLDER

Its settings are in its environment.
"""

import runpy
import sys
from pathlib import Path

from local.processes import end_with_parent


def main() -> None:
    """Run the bridge until stopped."""
    project, temporary_folder = sys.argv[1:]
    end_with_parent(Path(temporary_folder))
    sys.path.insert(0, str(Path(project, "functions", "bridge")))
    sys.argv[1:] = []
    runpy.run_module("bridge", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
