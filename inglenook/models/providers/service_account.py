"""Google's service accounts: a key file, by whose signature one gets tokens that last an hour."""

import asyncio
import base64
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from msgspec import Struct

from inglenook.kit.errors import BadInput, UpstreamFailed
from inglenook.kit.http.pool import HttpPool, Timeouts, Url
from inglenook.models.errors import KeyRefused
from inglenook.models.providers.refusals import error_of, message_of, read_refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
_HEADERS = b"content-type: application/x-www-form-urlencoded\r\nuser-agent: inglenook\r\n"
_TIMEOUTS = Timeouts(first_byte=30, idle=30)
#: Seconds a token is asked to last, and those before its end when it is used no more.
_LASTS, _MARGIN = 3600, 300


class _KeyFile(Struct):
    client_email: str
    private_key: str
    private_key_id: str = ""
    project_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"


class _Granted(Struct):
    access_token: str
    expires_in: float = _LASTS


class ServiceAccount:
    """One account.

    Args:
        key_file: The JSON file that Google's console gives out for a key.

    Raises:
        BadInput: it is no such file.
    """

    def __init__(self, key_file: str, http: HttpPool) -> None:
        try:
            self._file = msgspec.json.decode(key_file.encode(), type=_KeyFile)
        except (msgspec.DecodeError, UnicodeError):
            raise BadInput(
                "settings.service_account must be the JSON file of a service account's key, with client_email and "
                "private_key in it",
                field="settings.service_account",
            ) from None
        self._key = _private_key(self._file.private_key)
        self._url = Url.parse(self._file.token_uri)
        self._http = http
        self._token = ""
        self._until = 0.0
        self._asking = asyncio.Lock()

    @property
    def project(self) -> str:
        """The project it belongs to."""
        return self._file.project_id

    async def token(self) -> str:
        """A token that is good for some minutes at least. Who asks while another asks gets the same.

        Raises:
            KeyRefused: Google does not take the key.
            UpstreamFailed, …: it cannot be asked.
        """
        if monotonic() < self._until:
            return self._token
        async with self._asking:
            if monotonic() >= self._until:
                granted = await self._ask()
                self._token = granted.access_token
                self._until = monotonic() + max(0.0, granted.expires_in - _MARGIN)
        return self._token

    def forget(self, token: str) -> None:
        """It was refused: get another one next time."""
        if token == self._token:
            self._until = 0.0

    async def _ask(self) -> _Granted:
        body = (_GRANT + self._assertion(int(time()))).encode()
        response = await self._http.request("POST", self._url, _HEADERS, body, timeouts=_TIMEOUTS, trusted=True)
        async with response:
            answer = await response.read(256 * 1024)
        if response.status != 200:
            raise self._refused(response.status, answer)
        try:
            return msgspec.json.decode(answer, type=_Granted)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise UpstreamFailed(f"{self._url.origin}{self._url.target} did not answer with a token") from None

    def _refused(self, status: int, answer: bytes) -> Exception:
        try:
            said: Any = orjson.loads(answer)
        except orjson.JSONDecodeError:
            said = {}
        if status in (400, 401, 403):
            why = said.get("error_description") if isinstance(said, dict) else None
            return KeyRefused(f"Google does not take the service account's key: {message_of(why or said)}")
        return error_of(status, read_refusal(said))

    def _assertion(self, now: int) -> str:
        """A JSON web token (RFC 7523) that says who we are, signed with the account's key."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - heavy, loaded by now
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

        head = {"alg": "RS256", "typ": "JWT", "kid": self._file.private_key_id}
        claims = {
            "iss": self._file.client_email,
            "scope": _SCOPE,
            "aud": self._file.token_uri,
            "iat": now,
            "exp": now + _LASTS,
        }
        signed = f"{_encoded(orjson.dumps(head))}.{_encoded(orjson.dumps(claims))}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _private_key(pem: str) -> "RSAPrivateKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - heavy
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise BadInput(
            "settings.service_account: its private_key is no RSA key in PEM form", field="settings.service_account"
        )
    return key


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
