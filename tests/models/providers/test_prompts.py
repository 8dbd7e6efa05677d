"""Several prompts and answers, one after the other."""

from collections.abc import AsyncGenerator

from inglenook.models.calls import (
    CompletionRequest,
    Event,
    Finished,
    Logprobs,
    Notice,
    Sampling,
    TextDelta,
    Timings,
    TokenLogprob,
    Usage,
)
from inglenook.models.providers.prompts import in_turn, single

asked: list[CompletionRequest] = []


async def answer(request: CompletionRequest) -> AsyncGenerator[Event, None]:
    """A model that takes one prompt."""
    assert single(request)
    asked.append(request)
    yield Notice("truncated", "cut")
    yield TextDelta(f"<{request.prompt}>")
    yield Logprobs([TokenLogprob("x", -1.0)])
    yield Usage(input=10, output=3, cached=4)
    yield Timings(load_ms=5, prompt_ms=1, predicted_ms=2)
    yield Finished("length")


async def test_choices_are_numbered_prompt_by_prompt() -> None:
    asked.clear()
    request = CompletionRequest(prompt="a", others=["b", [1, 2]], sampling=Sampling(n=2, seed=7))
    assert not single(request)
    events = [event async for event in in_turn(request, answer)]

    texts = [(event.choice, event.text) for event in events if isinstance(event, TextDelta)]
    assert texts == [(0, "<a>"), (1, "<a>"), (2, "<b>"), (3, "<b>"), (4, "<[1, 2]>"), (5, "<[1, 2]>")]
    assert [event.choice for event in events if isinstance(event, Logprobs)] == [0, 1, 2, 3, 4, 5]
    assert sum(isinstance(event, Notice) for event in events) == 6
    assert events[-8:] == [
        Usage(input=30, output=18, cached=12),
        Timings(load_ms=5, prompt_ms=6, predicted_ms=12),
        *(Finished("length", choice) for choice in range(6)),
    ]
    assert [one.sampling.seed for one in asked] == [7, 8] * 3


async def test_without_a_seed_none_is_made_up() -> None:
    asked.clear()
    request = CompletionRequest(prompt="a", sampling=Sampling(n=3))
    assert [event.choice async for event in in_turn(request, answer) if isinstance(event, Finished)] == [0, 1, 2]
    assert [one.sampling.seed for one in asked] == [None] * 3
