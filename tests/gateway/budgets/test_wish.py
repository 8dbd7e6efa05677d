"""What a call may come to at most."""

from pathlib import Path
from typing import Any

import pytest

from inglenook.accounts.passwords import Passwords
from inglenook.accounts.service import Accounts
from inglenook.gateway.budgets.wish import Fit, Wish
from inglenook.gateway.call import Call, Exchange
from inglenook.gateway.money import Money
from inglenook.models.calls import (
    ChatRequest,
    CompletionRequest,
    EmbeddingRequest,
    ImageRequest,
    Message,
    Operation,
    Passthrough,
    Request,
    RerankRequest,
    Sampling,
)
from inglenook.models.catalogue import Entry
from inglenook.models.prices import Prices
from inglenook.models.providers.base import ModelFacts
from inglenook.store.database import Store
from inglenook.store.secrets import Secrets

PLENTY = 1 << 60
#: One billionth a token, in or out, so that amounts are tokens.
PRICES = Prices(input=1000, output=1000)
PROMPT = "12345678" * 10  # 20 tokens by our count, and 4 for the message


@pytest.fixture
async def money(tmp_path: Path) -> Any:
    store = Store.open(Store.sqlite_url(tmp_path / "main.db"))
    accounts = Accounts(store, Secrets(tmp_path), passwords=Passwords())
    yield Money(accounts.settings)
    accounts.passwords.close()
    await store.close()


def entry(longest: int = 1000, context: int = 0) -> Entry:
    facts = ModelFacts(name="m", output_length=longest, context_length=context)
    return Entry(name="m", provider=None, provider_id="p", provider_name="p", upstream="m", facts=facts)  # type: ignore[arg-type]


def fit(
    money: Money,
    request: Request | dict[str, Any],
    *priced: tuple[Entry, Prices],
    available: int = PLENTY,
    operation: Operation = Operation.CHAT,
) -> Fit:
    if isinstance(request, dict):
        passthrough = Passthrough("openai.chat", request, False)
        call = Call(operation=operation, model="m", decode=lambda: pytest.fail("decoded"), passthrough=passthrough)
    else:
        call = Call(operation=operation, model="m", decode=lambda: request)
    return Wish(Exchange(call=call), list(priced) or [(entry(), PRICES)], money).fit(available)


def chat(**sampling: Any) -> ChatRequest:
    return ChatRequest(messages=[Message("user", PROMPT)], sampling=Sampling(**sampling))


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": PROMPT}], **fields}


BODY_PROMPT = 2 * 21  # the role counts, too


async def test_the_prompt_on_the_safe_side_and_the_answer_the_caller_wants(money: Money) -> None:
    assert fit(money, chat(max_tokens=100)) == Fit(2 * 24 + 100, None)
    assert fit(money, body(max_tokens=100)) == Fit(BODY_PROMPT + 100, None)
    assert fit(money, body(max_completion_tokens=100)) == Fit(BODY_PROMPT + 100, None)
    assert fit(money, body(max_output_tokens=100)) == Fit(BODY_PROMPT + 100, None)


async def test_no_more_than_the_model_gives(money: Money) -> None:
    assert fit(money, body(max_tokens=5000)) == Fit(BODY_PROMPT + 1000, None)
    assert fit(money, body(max_tokens=50_000), (entry(0), PRICES)) == Fit(BODY_PROMPT + 50_000, None)
    assert fit(money, body()) == Fit(BODY_PROMPT + 1000, None)
    for odd in (None, "100", -1, 0, 1.5, True):
        assert fit(money, body(max_tokens=odd)) == Fit(BODY_PROMPT + 1000, None), odd


async def test_where_no_end_is_known_a_guess_is_the_end(money: Money) -> None:
    assert fit(money, body(), (entry(0), PRICES)) == Fit(BODY_PROMPT + 16_384, 16_384)
    assert fit(money, body(), (entry(0, context=8192), PRICES)) == Fit(BODY_PROMPT + 4096, 16_384)


async def test_several_answers_and_prompts(money: Money) -> None:
    assert fit(money, body(max_tokens=100, n=3)) == Fit(BODY_PROMPT + 300, None)
    assert fit(money, chat(max_tokens=100, n=3)) == Fit(2 * 24 + 300, None)
    for prompts, times in ((["a", "b", "c"], 3), ([1, 2, 3], 1), ([[1], [2]], 2), ("abc", 1), ([], 1)):
        asked = {"model": "m", "prompt": prompts, "max_tokens": 100, "best_of": 2}
        found = fit(money, asked, operation=Operation.COMPLETION)
        assert found.amount - 2 * times <= times * 200 + 10, prompts
        assert found.amount >= times * 200, prompts
    several = CompletionRequest(prompt="a", others=["b"], sampling=Sampling(max_tokens=100))
    assert fit(money, several, operation=Operation.COMPLETION).amount == 2 * 2 + 200


async def test_the_dearest_target_counts(money: Money) -> None:
    dear = Prices(input=2000, output=5000)
    assert fit(money, body(max_tokens=100), (entry(), PRICES), (entry(), dear)).amount == 2 * BODY_PROMPT + 500
    # The one with the longer answer may be the dearest.
    found = fit(money, body(), (entry(100), dear), (entry(100_000), PRICES))
    assert found == Fit(BODY_PROMPT + 100_000, None)


async def test_an_empty_purse_shortens_the_answer(money: Money) -> None:
    assert fit(money, body(), available=4 * 1042) == Fit(1042, None)
    assert fit(money, body(), available=1042).cap == 1000  # all of it, for a useful answer
    assert fit(money, body(), available=542) == Fit(542, 500)
    assert fit(money, body(), available=10) == Fit(BODY_PROMPT + 16, 16)  # cannot be paid
    assert fit(money, body(), available=-5).amount > 0
    long = (entry(100_000), PRICES)
    assert fit(money, body(), long, available=40_000) == Fit(10_000, 10_000 - BODY_PROMPT)  # a quarter
    assert fit(money, body(), long, available=3000) == Fit(1024 + BODY_PROMPT, 1024)


async def test_what_a_target_cannot_give_is_not_reserved(money: Money) -> None:
    found = fit(money, body(), (entry(100), PRICES), (entry(100_000), PRICES), available=40_000)
    assert found.amount <= 10_000
    assert found.cap == 10_000 - BODY_PROMPT


async def test_calls_without_an_answer_of_tokens(money: Money) -> None:
    embedding = EmbeddingRequest(inputs=["12345678"])
    assert fit(money, embedding, operation=Operation.EMBEDDING) == Fit(4, None)
    paint = (entry(), Prices(image=7000))
    assert fit(money, ImageRequest(prompt="a cat", n=3), paint, operation=Operation.IMAGE) == Fit(21_000_000, None)
    asked = {"model": "m", "prompt": "a cat", "n": 2}
    assert fit(money, asked, paint, operation=Operation.IMAGE) == Fit(14_000_000, None)
    rank = (entry(), Prices(search=2000))
    reranking = RerankRequest(query="q", documents=["a", "b"])
    assert fit(money, reranking, rank, operation=Operation.RERANK) == Fit(2_000_000, None)


async def test_an_answer_that_costs_nothing_is_not_cut(money: Money) -> None:
    assert fit(money, body(), (entry(), Prices(input=1000)), available=100) == Fit(BODY_PROMPT, 1000)
