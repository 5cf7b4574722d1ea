"""What failures of connections mean for a call."""

import socket
import ssl
from typing import Final

from task_service.domain.call import CallRefused

_MEANINGS: Final[tuple[tuple[type[OSError] | tuple[type[OSError], ...], str], ...]] = (
    (TimeoutError, "the target did not answer completely within {seconds:.3g} s"),
    (ConnectionRefusedError, "the target could not be reached: connection refused"),
    (socket.gaierror, "the target could not be reached: its name was not found"),
    (
        (ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError),
        "the target closed the connection without an answer",
    ),
    (ConnectionResetError, "the target reset the connection"),
    (ssl.SSLError, "the target's TLS could not be verified or negotiated"),
    (OSError, "the connection to the target failed"),
)
"""Reasons, of which the first that fits counts. None names an address: it may be one of an internal network."""

_CERTIFICATE: Final = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its issuer is not trusted",
    20: "its issuer is not trusted",
    21: "its issuer is not trusted",
    23: "it has been revoked",
    62: "it is for another host",
    64: "it is for another host",
}
"""What OpenSSL's codes mean (X509_V_ERR_…), without the names and addresses that its own messages have."""


def refusal(error: OSError, seconds: float) -> CallRefused:
    """The meaning of an error for a call that had so many seconds; a retry can mend all but a wrong certificate."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _CERTIFICATE.get(error.verify_code, f"OpenSSL's verification error {error.verify_code}")
        return CallRefused(f"the target's certificate is not valid: {fault}", can_retry=False)
    reason = next(reason for kinds, reason in _MEANINGS if isinstance(error, kinds))
    return CallRefused(reason.format(seconds=seconds), can_retry=True)
