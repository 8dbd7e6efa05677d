"""Talking HTTP to the process of a lease."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec

from inglenook.kit.carried import carried
from inglenook.kit.errors import InglenookError, UpstreamFailed, UpstreamTimeout
from inglenook.kit.http.pool import HttpPool, Response, Timeouts, Url
from inglenook.models.calls import ChatRequest, Message
from inglenook.models.engine.resident import Lease
from inglenook.models.engine.wire import chat_body, error_of

#: Seconds without an answer's first byte after which we look whether the child still works on it.
HANG_CHECK = 20.0
#: Seconds after which a child that says nothing at all is given up: more than a batch of a prompt takes on any machine
#: that is of use. An input that keeps llama.cpp busy for ever is silent, and keeps everybody else waiting.
SILENCE = 300.0

#: The child is our own and may have long prompts before ours: patience, with `HANG_CHECK` on watch.
_TIMEOUTS = Timeouts(connect=5, first_byte=3600, idle=600)


class Channel:
    """One call's way to its child."""

    def __init__(self, http: HttpPool, lease: Lease) -> None:
        self.lease = lease
        self._http = http
        self._headers = [
            (b"authorization", f"Bearer {lease.child.api_key}".encode()),
            (b"content-type", b"application/json"),
            # llama.cpp keeps a thread with each open connection, and closes idle ones without a word.
            (b"connection", b"close"),
            *carried.get(),
        ]

    async def post(self, path: str, body: dict[str, Any]) -> Response:
        """Post and wait for a good answer's head.

        Raises:
            InglenookError: as the child refused, or `UpstreamFailed` if it ended or hangs (it is then ended).
        """
        url = Url.parse(self.lease.child.origin + path)
        request = asyncio.ensure_future(
            self._http.request("POST", url, self._headers, msgspec.json.encode(body), timeouts=_TIMEOUTS, trusted=True)
        )
        try:
            response = await self._watched(request)
        except UpstreamFailed as error:
            raise await self.lost(error) from error
        except asyncio.CancelledError:
            if not request.cancel() and not request.exception():
                request.result().close()  # it came in the very moment the caller left
            raise
        if response.status != 200:
            async with response:
                raise error_of(response.status, await response.read(1 << 20), self.lease.source.name)
        return response

    async def ask(self, path: str, body: dict[str, Any]) -> Any:
        """Post and read the JSON of the answer."""
        async with await self.post(path, body) as response:
            try:
                return msgspec.json.decode(await response.read())
            except UpstreamFailed as error:
                raise await self.lost(error) from error

    async def render(self, request: ChatRequest, messages: list[Message]) -> str:
        """The prompt of a chat."""
        body = chat_body(request, messages, {}, context=self.lease.context)
        return str((await self.ask("/apply-template", body))["prompt"])

    async def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """The tokens of a text; `special` adds the beginning-of-text token, where the model has one."""
        body = {"content": text, "add_special": special, "parse_special": True}
        return list((await self.ask("/tokenize", body))["tokens"])

    async def lost(self, error: Exception) -> InglenookError:
        """What to tell a caller whose call failed in transport."""
        if isinstance(error, UpstreamTimeout):
            return error
        return await self.lease.child.failure(str(error))

    async def _watched(self, request: "asyncio.Future[Response]") -> Response:
        """Wait for the head; look every now and then whether the child still works on anything of ours."""
        suspicions = 0
        name, instance = self.lease.source.name, self.lease.instance
        instance.awaited += 1
        try:
            while True:
                if instance.silent_since is None:
                    instance.silent_since = time.monotonic()
                done, _ = await asyncio.wait({request}, timeout=HANG_CHECK)
                if done:
                    instance.heard()
                    return request.result()
                suspicions = suspicions + 1 if await self._seems_stuck() else 0
                if suspicions >= 2:
                    await self.lease.child.stop()
                    raise UpstreamTimeout(
                        f"model {name} began no answer in {2 * HANG_CHECK:g} s without working on one; its chat "
                        "template, or the schema of the answer, may not come to an end; its process was ended"
                    )
                if instance.silent_since and time.monotonic() - instance.silent_since > SILENCE:
                    await self.lease.child.stop()
                    raise UpstreamTimeout(
                        f"model {name} gave no sign of life for {SILENCE:g} s; an input may keep it busy for ever; "
                        "its process was ended, the next call loads it again"
                    )
        finally:
            instance.awaited -= 1

    async def _seems_stuck(self) -> bool:
        """Whether fewer slots work than answers are waited for: one of them hangs before its slot. Beside answers that
        are being written this may go unseen for as long. A child too busy with a long prompt to say so is not stuck."""
        url = Url.parse(self.lease.child.origin + "/slots")
        brief = Timeouts(connect=5, first_byte=HANG_CHECK, idle=HANG_CHECK)
        with suppress(UpstreamFailed, msgspec.MsgspecError):
            async with await self._http.request("GET", url, self._headers, timeouts=brief, trusted=True) as response:
                slots = msgspec.json.decode(await response.read(1 << 20))
                self.lease.instance.heard()
                if response.status == 200 and isinstance(slots, list):
                    working = sum(slot.get("is_processing", False) for slot in slots)
                    return bool(working < min(self.lease.instance.awaited, len(slots)))
        return False
