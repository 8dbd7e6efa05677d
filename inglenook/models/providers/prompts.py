"""Several prompts, or several answers to one, by a model that answers one prompt at a time."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from msgspec import structs

from inglenook.models.calls import (
    CompletionRequest,
    Event,
    Finished,
    Logprobs,
    TextDelta,
    Timings,
    Usage,
)

Answer = Callable[[CompletionRequest], AsyncGenerator[Event, None]]


def single(request: CompletionRequest) -> bool:
    """Whether one prompt and one answer is all that is asked for."""
    return not request.others and (request.sampling.n or 1) == 1


async def in_turn(request: CompletionRequest, answer: Answer) -> AsyncGenerator[Event, None]:
    """The answers of `answer` to every prompt of `request`, `n` to each, with their choices numbered; the usage of all
    once, and last how each finished.

    Answers to the same prompt differ: with a seed, each gets a seed of its own. A prompt's tokens count once.
    """
    answers = request.sampling.n or 1
    usage, timings = Usage(), Timings()
    finished: list[Finished] = []
    for place, prompt in enumerate([request.prompt, *request.others]):
        for number in range(answers):
            seed = request.sampling.seed
            sampling = structs.replace(request.sampling, n=None, seed=None if seed is None else seed + number)
            one = structs.replace(request, prompt=prompt, others=[], sampling=sampling)
            choice = place * answers + number
            async with aclosing(answer(one)) as events:
                async for event in events:
                    match event:
                        case TextDelta() | Logprobs():
                            yield structs.replace(event, choice=choice)
                        case Finished():
                            finished.append(structs.replace(event, choice=choice))
                        case Usage():
                            usage.input += event.input if number == 0 else 0
                            usage.cached += event.cached if number == 0 else 0
                            usage.output += event.output
                        case Timings():
                            timings.load_ms = max(timings.load_ms, event.load_ms)
                            timings.prompt_ms += event.prompt_ms
                            timings.predicted_ms += event.predicted_ms
                        case _:
                            yield event
    yield usage
    yield timings
    for event in finished:
        yield event
