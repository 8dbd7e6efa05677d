"""What every translation to another protocol has to say no to, and how requests are read for it."""

import re
from collections.abc import Iterable
from typing import Any

import orjson

from inglenook.kit.errors import BadInput
from inglenook.models.calls import ChatRequest, LocalOptions, Message, Sampling, TextPart, ToolCall, Usage
from inglenook.models.errors import CannotCarry

#: What a sampling field may be without saying anything.
_NEUTRAL: dict[str, Any] = {
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "repeat_penalty": 1,
    "typical_p": 1,
    "min_p": 0,
    "top_k": 0,
    "logprobs": False,
    "n": 1,
    "logit_bias": {},
    "stop": [],
}
_SAMPLING = tuple(field for field in Sampling.__struct_fields__)
_ID = re.compile(r"[^a-zA-Z0-9_-]")


def refuse(field: str, model: str, why: str = "its provider does not know it") -> CannotCarry:
    """The error for a field that has no place in the protocol of the model's provider."""
    return CannotCarry(f"field '{field}' cannot be carried to model '{model}': {why}; leave it out", field=field)


def check_sampling(
    sampling: Sampling, model: str, known: Iterable[str], why: str = "its provider does not know it"
) -> None:
    """Return if every field that is set is one of `known`. Values that change nothing (`n` 1, penalties of 0) are not
    counted as set; `top_logprobs` goes with `logprobs`.

    Raises:
        CannotCarry: another one is set.
    """
    for name in _SAMPLING:
        value = getattr(sampling, name)
        if value is None or name in known or value == _NEUTRAL.get(name):
            continue
        if name == "top_logprobs" and not sampling.logprobs:
            continue
        raise refuse(name, model, why)


def check_local(local: LocalOptions) -> None:
    """Return if nothing is asked that only models run here can do. `keep_alive` asks for nothing that a model elsewhere
    lacks, and a prompt that is too long is refused there anyway.

    Raises:
        CannotCarry: `num_ctx` or `context` is set.
    """
    for name, value in (("num_ctx", local.num_ctx), ("context", local.context)):
        if value is not None:
            raise CannotCarry(
                f"field '{name}' cannot be carried: this model does not run here; leave it out", field=name
            )


def chosen_tool(request: ChatRequest) -> str | None:
    """The name of the one tool that must be called, if the request chooses one.

    Raises:
        BadInput: the choice has no name.
    """
    choice = request.tool_choice
    if not isinstance(choice, dict):
        return None
    name = choice.get("name") or (choice.get("function") or {}).get("name")
    if not isinstance(name, str) or not name:
        raise BadInput('tool_choice must be none, auto, required or {"name": …}', field="tool_choice")
    return name


def arguments_of(call: ToolCall, where: str) -> dict[str, Any]:
    """The arguments of an earlier tool call, for protocols that want an object rather than text.

    Raises:
        BadInput: they are no JSON object.
    """
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{where}: the arguments of {call.name} are not JSON: {error}", field=where) from None
    if not isinstance(arguments, dict):
        raise BadInput(f"{where}: the arguments of {call.name} must be a JSON object", field=where)
    return arguments


def call_id(name: str) -> str:
    """A tool call's id in letters that every protocol takes; other providers' ids may have any."""
    return _ID.sub("_", name)


def only_text(message: Message, where: str, model: str) -> str:
    """The message's text.

    Raises:
        CannotCarry: it has parts that are none.
    """
    if not isinstance(message.content, str):
        for number, part in enumerate(message.content):
            if not isinstance(part, TextPart):
                raise refuse(f"{where}.content[{number}]", model, f"a {message.role} message can hold text only")
    return message.text


def total(usages: Iterable[Usage]) -> Usage:
    """What several requests of one call used."""
    sum_ = Usage()
    for usage in usages:
        for name in Usage.__struct_fields__:
            setattr(sum_, name, (getattr(sum_, name) or 0) + (getattr(usage, name) or 0))
    sum_.estimated = bool(sum_.estimated)
    sum_.cost = sum_.cost or None
    return sum_


def schema_of(parameters: dict[str, Any]) -> dict[str, Any]:
    """A tool's parameters as the schema of an object, which some protocols insist on."""
    return {"properties": {}, **parameters, "type": "object"} if parameters.get("type") != "object" else parameters
