"""Making pictures, in OpenAI's shape: `/v1/images/generations`."""

import time
from functools import partial
from typing import Any, Literal

import orjson
from msgspec import Struct

from inglenook.gateway.call import Call
from inglenook.gateway.faces.answering import give, never, with_notices
from inglenook.gateway.faces.asking import asker, flag, json_body, model_named, read_as, wish, without_nulls
from inglenook.gateway.faces.openai_answers import broken, render_error
from inglenook.gateway.gateway import Gateway
from inglenook.gateway.wire.routes import WireRequest, WireResponse, WireRoute
from inglenook.kit.errors import BadInput
from inglenook.models.calls import (
    Event,
    GeneratedImage,
    ImageRequest,
    Images,
    Notice,
    Operation,
    Passthrough,
    Routed,
    Usage,
)

_MOST = 10


class _Body(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is asked of a picture; the last group says nothing about it."""

    model: str
    prompt: str
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: Literal[False] = False
    partial_images: Literal[0] = 0

    moderation: Literal["auto"] = "auto"
    user: str | None = None


class ImagesFace:
    """Decodes requests for pictures and encodes them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[WireRoute]:
        """The face's routes."""
        path = "/v1/images/generations"
        return [WireRoute("POST", path, self._generate, needs="use model", render_error=render_error)]

    async def _generate(self, request: WireRequest, response: WireResponse) -> None:
        principal = asker(self._gateway, request)
        body = await json_body(request)
        if not isinstance(body.get("prompt"), str) or not body["prompt"]:
            raise BadInput("prompt: a description is required", field="prompt")
        stream = flag(body, "stream")
        call = Call(
            operation=Operation.IMAGE,
            model=model_named(body),
            decode=partial(_decode, body),
            stream=stream,
            passthrough=Passthrough("openai.images", body, stream),
            principal=principal,
            source="openai",
        )
        wish(request, call)
        await give(self._gateway, call, response, whole=_whole, stream=never, broken=broken)


def _decode(body: dict[str, Any]) -> ImageRequest:
    read = read_as(without_nulls(body), _Body)
    if read.n is not None and not 1 <= read.n <= _MOST:
        raise BadInput(f"n must be between 1 and {_MOST}, got {read.n}", field="n")
    return ImageRequest(
        prompt=read.prompt,
        n=read.n,
        size=read.size,
        quality=read.quality,
        style=read.style,
        background=read.background,
        output_format=read.output_format,
        response_format=read.response_format,
    )


def _whole(_: Routed, notices: list[Notice], events: list[Event]) -> bytes:
    found: dict[str, Any] = {"created": int(time.time()), "data": []}
    for event in events:
        if type(event) is Images:
            found["data"] = [_image(image) for image in event.images]
            found["output_format"] = event.media_type.removeprefix("image/")
        elif type(event) is Usage:
            found["usage"] = {
                "input_tokens": event.input,
                "input_tokens_details": {"text_tokens": event.input, "image_tokens": 0},
                "output_tokens": event.output,
                "total_tokens": event.input + event.output,
            }
    return orjson.dumps(with_notices(found, notices))


def _image(image: GeneratedImage) -> dict[str, Any]:
    values = {"b64_json": image.data, "url": image.url, "revised_prompt": image.revised_prompt}
    return without_nulls(values)
