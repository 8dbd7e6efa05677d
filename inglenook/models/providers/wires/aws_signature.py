"""AWS Signature Version 4: how a request to AWS proves whose it is.

Covered: requests with their whole body in memory, signed by headers. Not covered: signed URLs, chunked bodies, S3's own
way with paths.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from msgspec import Struct

_SAFE = "-._~"


class Credentials(Struct, frozen=True):
    """Whose request it is. `session` is the token of credentials that do not last."""

    access_key: str
    secret_key: str
    session: str = ""


class Signer:
    """Signs requests to one service in one region. What a day's signatures share is worked out once a day."""

    def __init__(self, credentials: Credentials, region: str, service: str) -> None:
        self.credentials = credentials
        self._region = region
        self._service = service
        self._day = ""
        self._key = b""

    def headers(
        self, method: str, host: str, target: str, body: bytes, headers: dict[str, str], at: datetime | None = None
    ) -> dict[str, str]:
        """The headers to send besides `host`: those given, in lower case, and the proof.

        Args:
            host: As the `host` header has it.
            target: Path and query as the request line has them, percent-encoded.
            at: When; by default now.
        """
        moment = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        given = {name.lower(): value for name, value in headers.items()}
        signed = {**given, "host": host, "x-amz-date": moment}
        if self.credentials.session:
            signed["x-amz-security-token"] = self.credentials.session
        names = ";".join(sorted(signed))
        request = _canonical(method, target, signed, names, hashlib.sha256(body).hexdigest())
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.new(self._signing_key(moment[:8]), text.encode(), hashlib.sha256).hexdigest()
        del signed["host"]
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.credentials.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        return signed

    def _signing_key(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self.credentials.secret_key}".encode()
            for text in (day, self._region, self._service, "aws4_request"):
                key = hmac.new(key, text.encode(), hashlib.sha256).digest()
            self._day, self._key = day, key
        return self._key


def _canonical(method: str, target: str, headers: dict[str, str], names: str, digest: str) -> str:
    """The request in the one spelling that both sides agree on."""
    path, _, query = target.partition("?")
    pairs = sorted(
        (quote(name, safe=_SAFE), quote(value, safe=_SAFE)) for name, value in parse_qsl(query, keep_blank_values=True)
    )
    lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";"))
    # Paths are encoded once more than they are sent.
    return "\n".join(
        [
            method,
            quote(path, safe=f"/{_SAFE}"),
            "&".join(f"{name}={value}" for name, value in pairs),
            lines,
            names,
            digest,
        ]
    )
