"""A module of this project as a process that ends with its parent, with its group and the temporary folder.

    python -m local.program TEMPORARY_FOLDER MODULE ARGUMENT...

Its settings are in its environment.
"""

import os
import runpy
import signal
import sys
from pathlib import Path

from local.processes import remove_folder, when_parent_ends


def main() -> None:
    """Run the module until stopped."""
    temporary_folder, module, *arguments = sys.argv[1:]

    def end() -> None:
        try:
            remove_folder(Path(temporary_folder))
        finally:
            os.killpg(0, signal.SIGKILL)

    when_parent_ends(end)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
