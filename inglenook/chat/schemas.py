"""Bodies and answers of the chat's routes."""

from pydantic import BaseModel, ConfigDict, Field

from inglenook.conversations.schemas import ConversationSettings, MessageView

_STRICT = ConfigDict(extra="forbid")


class ConversationCreate(BaseModel):
    """A new conversation; without a title it is named after its first question."""

    model_config = _STRICT

    title: str | None = None
    settings: ConversationSettings | None = None


class ConversationChange(BaseModel):
    """What to change; absent fields stay. `leaf_id` switches to the branch of that message."""

    model_config = _STRICT

    title: str | None = None
    settings: ConversationSettings | None = None
    leaf_id: str | None = None


class Question(BaseModel):
    """A question to send.

    `parent_id` is the answer it follows, null for a first question; absent, it follows the branch the conversation
    shows. Sent with the `parent_id` of another question, it is an edit of that one: its sibling.
    """

    model_config = _STRICT

    content: str
    parent_id: str | None = None
    model: str | None = Field(None, min_length=1)


class Regenerate(BaseModel):
    """How to answer anew: by another model, if one is named."""

    model_config = _STRICT

    model: str | None = Field(None, min_length=1)


class SentView(BaseModel):
    """The question as kept, its answer (`streaming`), and the run that writes it."""

    question: MessageView
    answer: MessageView
    run_id: str


class RewrittenView(BaseModel):
    """The answer (`streaming`) and the run that writes it."""

    answer: MessageView
    run_id: str


class ChatDefaults(BaseModel):
    """What a new conversation would use; `model` is null while there is no chat model."""

    model: str | None
