"""Holding an answer to what its budget affords: the limit is asked of the provider, whose `length` tells of it."""

from msgspec import structs

from inglenook.gateway.budgets.wish import longest_answer
from inglenook.models.calls import ChatRequest, CompletionRequest, Request
from inglenook.models.catalogue import Entry
from inglenook.models.providers.base import Job

#: How a caller's own body limits its answer; providers say it in their own words.
_FIELDS = {
    "openai.chat": "max_tokens",
    "openai.completions": "max_tokens",
    "openai.responses": "max_output_tokens",
    "anthropic.messages": "max_tokens",
}


def hold(job: Job, entry: Entry, tokens: int) -> None:
    """Let the answer of `job` have so many tokens at most. Its caller has set no limit, and its body stays as it is.

    Models that cannot give more anyway, and those that cost nothing, are asked as they would be.
    """
    longest = entry.facts.output_length
    if entry.prices is None or (longest and tokens >= longest):
        return
    tokens = min(tokens, longest_answer(entry))
    passthrough = job.passthrough
    if passthrough is None:
        decode = job.decode
        job.decode = lambda: _limited(decode(), tokens)
    elif (field := _FIELDS.get(passthrough.wire)) is not None:
        job.passthrough = structs.replace(passthrough, body={**passthrough.body, field: tokens})


def _limited(request: Request, tokens: int) -> Request:
    if not isinstance(request, ChatRequest | CompletionRequest):
        return request
    return structs.replace(request, sampling=structs.replace(request.sampling, max_tokens=tokens))
