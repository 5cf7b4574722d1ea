"""The environment of the local cloud's processes."""

import os
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]

# What programs need of the environment. Settings reach the functions through the template or not at all, as on AWS.
PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def passed_on() -> dict[str, str]:
    """The environment of a program that runs here."""
    kept = {name: value for name, value in os.environ.items() if name in PASSED_ON}
    # The AWS configuration of this machine is not for the functions.
    return kept | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
