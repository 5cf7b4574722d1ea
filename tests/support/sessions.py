"""HTTP sessions of requests, whatever proxy the environment names."""

import requests


def direct() -> requests.Session:
    """A session that reaches this machine itself."""
    session = requests.Session()
    session.trust_env = False
    return session
