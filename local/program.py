"""A program of this project, the host or the bridge, as a process that ends with its parent.

    python -m local.program TEMPORARY_FOLDER MODULE ARGUMENT...

Its settings are in its environment.
"""

import runpy
import sys
from pathlib import Path

from local.processes import end_with_parent


def main() -> None:
    """Run the module until stopped."""
    temporary_folder, module, *arguments = sys.argv[1:]
    end_with_parent(Path(temporary_folder))
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
