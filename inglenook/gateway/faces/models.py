"""`/v1/models`: the models a key may use, in OpenAI's shape, or in Anthropic's for who sends `anthropic-version`."""

from typing import Any

import orjson

from inglenook.gateway.faces import anthropic_answers, openai_answers
from inglenook.gateway.faces.asking import asker
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import Handler, WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput, InglenookError
from inglenook.kit.time import rfc3339
from inglenook.models.catalogue import Entry

_PAGE, _LONGEST_PAGE = 20, 1000
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


class ModelsFace:
    """Lists models."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""

        def route(path: str, handler: Handler) -> WireRoute:
            return WireRoute(
                "GET", path, _in_either(handler), needs="use model", render_error=openai_answers.render_error
            )

        return [route("/v1/models", self._list), route("/v1/models/{id:path}", self._one)]

    async def _list(self, request: WireRequest, response: WireResponse) -> None:
        entries = self._gateway.visible(asker(self._gateway, request))
        if _is_anthropics(request):
            chats = [entry for entry in entries if "completion" in entry.facts.capabilities]
            response.send(200, orjson.dumps(_page([_model_info(entry) for entry in chats], request.query)))
        else:
            response.send(200, orjson.dumps({"object": "list", "data": [_model_object(entry) for entry in entries]}))

    async def _one(self, request: WireRequest, response: WireResponse) -> None:
        entry = self._gateway.find(asker(self._gateway, request), request.params["id"])
        response.send(200, orjson.dumps(_model_info(entry) if _is_anthropics(request) else _model_object(entry)))


def _is_anthropics(request: WireRequest) -> bool:
    return b"anthropic-version" in request.headers


def _in_either(handler: Handler) -> Handler:
    """The handler, whose errors are told in the shape of who asks."""

    async def handle(request: WireRequest, response: WireResponse) -> None:
        try:
            await handler(request, response)
        except InglenookError as error:
            response.fail(error, anthropic_answers.render_error(error) if _is_anthropics(request) else None)

    return handle


# -------------------------------------------------------------------------------------------------- OpenAI's


def _model_object(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.name,
        "object": "model",
        "created": (entry.modified_at or 0) // 1000,
        "owned_by": "library" if entry.local else entry.provider_id,
    }


# ----------------------------------------------------------------------------------------------- Anthropic's


def _model_info(entry: Entry) -> dict[str, Any]:
    facts, details = entry.facts, entry.details
    return {
        "type": "model",
        "id": entry.name,
        "display_name": entry.name,
        "created_at": rfc3339(entry.modified_at or 0),
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
        "max_input_tokens": facts.context_length or details.context_length or None,
        "max_tokens": facts.output_length or None,
        "capabilities": _capabilities(facts.capabilities),
    }


def _capabilities(can: frozenset[str]) -> dict[str, Any]:
    """What this face can carry to the model; what only Anthropic's own servers do is not told."""
    no, thinks = {"supported": False}, {"supported": "thinking" in can}
    return {
        "batch": no,
        "citations": no,
        "code_execution": no,
        "context_management": no,
        "effort": {**thinks, **dict.fromkeys(_EFFORTS, thinks)},
        "image_input": {"supported": "vision" in can},
        "pdf_input": {"supported": "files" in can},
        "server_tools": {**no, "code_execution": no, "web_search": no},
        "structured_outputs": {"supported": True},
        "thinking": {
            **thinks,
            "types": {"adaptive": thinks, "enabled": thinks, "disabled": {"supported": True}, "between_tools": no},
        },
    }


def _page(models: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """A page of the list, as `limit`, `after_id` and `before_id` ask."""
    limit = _limit(query.get("limit", str(_PAGE)))
    places = {model["id"]: place for place, model in enumerate(models)}
    start, end = 0, len(models)
    if after := query.get("after_id"):
        start = places.get(after, -1) + 1
    if before := query.get("before_id"):
        end = places.get(before, len(models))
        shown = models[max(start, end - limit) : end]
        has_more = end - limit > start
    else:
        shown = models[start : start + limit]
        has_more = start + limit < end
    first, last = (shown[0]["id"], shown[-1]["id"]) if shown else (None, None)
    return {"data": shown, "has_more": has_more, "first_id": first, "last_id": last}


def _limit(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= _LONGEST_PAGE:
        raise BadInput(f"limit: must be between 1 and {_LONGEST_PAGE}, got {given!r}", field="limit")
    return int(given)
