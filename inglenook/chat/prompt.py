"""From a branch of a conversation to the request a model is asked."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from inglenook.conversations.schemas import ConversationSettings, SamplingSettings
from inglenook.models.calls import ChatRequest, Message, Sampling

#: Asked of models that cannot be handed the beginning of their own answer.
CONTINUE = (
    "Your last answer was cut off. Continue it exactly where it stopped: begin with the very next word, repeat "
    "nothing of it, do not introduce or explain the continuation, and keep its language and format."
)


class Said(Protocol):
    """A message as far as its content goes."""

    @property
    def role(self) -> str:
        """`user` or `assistant`."""
        ...

    @property
    def text(self) -> str:
        """What was said."""
        ...


def request(branch: Iterable[Said], settings: ConversationSettings) -> ChatRequest:
    """What a model is asked after `branch` (root first, the last question last).

    Answers are passed on as they are, also those that were stopped or interrupted, but without their reasoning. An
    answer without any text is left out and the questions around it joined, since many chat templates demand that
    the roles alternate.
    """
    messages: list[Message] = []
    if settings.system_prompt:
        messages.append(Message(role="system", content=settings.system_prompt))
    for said in branch:
        if not said.text:
            continue
        if messages and messages[-1].role == said.role:
            messages[-1].content = f"{messages[-1].text}\n\n{said.text}"
        else:
            messages.append(Message(role="user" if said.role == "user" else "assistant", content=said.text))
    return ChatRequest(messages=messages, sampling=sampling(settings.sampling or SamplingSettings()))


def continuation(branch: Sequence[Said], settings: ConversationSettings, *, prefill: bool) -> ChatRequest:
    """What a model is asked to go on with the answer that ends `branch`.

    Args:
        prefill: The model goes on with a trailing assistant message (its white space at the end is left out: models
            want to write that themselves). Otherwise it is asked in words.
    """
    asked = request(branch, settings)
    last = asked.messages[-1]
    if prefill:
        last.content = last.text.rstrip()
    else:
        asked.messages.append(Message(role="user", content=CONTINUE))
    return asked


def sampling(settings: SamplingSettings) -> Sampling:
    """A conversation's sampling settings as a provider is given them."""
    given = settings.model_dump(exclude_none=True)
    return Sampling(**given)
