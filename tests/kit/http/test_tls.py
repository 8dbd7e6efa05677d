"""TLS to an upstream whose certificate names `model.example`."""

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inglenook.kit.errors import UpstreamFailed
from inglenook.kit.http.guard import AddressGuard
from inglenook.kit.http.outbound import Outbound
from inglenook.kit.http.pool import HttpPool, Url
from tests.support.scripted import Talk, Upstream, answer, hello


async def resolver(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


GUARD = AddressGuard(["model.example", "other.example"], resolver=resolver)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For the server, and for a client that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "model.example")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("model.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem: Path = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


@pytest.fixture
async def upstream(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Upstream]:
    async with Upstream(contexts[0]) as upstream:
        yield upstream


@pytest.fixture
async def pool(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[HttpPool]:
    pool = HttpPool(guard=GUARD, tls=contexts[1])
    yield pool
    await pool.close()


def url(upstream: Upstream, host: str = "model.example") -> Url:
    return Url.parse(f"https://{host}:{upstream.port}/")


async def test_requests_over_one_connection(pool: HttpPool, upstream: Upstream) -> None:
    upstream.then(hello)
    for _ in range(3):
        assert await (await pool.request("POST", url(upstream), (), b"you")).read() == b"hello you"
    assert upstream.connections == 1


async def test_a_certificate_for_another_name_is_refused(pool: HttpPool, upstream: Upstream) -> None:
    upstream.then(hello)
    with pytest.raises(UpstreamFailed, match=r"certificate is not valid.*other\.example"):
        await pool.request("GET", url(upstream, "other.example"))


async def test_an_unknown_authority_is_refused(upstream: Upstream) -> None:
    upstream.then(hello)
    pool = HttpPool(guard=GUARD)
    with pytest.raises(UpstreamFailed, match="certificate is not valid: self-signed"):
        await pool.request("GET", url(upstream))
    await pool.close()


async def test_plain_where_tls_is_expected(pool: HttpPool) -> None:
    async def puzzled(talk: Talk) -> None:
        await talk.say(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await talk.gone()

    async with Upstream() as plain:
        plain.then(puzzled)
        with pytest.raises(UpstreamFailed, match="TLS failed"):
            await pool.request("GET", url(plain))


async def test_a_dead_connection_is_replaced(pool: HttpPool, upstream: Upstream) -> None:
    async def first(talk: Talk) -> None:
        await talk.request()
        await talk.say(answer(b"first"))
        await talk.request()

    upstream.then(first, hello)
    await (await pool.request("GET", url(upstream))).read()
    assert await (await pool.request("GET", url(upstream))).read() == b"hello "


async def test_the_other_client_too(upstream: Upstream, contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    upstream.then(hello)
    trusting, strict = Outbound(guard=GUARD, tls=contexts[1]), Outbound(guard=GUARD)
    got = await trusting.fetch("GET", f"https://model.example:{upstream.port}/")
    assert got.body == b"hello "
    with pytest.raises(UpstreamFailed, match="CERTIFICATE_VERIFY_FAILED"):
        await strict.fetch("GET", f"https://model.example:{upstream.port}/")
    with pytest.raises(UpstreamFailed, match="CERTIFICATE_VERIFY_FAILED"):
        await trusting.fetch("GET", f"https://other.example:{upstream.port}/")
    await trusting.close()
    await strict.close()
