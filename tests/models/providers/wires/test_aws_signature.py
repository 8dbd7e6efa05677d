"""AWS's own examples of signatures (its test suite for version 4, and the example of IAM in its reference)."""

from datetime import UTC, datetime, timedelta

import pytest

from inglenook.models.providers.wires.aws_signature import Credentials, Signer

AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "signature"),
    [
        ("GET", "/", b"", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", b"", {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            *("GET", "/?Param2=value2&Param1=value1", b"", {}),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            *("POST", "/", b"Param1=value1", {"Content-Type": FORM}),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            *("GET", "/", b"", {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ],
)
def test_the_suite(method: str, target: str, body: bytes, headers: dict[str, str], signature: str) -> None:
    signed = Signer(CREDENTIALS, "us-east-1", "service").headers(
        method, "example.amazonaws.com", target, body, headers, AT
    )
    names = ";".join(sorted({"host", "x-amz-date", *(name.lower() for name in headers)}))
    assert signed["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert signed["x-amz-date"] == "20150830T123600Z"
    assert "host" not in signed


def test_the_reference() -> None:
    signed = Signer(CREDENTIALS, "us-east-1", "iam").headers(
        "GET",
        "iam.amazonaws.com",
        "/?Action=ListUsers&Version=2010-05-08",
        b"",
        {"Content-Type": f"{FORM}; charset=utf-8"},
        AT,
    )
    signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert signed["authorization"].endswith(f"SignedHeaders=content-type;host;x-amz-date, Signature={signature}")


def test_a_session_and_a_path_with_escapes() -> None:
    """As Amazon's own library for Python signs it."""
    signed = Signer(
        Credentials(CREDENTIALS.access_key, CREDENTIALS.secret_key, "TOKEN"), "us-east-1", "service"
    ).headers(
        "POST",
        "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream",
        b'{"a":1}',
        {"content-type": "application/json"},
        AT,
    )
    assert signed["authorization"].endswith("669ca53501fd88ab4d3232dd83a0a71510b6e3eb03a232d5bfb2f35c1a297051")
    assert signed["x-amz-security-token"] == "TOKEN"


def test_the_key_of_a_day_is_not_used_on_another() -> None:
    one = Signer(CREDENTIALS, "us-east-1", "service")
    one.headers("GET", "h", "/", b"", {}, AT)
    later = AT + timedelta(days=1)
    fresh = Signer(CREDENTIALS, "us-east-1", "service").headers("GET", "h", "/", b"", {}, later)
    assert one.headers("GET", "h", "/", b"", {}, later) == fresh
