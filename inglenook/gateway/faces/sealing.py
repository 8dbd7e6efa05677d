"""Signatures of tool calls, carried in the calls' ids.

Some providers sign the thought behind a tool call and want the signature back with the call's result. No protocol but
theirs has a place for it, and clients drop fields they do not know; an id comes back as it is, always.
"""

import base64
import binascii

from inglenook.models.calls import ToolCall

_MARK = "__sig__"


def sealed(call_id: str, signature: str | None) -> str:
    """The id to show a client: of letters, digits, `_` and `-` as far as the provider's own is."""
    if signature is None:
        return call_id
    return call_id + _MARK + base64.urlsafe_b64encode(signature.encode()).rstrip(b"=").decode()


def unsealed(call_id: str) -> tuple[str, str | None]:
    """The provider's id and the signature, of an id that a client sent back."""
    own, mark, seal = call_id.partition(_MARK)
    if not mark:
        return call_id, None
    try:
        return own, base64.b64decode(seal + "=" * (-len(seal) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return call_id, None


def tool_call(call_id: str, name: str, arguments: str) -> ToolCall:
    """A tool call that a client sent back."""
    own, signature = unsealed(call_id)
    return ToolCall(id=own, name=name, arguments=arguments, signature=signature)
