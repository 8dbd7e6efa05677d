"""What a prompt is on its way: the request a provider is asked, and the events it answers with.

Everything meets here: faces decode their protocol into these requests and encode these events, providers do the
opposite, and steps look on. A request in a protocol that the chosen provider speaks itself is not translated: the
provider gets the caller's own body (`Passthrough`) and answers with `RawHead` and `Raw` events.

No accounts in this file: providers do not know who asks.
"""

from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, field


class Operation(StrEnum):
    """What is asked of a model."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"


# ------------------------------------------------------------------------------------------------ requests


class TextPart(Struct, tag_field="type", tag="text"):
    """A piece of text in a message."""

    text: str


class ImagePart(Struct, tag_field="type", tag="image"):
    """An image in a message: `data` is base64 of a file of `media_type`."""

    media_type: str
    data: str


Part = TextPart | ImagePart


class ToolCall(Struct):
    """A call the model wants made; `arguments` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


class Message(Struct, omit_defaults=True):
    """One message of a prompt."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] = ""
    reasoning: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The message's text, its parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class ToolSpec(Struct, omit_defaults=True):
    """A tool the model may call; `parameters` is a JSON schema."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    strict: bool | None = None


class Sampling(Struct, omit_defaults=True, kw_only=True):
    """How tokens are chosen and when to stop. None: the model's or provider's default."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    typical_p: float | None = None
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: int | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    n: int | None = None
    logit_bias: dict[str, float] | None = None


class ResponseFormat(Struct, omit_defaults=True):
    """Structured output: any JSON object, or JSON that fits `schema`."""

    kind: Literal["text", "json_object", "json_schema"] = "text"
    schema: dict[str, Any] | None = None
    name: str | None = None
    strict: bool | None = None


class LocalOptions(Struct, omit_defaults=True, kw_only=True):
    """What only models run here understand.

    Attributes:
        num_ctx: Context length in tokens; None: the loaded one, else the model's or server's default.
        keep_alive: Seconds to stay loaded after the call; 0 unloads at once, negative never; None: the default.
        truncate: What to do with a prompt longer than the context: None or True drop the oldest messages and say
            so (`Notice`), False refuse.
        context: Token ids that precede the prompt, as an earlier `Finished.context` gave them.
        return_context: Whether `Finished.context` is wanted.
    """

    num_ctx: int | None = None
    keep_alive: float | None = None
    truncate: bool | None = None
    context: list[int] | None = None
    return_context: bool = False


class ChatRequest(Struct, kw_only=True):
    """Messages in, one assistant message out."""

    messages: list[Message]
    sampling: Sampling = field(default_factory=Sampling)
    tools: list[ToolSpec] = field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: str | None = None
    local: LocalOptions = field(default_factory=LocalOptions)


class CompletionRequest(Struct, kw_only=True):
    """Text in, its continuation out. The prompt reaches the model as it is, without a chat template."""

    prompt: str
    suffix: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    response_format: ResponseFormat | None = None
    local: LocalOptions = field(default_factory=LocalOptions)


class EmbeddingRequest(Struct, kw_only=True):
    """Texts in, one vector each out; `purpose` matters to models that embed questions and passages differently."""

    inputs: list[str]
    purpose: Literal["query", "passage"] | None = None
    dimensions: int | None = None
    local: LocalOptions = field(default_factory=LocalOptions)


Request = ChatRequest | CompletionRequest | EmbeddingRequest


class Passthrough(Struct):
    """The caller's own body, for a provider that speaks its protocol.

    Attributes:
        wire: Name of the protocol and endpoint: `openai.chat`, `openai.completions`, `openai.embeddings`.
        body: The parsed body. The provider may change top-level fields of it (it is this call's own copy).
        stream: Whether the caller asked for a stream.
    """

    wire: str
    body: dict[str, Any]
    stream: bool


# -------------------------------------------------------------------------------------------------- events


class Routed(Struct, omit_defaults=True, tag="routed"):
    """Which model answers, and why: the gateway's own first event of every call. Providers do not send it.

    `model` is the catalogue's name of it; `reasons` are short machine-readable facts, one object a step.
    """

    model: str
    provider: str
    local: bool
    reasons: list[dict[str, Any]] = field(default_factory=list)


class Usage(Struct, omit_defaults=True, tag="usage"):
    """Tokens by price class. `cached` and `reasoning` are parts of `input` and `output`, not additions."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False


class Timings(Struct, omit_defaults=True, tag="timings"):
    """What a model run here measured, in milliseconds."""

    load_ms: float = 0
    prompt_ms: float = 0
    predicted_ms: float = 0


class TextDelta(Struct, tag="text"):
    """More of the answer's text. `choice` numbers the answers when several were asked for."""

    text: str
    choice: int = 0


class ReasoningDelta(Struct, tag="reasoning"):
    """More of the model's thinking."""

    text: str
    choice: int = 0


class ToolCallDelta(Struct, omit_defaults=True, tag="tool_call"):
    """More of tool call number `index`: `id` and `name` come with its first delta, `arguments` in pieces."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    choice: int = 0


class TokenLogprob(Struct):
    """One token with its log probability, its bytes, and the likeliest alternatives."""

    token: str
    logprob: float
    bytes: list[int] = field(default_factory=list)
    top: list["TokenLogprob"] = field(default_factory=list)


class Logprobs(Struct, tag="logprobs"):
    """Log probabilities of the tokens of the delta before it."""

    tokens: list[TokenLogprob]
    choice: int = 0


class Vectors(Struct, tag="vectors"):
    """The vectors of an embedding request, in the order of its inputs."""

    vectors: list[list[float]]


class Notice(Struct, omit_defaults=True, tag="notice"):
    """Something the caller should know although the call goes on. It precedes the answer.

    `kind` `truncated`: `details` holds `prompt_tokens` (before), `kept_tokens`, `context_length` and
    `dropped_messages`.
    """

    kind: Literal["truncated"]
    message: str
    details: dict[str, Any] = field(default_factory=dict)


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "load", "unload"]


class Finished(Struct, omit_defaults=True, tag="finished"):
    """The answer is whole. The last event of a translated call; a stream without it broke.

    `context` holds prompt and answer token ids where the provider gives them (Ollama's `context`).
    """

    reason: FinishReason
    choice: int = 0
    context: list[int] | None = None


class RawHead(Struct, tag="raw_head"):
    """First event of a pass-through answer: its status and content type."""

    status: int
    content_type: str


class Raw(Struct, tag="raw"):
    """Bytes of a pass-through answer: a whole body, or one chunk of a stream."""

    data: bytes


Event = (
    Routed
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | Logprobs
    | Vectors
    | Notice
    | Usage
    | Timings
    | Finished
    | RawHead
    | Raw
)
