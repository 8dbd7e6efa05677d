"""Our own token count, for calls whose provider did not tell: a quarter of the text's UTF-8 bytes.

That is near what common tokenizers make of English (about four letters a token) and of Chinese (three bytes a
character, about three quarters of a token). What is estimated is marked so in the ledger.
"""

from typing import Any

import orjson

from inglenook.gateway.call import Exchange
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    Prompt,
    Request,
    RerankRequest,
    TextPart,
)

_BYTES_PER_TOKEN = 4
#: What a message costs beyond its text.
_PER_MESSAGE = 4
#: What an image is taken for, and how many characters of a file make one more token.
_PER_IMAGE, _OF_FILE = 768, 1000
#: Text that is shorter is no file, whatever it is called.
_SHORT = 1000
_FILE_PREFIX, _FILE_FIELDS = "data:", frozenset({"data", "file_data", "b64_json"})
#: Of an answer that is cut: how many tokens are on their way, and what part of our count tokenizers differ by.
_ON_THE_WAY, _MORE = 32, 4
#: Tokens that are made in a second at most, or nearly.
_TOKENS_A_SECOND = 200
#: Fields of the bodies of OpenAI's, Anthropic's and rerank protocols that are a part of the prompt.
_PROMPT_FIELDS = frozenset(
    {
        "messages",
        "prompt",
        "suffix",
        "input",
        "instructions",
        "system",
        "tools",
        "functions",
        "query",
        "documents",
    }
)
_LIMIT_FIELDS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


def tokens(size: int) -> int:
    """Tokens of a text of `size` UTF-8 bytes."""
    return -(-size // _BYTES_PER_TOKEN)


def prompt_tokens(exchange: Exchange) -> int:
    """Tokens the prompt of a call is about to bring: counted once, when somebody first wants to know."""
    counted = exchange.prompt_tokens
    if counted < 0:
        call = exchange.call
        counted = body_tokens(call.passthrough.body) if call.passthrough else request_tokens(call.decode())
        exchange.prompt_tokens = counted
    return counted


def answer_limit(exchange: Exchange) -> int | None:
    """Tokens the caller lets an answer have at most; None: it set no limit."""
    call = exchange.call
    if call.passthrough is not None:
        body = call.passthrough.body
        for name in _LIMIT_FIELDS:
            if type(limit := body.get(name)) is int:
                return limit
        return None
    request = call.decode()
    return request.sampling.max_tokens if isinstance(request, ChatRequest | CompletionRequest) else None


def cut_answer(exchange: Exchange, counted: int) -> int:
    """Tokens a provider is taken to bill for an answer that was left or broke, of which `counted` came.

    Of a bought answer some more may have been made than reached us; of one that was to come whole, all that can be made
    in the time. It is never more than the answer could have.
    """
    if exchange.target.prices is None:
        return counted
    tokens = counted + counted // _MORE + _ON_THE_WAY
    if not exchange.call.stream and not counted:
        seconds = (exchange.ended_at - exchange.started_at) / 1000
        tokens += int(seconds * _TOKENS_A_SECOND)
    limits = (answer_limit(exchange), exchange.answer_cap, exchange.target.facts.output_length)
    return min([tokens, *(limit for limit in limits if limit)])


def request_tokens(request: Request) -> int:
    """Tokens a request brings to the model."""
    if isinstance(request, CompletionRequest):
        prompts = sum(_prompt_tokens(prompt) for prompt in (request.prompt, *request.others))
        return prompts + tokens(len((request.suffix or "").encode()))
    if isinstance(request, EmbeddingRequest):
        return sum(tokens(len(text.encode())) for text in request.inputs)
    if isinstance(request, RerankRequest):
        return sum(tokens(len((request.query + text).encode())) for text in request.documents)
    if not isinstance(request, ChatRequest):
        return 0  # priced by what comes out
    total = tokens(sum(len(orjson.dumps(tool.parameters)) + len(tool.description) for tool in request.tools))
    for message in request.messages:
        calls = sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
        total += _PER_MESSAGE + tokens(len(message.text.encode()) + calls)
        if not isinstance(message.content, str):
            total += _PER_IMAGE * sum(not isinstance(part, TextPart) for part in message.content)
    return total


def _prompt_tokens(prompt: Prompt) -> int:
    return tokens(len(prompt.encode())) if isinstance(prompt, str) else len(prompt)


def body_tokens(body: dict[str, Any]) -> int:
    """Tokens the prompt in a body of OpenAI's, Anthropic's or a rerank protocol brings."""
    size = 0
    for name, value in body.items():
        if name in _PROMPT_FIELDS:
            size += _size(value)
    return tokens(size)


def _size(value: Any) -> int:
    """UTF-8 bytes of all the text in a value; files count as some."""
    kind = type(value)
    if kind is str:
        return _text_size("", value)
    size = 0
    if kind is dict:
        for name, item in value.items():
            if type(item) is not str:
                size += _size(item)
            elif len(item) < _SHORT and item.isascii():
                size += len(item)  # nearly every one
            else:
                size += _text_size(name, item)
    elif kind is list:
        for item in value:
            size += _size(item)
    elif kind is int:
        size = _BYTES_PER_TOKEN
    return size


def _text_size(name: str, text: str) -> int:
    if len(text) >= _SHORT and (name in _FILE_FIELDS or text.startswith(_FILE_PREFIX)):
        return (_PER_IMAGE + len(text) // _OF_FILE) * _BYTES_PER_TOKEN
    return len(text) if text.isascii() else len(text.encode())
