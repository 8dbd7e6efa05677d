"""Reading multipart forms (RFC 7578), of which the bytes are already here. Strict: what can be read in two ways, or is
larger than a form of an API has a reason to be, is refused."""

import re
from urllib.parse import unquote

from inglenook.kit.errors import BadInput
from inglenook.models.calls import FormField

#: Fields of a form, bytes of one field's head, and bytes of one that is no file, at most.
FIELDS, HEAD, TEXT = 100, 4096, 1024 * 1024

_BOUNDARY = re.compile(rb'multipart/form-data\s*;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))\s*', re.IGNORECASE)
_BOUNDARY_LETTERS = re.compile(rb"[A-Za-z0-9'()+_,./:=? -]*[A-Za-z0-9'()+_,./:=?-]")
_PARAMETER = re.compile(r';\s*([\w!#$%&+^`|~.*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))\s*')
_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


def read_form(content_type: bytes, body: bytes) -> list[FormField]:
    """The fields of a form, in their order.

    Raises:
        BadInput: it is none, or has too many or too large fields.
    """
    delimiter = b"--" + _boundary(content_type)
    if not body.startswith(delimiter + b"\r\n"):
        raise BadInput("the form does not begin with its boundary")
    fields: list[FormField] = []
    at = len(delimiter) + 2
    while True:
        end = body.find(b"\r\n" + delimiter, at)
        if end < 0:
            raise BadInput("the form does not end with its boundary")
        if len(fields) == FIELDS:
            raise BadInput(f"the form has more than {FIELDS} fields")
        fields.append(_field(body, at, end))
        at = end + 2 + len(delimiter)
        if body[at : at + 2] == b"\r\n":
            at += 2
        elif body[at : at + 2] == b"--":
            if body[at + 2 :] not in (b"", b"\r\n"):
                raise BadInput("something follows the end of the form")
            return fields
        else:
            raise BadInput("a line of the form begins with its boundary and goes on")


def text_fields(fields: list[FormField]) -> dict[str, str | list[str]]:
    """The fields that are no files, as text; those whose name ends in `[]` as lists.

    Raises:
        BadInput: one is no UTF-8, or is there twice.
    """
    found: dict[str, str | list[str]] = {}
    for field in fields:
        if field.file_name is not None:
            continue
        try:
            text = field.data.decode()
        except UnicodeDecodeError:
            raise BadInput(f"{field.name}: must be text in UTF-8", field=field.name) from None
        if field.name.endswith("[]"):
            values = found.setdefault(field.name, [])
            assert isinstance(values, list)
            values.append(text)
        elif field.name in found:
            raise BadInput(f"{field.name}: is there twice", field=field.name)
        else:
            found[field.name] = text
    return found


def _boundary(content_type: bytes) -> bytes:
    match = _BOUNDARY.fullmatch(content_type.strip())
    boundary: bytes | None = (match[1] or match[2]) if match else None
    if boundary is None or not _BOUNDARY_LETTERS.fullmatch(boundary):
        raise BadInput("the body must be a form: multipart/form-data with its boundary")
    return boundary


def _field(body: bytes, start: int, end: int) -> FormField:
    split = body.find(b"\r\n\r\n", start, min(end + 4, start + HEAD))
    if split < 0:
        raise BadInput(f"a field of the form has no head, or one of more than {HEAD} bytes")
    disposition = content_type = None
    try:
        lines = body[start:split].decode().split("\r\n")
    except UnicodeDecodeError:
        raise BadInput("the head of a field of the form must be UTF-8") from None
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or "\n" in line or "\r" in line:
            raise BadInput(f"{line[:60]!r} is no line of a field's head")
        match name.lower():
            case "content-disposition" if disposition is None:
                disposition = value.strip()
            case "content-type" if content_type is None:
                content_type = value.strip()
            case "content-disposition" | "content-type":
                raise BadInput(f"a field of the form has two lines {name}")
            case "content-transfer-encoding" if value.strip().lower() not in ("binary", "8bit", "7bit"):
                raise BadInput("fields of a form must be sent as they are, without a transfer encoding")
    field = _described(disposition or "", content_type)
    field.data = body[split + 4 : end]
    if field.file_name is None and len(field.data) > TEXT:
        raise BadInput(f"{field.name}: is longer than {TEXT} bytes", field=field.name)
    return field


def _described(disposition: str, content_type: str | None) -> FormField:
    kind, semicolon, rest = disposition.partition(";")
    parameters: dict[str, str] = {}
    at, given = 0, semicolon + rest
    while at < len(given):
        match = _PARAMETER.match(given, at)
        if match is None or match[1].lower() in parameters:
            raise BadInput(f"{disposition[:80]!r} does not name a field of the form")
        quoted = match[2]
        value = match[3] if quoted is None else _unescaped(quoted)
        parameters[match[1].lower()] = value
        at = match.end()
    name = parameters.get("name")
    if kind.strip().lower() != "form-data" or not name:
        raise BadInput(f"{disposition[:80]!r} does not name a field of the form")
    file_name = parameters.get("filename")
    if (extended := parameters.get("filename*")) is not None and extended.lower().startswith("utf-8''"):
        file_name = unquote(extended[7:])
    return FormField(name, b"", file_name, content_type)


def _unescaped(quoted: str) -> str:
    for escape, letter in _ESCAPES.items():
        quoted = quoted.replace(escape, letter)
    return re.sub(r"\\(.)", r"\1", quoted)
