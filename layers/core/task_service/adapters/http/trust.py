"""The certificates that TLS connections of the service trust: targets, policy and cache service, keys and tokens.

One setting for all of them: SSL_CERT_FILE, the variable that OpenSSL and most tools know, names a file with the
certificates of private authorities, in PEM. They count in addition to the public ones of certifi, so that a deployment
can reach both its own network and the internet.
"""

import os
import ssl
from functools import lru_cache

from task_service.domain.call import CallRefused


def tls_context() -> ssl.SSLContext:
    """The context of every TLS connection. Raises CallRefused where SSL_CERT_FILE cannot be read."""
    return _context(os.environ.get("SSL_CERT_FILE") or "")


@lru_cache(maxsize=1)
def _context(ca_file: str) -> ssl.SSLContext:
    # Only a function that uses TLS pays for this.
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    context.hostname_checks_common_name = False
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            reason = "SSL_CERT_FILE names no file with certificates in PEM"
            raise CallRefused(reason, can_retry=True) from error
    return context
