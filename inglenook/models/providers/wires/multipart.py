"""Writing multipart forms."""

import secrets
from collections.abc import Iterable

from inglenook.models.calls import FormField

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def encoded(fields: Iterable[FormField]) -> tuple[str, bytes]:
    """The content type of a form of these fields, and its bytes. Names are escaped as browsers do."""
    boundary = f"inglenook-{secrets.token_hex(16)}"
    parts = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary.encode(), _head(field).encode(), field.data) for field in fields]
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, b"--%b--\r\n" % boundary.encode()])


def _head(field: FormField) -> str:
    head = f'content-disposition: form-data; name="{field.name.translate(_ESCAPES)}"'
    kind = field.content_type
    if field.file_name is not None:
        head += f'; filename="{field.file_name.translate(_ESCAPES)}"'
        kind = kind or "application/octet-stream"
    return f"{head}\r\ncontent-type: {kind.translate(_ESCAPES)}" if kind else head
