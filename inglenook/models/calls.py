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
    RERANK = "rerank"
    COUNT = "count"
    IMAGE = "image"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    MODERATION = "moderation"


#: The capability (`providers.base.ModelFacts`) a model must have for an operation.
NEEDED = {
    Operation.CHAT: "completion",
    Operation.COMPLETION: "completion",
    Operation.EMBEDDING: "embedding",
    Operation.RERANK: "rerank",
    Operation.COUNT: "completion",
    Operation.IMAGE: "image",
    Operation.TRANSCRIPTION: "transcription",
    Operation.SPEECH: "speech",
    Operation.MODERATION: "moderation",
}


# ------------------------------------------------------------------------------------------------ requests


#: How long a provider should keep the prompt up to here in its cache. A hint: providers without one ignore it.
CacheMark = Literal["5m", "1h"]


class TextPart(Struct, tag_field="type", tag="text", omit_defaults=True):
    """A piece of text in a message."""

    text: str
    cache: CacheMark | None = None


class ImagePart(Struct, tag_field="type", tag="image", omit_defaults=True):
    """An image in a message: `data` is base64 of a file of `media_type`. `detail` is OpenAI's `low`, `high`, …"""

    media_type: str
    data: str
    detail: str | None = None
    cache: CacheMark | None = None


class FilePart(Struct, tag_field="type", tag="file", omit_defaults=True):
    """A document in a message (capability `files`): base64 of a file of `media_type`."""

    media_type: str
    data: str
    name: str = ""
    cache: CacheMark | None = None


class AudioPart(Struct, tag_field="type", tag="audio", omit_defaults=True):
    """Sound in a message (capability `audio`): base64 of a file of `format`, such as `wav` or `mp3`."""

    format: str
    data: str
    cache: CacheMark | None = None


Part = TextPart | ImagePart | FilePart | AudioPart


class ToolCall(Struct, omit_defaults=True):
    """A call the model wants made; `arguments` is JSON text exactly as the model wrote it.

    `signature` is the provider's own proof of the thought behind it, to be sent back unchanged (Gemini).
    """

    id: str
    name: str
    arguments: str
    signature: str | None = None


class Thought(Struct, omit_defaults=True):
    """A block of thinking that its provider wants back unchanged: text with its signature, or sealed `data`."""

    text: str = ""
    signature: str | None = None
    data: str | None = None


class Message(Struct, omit_defaults=True):
    """One message of a prompt.

    Attributes:
        reasoning: The assistant's thinking as plain text.
        thoughts: The same as signed blocks, where the provider signs them; then `reasoning` is their text.
        failed: Of a `tool` message: the tool failed, and `content` says how.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] = ""
    reasoning: str | None = None
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str | None = None
    name: str | None = None
    thoughts: list[Thought] = field(default_factory=list)
    failed: bool = False

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
    cache: CacheMark | None = None


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
    """Messages in, one assistant message out.

    Attributes:
        tool_choice: `auto`, `none`, `required`, or the one tool to call as `{"name": …}`, whatever the caller's
            protocol writes around the name.
        reasoning: Effort: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`; None: the model's default.
        reasoning_budget: Tokens of thinking at most, where the provider takes a number (Anthropic, Gemini, Qwen).
        user: The caller's name for its end user, for providers that take one; says nothing about the answer.
    """

    messages: list[Message]
    sampling: Sampling = field(default_factory=Sampling)
    tools: list[ToolSpec] = field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: str | None = None
    reasoning_budget: int | None = None
    user: str | None = None
    local: LocalOptions = field(default_factory=LocalOptions)


#: A prompt as text, or as ids of the model's own tokens.
Prompt = str | list[int]


class CompletionRequest(Struct, kw_only=True):
    """Text in, its continuation out. The prompt reaches the model as it is, without a chat template.

    Attributes:
        others: Further prompts of the same call. Answer `k` of prompt number `i` is choice `i * n + k`
            (`providers.prompts` asks a model that takes one prompt for each of them in turn).
    """

    prompt: Prompt
    others: list[Prompt] = field(default_factory=list)
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


class RerankRequest(Struct, kw_only=True):
    """A question and documents in, how well each answers it out. `top_n`: only the best so many."""

    query: str
    documents: list[str]
    top_n: int | None = None
    local: LocalOptions = field(default_factory=LocalOptions)


class ImageRequest(Struct, kw_only=True):
    """A description in, pictures out. Values are OpenAI's; None: the provider's default."""

    prompt: str
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    style: str | None = None
    background: str | None = None
    output_format: str | None = None
    response_format: Literal["url", "b64_json"] | None = None


class TranscriptionRequest(Struct, kw_only=True):
    """Sound in, its words out. `translate`: into English."""

    data: bytes
    file_name: str
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    timestamps: list[str] = field(default_factory=list)
    translate: bool = False


class SpeechRequest(Struct, kw_only=True):
    """Text in, sound out."""

    text: str
    voice: str
    format: str | None = None
    speed: float | None = None
    instructions: str | None = None


class ModerationRequest(Struct, kw_only=True):
    """Texts (or OpenAI's content parts) in, one verdict each out."""

    inputs: list[Any]


Request = (
    ChatRequest
    | CompletionRequest
    | EmbeddingRequest
    | RerankRequest
    | ImageRequest
    | TranscriptionRequest
    | SpeechRequest
    | ModerationRequest
)


class FormField(Struct):
    """One field of a multipart form: text, or a file when it has a name."""

    name: str
    data: bytes
    file_name: str | None = None
    content_type: str | None = None


class Passthrough(Struct):
    """The caller's own body, for a provider that speaks its protocol.

    Attributes:
        wire: Name of the protocol and endpoint: `openai.chat`, `openai.completions`, `openai.embeddings`,
            `openai.responses`, `openai.images`, `openai.transcriptions`, `openai.translations`, `openai.speech`,
            `openai.moderations`, `anthropic.messages`, `anthropic.count`, `rerank` (the shape Jina and Cohere share).
        body: The parsed body. The provider may change top-level fields of it (it is this attempt's own copy).
        stream: Whether the caller asked for a stream.
        form: The fields of a multipart body, which then is what is sent; `body` holds its text fields.
        headers: Header fields that belong to the protocol and go with the body, such as `anthropic-beta`.
    """

    wire: str
    body: dict[str, Any]
    stream: bool
    form: list[FormField] | None = None
    headers: dict[str, str] | None = None


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
    """What was used, by price class.

    `cached` (read from the provider's prompt cache), `cache_write`, `cache_write_1h` and `audio_input` are parts of
    `input`; `reasoning` and `audio_output` are parts of `output`. None is part of another. `images` were made,
    `searches` are units of reranking, `seconds` of sound were heard, `characters` were spoken.

    `cost` is what the provider itself says the call costs, in billionths of a US dollar; None: it does not say.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False
    cache_write_1h: int = 0
    audio_input: int = 0
    audio_output: int = 0
    images: int = 0
    searches: int = 0
    seconds: float = 0
    characters: int = 0
    cost: int | None = None


class Timings(Struct, omit_defaults=True, tag="timings"):
    """What a model run here measured, in milliseconds."""

    load_ms: float = 0
    prompt_ms: float = 0
    predicted_ms: float = 0


class TextDelta(Struct, tag="text"):
    """More of the answer's text. `choice` numbers the answers when several were asked for."""

    text: str
    choice: int = 0


class ReasoningDelta(Struct, omit_defaults=True, tag="reasoning"):
    """More of the model's thinking. A `signature` or sealed `data` ends a block of it (`Thought`)."""

    text: str
    choice: int = 0
    signature: str | None = None
    data: str | None = None


class ToolCallDelta(Struct, omit_defaults=True, tag="tool_call"):
    """More of tool call number `index`: `id`, `name` and `signature` come with its first delta, `arguments` in
    pieces."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    choice: int = 0
    signature: str | None = None


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


class Score(Struct, omit_defaults=True):
    """How well a document answers: its place in the request, and a number that grows with relevance."""

    index: int
    score: float


class Scores(Struct, tag="scores"):
    """The answer of a rerank request, best first."""

    scores: list[Score]


class GeneratedImage(Struct, omit_defaults=True):
    """A picture, as base64 or at a URL."""

    data: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class Images(Struct, omit_defaults=True, tag="images"):
    """The answer of an image request."""

    images: list[GeneratedImage]
    media_type: str = "image/png"


class Audio(Struct, tag="audio"):
    """A piece of the sound of a speech request."""

    data: bytes
    media_type: str


class Transcript(Struct, omit_defaults=True, tag="transcript"):
    """The answer of a transcription request; segments and words in OpenAI's shape."""

    text: str
    language: str | None = None
    duration: float | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)


class Verdicts(Struct, tag="verdicts"):
    """The answer of a moderation request, one for each input, in OpenAI's shape."""

    results: list[dict[str, Any]]


class Notice(Struct, omit_defaults=True, tag="notice"):
    """Something the caller should know although the call goes on. It precedes the answer.

    `kind` `truncated`: `details` holds `prompt_tokens` (before), `kept_tokens`, `context_length` and
    `dropped_messages`. `estimated`: the numbers of the answer are our own count. `left_out`: the model does not know of
    something that was offered to it; `details` names it.
    """

    kind: Literal["truncated", "estimated", "left_out"]
    message: str
    details: dict[str, Any] = field(default_factory=dict)


FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "load", "unload"]


class Finished(Struct, omit_defaults=True, tag="finished"):
    """The answer is whole. The last event of a translated call; a stream without it broke.

    `context` holds prompt and answer token ids where the provider gives them (Ollama's `context`), `stop_sequence`
    which of the caller's stops ended it, where the provider tells.
    """

    reason: FinishReason
    choice: int = 0
    context: list[int] | None = None
    stop_sequence: str | None = None


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
    | Scores
    | Images
    | Audio
    | Transcript
    | Verdicts
    | Notice
    | Usage
    | Timings
    | Finished
    | RawHead
    | Raw
)
