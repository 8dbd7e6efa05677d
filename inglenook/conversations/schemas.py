"""What conversations and messages look like outside, and which settings a conversation may have."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inglenook.conversations.tables import ConversationRow, MessageRow

#: Characters of a system prompt.
SYSTEM_PROMPT_LIMIT = 100_000


def storable(text: str) -> str:
    """`text` without NUL characters, which PostgreSQL cannot keep and nobody can see."""
    return text.replace("\0", "")


Text = Annotated[str, AfterValidator(storable)]
Role = Literal["user", "assistant"]
#: `streaming` until the answer's run ends; `interrupted` by a crash or shut-down, `stopped` by a person.
Status = Literal["complete", "streaming", "interrupted", "failed", "stopped"]


class SamplingSettings(BaseModel):
    """How tokens are chosen and when to stop. A field that is absent or null is left to the model."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=100_000)
    min_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    seed: int | None = Field(None, ge=0, lt=2**32)
    stop: list[Annotated[Text, Field(min_length=1, max_length=200)]] | None = Field(None, max_length=8)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    repeat_penalty: float | None = Field(None, ge=0, le=2)


class ConversationSettings(BaseModel):
    """What holds for every answer of a conversation.

    As a change (`PATCH`) only the fields given matter: null takes one away (JSON merge patch, RFC 7396).
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Text | None = Field(None, min_length=1, max_length=300)
    system_prompt: Text | None = Field(None, max_length=SYSTEM_PROMPT_LIMIT)
    sampling: SamplingSettings | None = None


class ConversationSummary(BaseModel):
    """A conversation as the list shows it. Times are milliseconds since the epoch."""

    id: str
    title: str
    title_source: Literal["auto", "user"]
    settings: ConversationSettings
    leaf_id: str | None
    created_at: int
    updated_at: int


class ConversationPage(BaseModel):
    """One page of the list, latest first; `next` is the `before` of the following page, null on the last."""

    conversations: list[ConversationSummary]
    next: str | None


class MessageUsage(BaseModel):
    """Tokens and pace of an answer; of one that was continued, of its last part.

    `cached` and `reasoning` are parts of `input` and `output`. `cost` is in billionths of `currency`; null: no price is
    known. `reasons` say why this model answered, where a route or a failure had a part, as the gateway tells.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False
    tokens_per_second: float | None = None
    ttft_ms: int | None = None
    duration_ms: int | None = None
    cost: int | None = None
    currency: str | None = None
    reasons: list[dict[str, Any]] = []


class MessageNotice(BaseModel):
    """Something to know about an answer, such as messages that did not fit the model's context."""

    kind: str
    message: str
    details: dict[str, Any] = Field(default_factory=dict)


class MessageView(BaseModel):
    """A message of the tree. `usage` is null for questions and for answers that got no count.

    `finish_reason` `length` means that the answer was cut by a limit and can be continued. `error` says in English why
    it failed; `error_code` and `error_details` are what a page needs to say it in another language.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    text: str
    reasoning: str
    model: str | None
    run_id: str | None
    status: Status
    finish_reason: str | None
    usage: MessageUsage | None
    notices: list[MessageNotice]
    error: str | None
    error_code: str | None
    error_details: dict[str, Any]
    created_at: int


class ConversationDetail(ConversationSummary):
    """A conversation with all messages of its tree, ordered by id (oldest first)."""

    messages: list[MessageView]


def conversation_json(row: ConversationRow) -> dict[str, Any]:
    """A conversation in the shape of `ConversationSummary`, ready to be dumped."""
    return {
        "id": row.id,
        "title": row.title,
        "title_source": row.title_source,
        "settings": row.settings,
        "leaf_id": row.leaf_id,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def message_json(row: MessageRow) -> dict[str, Any]:
    """A message in the shape of `MessageView`, ready to be dumped; a thousand of them should cost little."""
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "parent_id": row.parent_id,
        "role": row.role,
        "text": row.text,
        "reasoning": row.reasoning,
        "model": row.model,
        "run_id": row.run_id,
        "status": row.status,
        "finish_reason": row.finish_reason,
        "usage": row.usage or None,
        "notices": row.notices,
        "error": row.error,
        "error_code": row.error_code,
        "error_details": row.error_details or {},
        "created_at": row.created_at,
    }
