"""From a branch to the request a model is asked."""

from typing import NamedTuple

from inglenook.chat import prompt
from inglenook.conversations.schemas import ConversationSettings, SamplingSettings
from inglenook.models.calls import ChatRequest

PLAIN = ConversationSettings()


class Said(NamedTuple):
    role: str
    text: str


def roles(request: ChatRequest) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in request.messages]


def test_the_system_prompt_comes_first() -> None:
    settings = ConversationSettings(system_prompt="Be brief.")
    assert roles(prompt.request([Said("user", "hi")], settings)) == [("system", "Be brief."), ("user", "hi")]


def test_empty_answers_are_left_out_and_questions_joined() -> None:
    branch = [Said("user", "a"), Said("assistant", ""), Said("user", "b"), Said("assistant", "c"), Said("user", "d")]
    assert roles(prompt.request(branch, PLAIN)) == [("user", "a\n\nb"), ("assistant", "c"), ("user", "d")]


def test_sampling_settings_are_passed_on() -> None:
    settings = ConversationSettings(sampling=SamplingSettings(temperature=0, seed=7, stop=["END"], max_tokens=5))
    sampling = prompt.request([Said("user", "a")], settings).sampling
    assert (sampling.temperature, sampling.seed, sampling.stop, sampling.max_tokens) == (0, 7, ["END"], 5)
    assert sampling.top_p is None


def test_a_model_that_can_goes_on_from_its_own_words() -> None:
    branch = [Said("user", "colours?"), Said("assistant", "red, \n")]
    assert roles(prompt.continuation(branch, PLAIN, prefill=True)) == [("user", "colours?"), ("assistant", "red,")]


def test_another_model_is_asked_in_words() -> None:
    branch = [Said("user", "colours?"), Said("assistant", "red, ")]
    asked = roles(prompt.continuation(branch, PLAIN, prefill=False))
    assert asked == [("user", "colours?"), ("assistant", "red, "), ("user", prompt.CONTINUE)]
