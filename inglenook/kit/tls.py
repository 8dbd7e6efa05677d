"""Says what is wrong with a certificate before a server starts with it."""

import ssl
from pathlib import Path

from inglenook.kit.errors import BadInput


def check_certificate(cert: Path | None, key: Path | None) -> None:
    """Try the certificate files.

    Args:
        cert: Certificate chain (PEM), the server's own first; None for plain HTTP.
        key: Private key (PEM); None when it is in `cert` too.

    Raises:
        BadInput: a file is missing or unreadable, holds something else, or the two do not belong together.
    """
    if cert is None:
        if key is not None:
            raise BadInput("there is a --tls-key but no --tls-cert: HTTPS needs both", field="tls_cert")
        return
    for path in (cert, key):
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as error:
            raise BadInput(f"cannot read {path}: {error.strerror}") from None
    source = f"the certificate {cert}" + (f" with the key {key}" if key is not None else "")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, _no_password)
    except ssl.SSLError as error:
        raise BadInput(f"cannot use {source}: {_reason(error, key)}") from None
    except ValueError:  # what OpenSSL makes of no password
        raise BadInput(f"cannot use {source}: the key is encrypted; write it without a password") from None


def _no_password() -> str:
    raise ValueError


def _reason(error: ssl.SSLError, key: Path | None) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate"
    if key is None:
        return "it must be PEM and hold the private key too; or name the key's file by --tls-key"
    return "both must be PEM: -----BEGIN CERTIFICATE----- and -----BEGIN PRIVATE KEY-----"
