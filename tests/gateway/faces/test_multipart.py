"""Forms, good and bad."""

import random

import httpx
import pytest

from inglenook.gateway.faces.multipart import FIELDS, HEAD, TEXT, read_form, text_fields
from inglenook.kit.errors import BadInput
from inglenook.models.calls import FormField

TYPE = b"multipart/form-data; boundary=XX"


def form(*parts: bytes, end: bytes = b"--XX--\r\n") -> bytes:
    return b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + end


def part(name: bytes, data: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="%b"%b\r\n\r\n%b' % (name, more, data)


def test_what_a_client_sends() -> None:
    sent = httpx.Request(
        "POST",
        "http://a.example",
        data={"model": "m", "list[]": ["a", "b"]},
        files={"file": ('we"ird\r\nname é.wav', b"\r\n--XX\0\xff--", "audio/wav")},
    )
    fields = read_form(sent.headers["content-type"].encode(), sent.read())
    file = fields.pop()
    assert (file.name, file.data, file.content_type) == ("file", b"\r\n--XX\0\xff--", "audio/wav")
    assert file.file_name == 'we"ird\r\nname é.wav'
    assert fields == [FormField("model", b"m"), FormField("list[]", b"a"), FormField("list[]", b"b")]
    assert text_fields(fields) == {"model": "m", "list[]": ["a", "b"]}


@pytest.mark.parametrize(
    "content_type",
    [
        TYPE,
        b'multipart/form-data; boundary="XX"',
        b"Multipart/Form-Data;boundary=XX ",
    ],
)
def test_boundaries(content_type: bytes) -> None:
    assert read_form(content_type, form(part(b"a", b"1"))) == [FormField("a", b"1")]


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"multipart/mixed; boundary=XX",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=" + b"X" * 71,
        b"multipart/form-data; boundary=XX; boundary=YY",
        b'multipart/form-data; boundary="X\xffX"',
        b'multipart/form-data; boundary="XX "',
    ],
)
def test_types_that_are_no_form(content_type: bytes) -> None:
    with pytest.raises(BadInput, match="must be a form"):
        read_form(content_type, form(part(b"a", b"1")))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "begin"),
        (b"--XX--\r\n", "begin"),
        (b"preamble\r\n" + form(part(b"a", b"1")), "begin"),
        (form(part(b"a", b"1"), end=b""), "end"),
        (form(part(b"a", b"1"), end=b"--XX"), "goes on"),
        (form(part(b"a", b"1"), end=b"--XXX--"), "goes on"),
        (form(part(b"a", b"1"), end=b"--XX--\r\nmore"), "follows"),
        (form(b"no head"), "no head"),
        (form(b"Content-Disposition: form-data; name=a" + b"x" * HEAD + b"\r\n\r\n1"), "no head"),
        (form(b"\r\n\r\n1"), "line"),
        (form(b"Content-Type: text/plain\r\n\r\n1"), "name"),
        (form(b'Content-Disposition: attachment; name="a"\r\n\r\n1'), "name"),
        (form(b"Content-Disposition: form-data\r\n\r\n1"), "name"),
        (form(b'Content-Disposition: form-data; name=""\r\n\r\n1'), "name"),
        (form(b'Content-Disposition: form-data; name="a"; name="b"\r\n\r\n1'), "name"),
        (form(b'Content-Disposition: form-data; name="a" x\r\n\r\n1'), "name"),
        (form(part(b"a", b"1").replace(b"\r\n\r\n", b"\r\nContent-Disposition: form-data\r\n\r\n")), "two lines"),
        (form(part(b"a", b"1").replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n")), "encoding"),
        (form(part(b"a", b"1").replace(b"\r\n\r\n", b"\r\n folded\r\n\r\n")), "line"),
        (form(part(b"\xff", b"1")), "UTF-8"),
        (form(part(b"a", b"x" * (TEXT + 1))), "longer"),
        (form(*[part(b"a", b"1")] * (FIELDS + 1)), "more than"),
    ],
)
def test_forms_that_are_refused(body: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_form(TYPE, body)


def test_text_must_be_text_and_there_once() -> None:
    with pytest.raises(BadInput, match="UTF-8"):
        text_fields([FormField("a", b"\xff")])
    with pytest.raises(BadInput, match="twice"):
        text_fields([FormField("a", b"1"), FormField("a", b"2")])


def test_no_bytes_make_it_fail_otherwise() -> None:
    rng = random.Random(7)
    pieces = [
        b"--XX",
        b"\r\n",
        b"--",
        b"Content-Disposition: form-data; name=",
        b'"a"',
        b";",
        b"\0",
        b"\xff",
        b": ",
        b"x",
    ]
    for _ in range(5000):
        body = b"--XX\r\n" + b"".join(rng.choice(pieces) for _ in range(rng.randrange(30)))
        try:
            read_form(TYPE, body)
        except BadInput:
            continue
