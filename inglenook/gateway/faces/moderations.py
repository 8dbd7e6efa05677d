"""Moderation, in OpenAI's shape: `/v1/moderations`."""

from functools import partial
from typing import Any

import orjson
from msgspec import Struct

from inglenook.gateway.call import Call
from inglenook.gateway.faces.answering import give, never, with_notices
from inglenook.gateway.faces.asking import asker, json_body, model_named, read_as, wish, without_nulls
from inglenook.gateway.faces.openai_answers import broken, render_error
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput
from inglenook.models.calls import Event, ModerationRequest, Notice, Operation, Passthrough, Routed, Verdicts

#: What the protocol means where no model is named.
_USUAL = "omni-moderation-latest"


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    model: str
    input: str | list[Any]


class ModerationsFace:
    """Decodes what is to be judged and encodes the verdicts."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""
        return [WireRoute("POST", "/v1/moderations", self._judge, needs="use model", render_error=render_error)]

    async def _judge(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        if not body.get("input"):
            raise BadInput("input: text, or a list of texts or parts, is required", field="input")
        if body.get("model") is None:
            body["model"] = _USUAL
        call = Call(
            operation=Operation.MODERATION,
            model=model_named(body),
            decode=partial(_decode, body),
            stream=False,
            passthrough=Passthrough("openai.moderations", body, False),
            principal=principal,
            source="openai",
        )
        wish(request, call)

        def whole(routed: Routed, notices: list[Notice], events: list[Event]) -> bytes:
            results = [result for event in events if type(event) is Verdicts for result in event.results]
            found = {"id": f"modr-{call.id[5:]}", "model": routed.model, "results": results}
            return orjson.dumps(with_notices(found, notices))

        await give(self._gateway, call, response, whole=whole, stream=never, broken=broken)


def _decode(body: dict[str, Any]) -> ModerationRequest:
    read = read_as(without_nulls(body), _Body)
    return ModerationRequest(inputs=[read.input] if isinstance(read.input, str) else read.input)
