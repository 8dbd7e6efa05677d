"""What a call may cost, promised and settled."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from inglenook.accounts.principal import CONSOLE, Role
from inglenook.accounts.snapshot import ALL_TOGETHER, EACH_USER
from inglenook.accounts.users import add_user
from inglenook.gateway.budgets import leases
from inglenook.gateway.budgets.tables import BudgetLease, BudgetRow
from inglenook.gateway.call import Call
from inglenook.gateway.errors import BudgetExceeded, Unpriced
from inglenook.kit.errors import Unavailable, UpstreamFailed
from inglenook.kit.time import now_ms
from inglenook.models.calls import ChatRequest, Finished, Message, Operation, Sampling, TextDelta
from tests.gateway.budgets.conftest import TOKEN, SetLimit, purse_of
from tests.gateway.test_gateway import collect, text_of
from tests.support.gateway import Desk


def ask(
    desk: Desk, text: str = "one two three", *, tokens: int | None = None, model: str = "echo", **more: Any
) -> Call:
    request = ChatRequest(messages=[Message("user", text)], sampling=Sampling(max_tokens=tokens))
    more.setdefault("credential", desk.key.encode())
    return Call(operation=Operation.CHAT, model=model, decode=lambda: request, **more)


async def refused(desk: Desk, call: Call) -> BudgetExceeded:
    with pytest.raises(BudgetExceeded) as caught:
        await collect(desk, call)
    return caught.value


async def at_gate(desk: Desk, *tasks: "asyncio.Task[Any]") -> None:
    """Return once one of the calls stands at the gate; raise what one raised before."""
    reached = asyncio.ensure_future(desk.fake.gate("gate").reached())
    done, _ = await asyncio.wait([reached, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if reached not in done:
        reached.cancel()
        raise AssertionError(f"no call came to the gate: {[task.exception() for task in tasks if task.done()]}")


async def rows(desk: Desk) -> dict[str, tuple[int, int]]:
    """What was spent and is leased, by kind of subject, as the table has it."""
    query = select(BudgetRow.subject_kind, BudgetRow.spent, BudgetRow.leased)
    return {kind: (spent, leased) for kind, spent, leased in await desk.store.read(lambda s: s.execute(query).all())}


async def test_without_a_budget_nothing_is_kept(desk: Desk) -> None:
    await collect(desk, ask(desk))
    await desk.gateway.budget.leases.report()
    assert await rows(desk) == {}
    (entry,) = await desk.ledger.entries()
    assert entry.cost == 6 * TOKEN


async def test_a_call_is_promised_and_then_settled(desk: Desk, limit: SetLimit) -> None:
    await limit(1_000_000)
    script = '{"steps": [{"text": "one two"}, {"wait": "gate"}, {"text": " three"}]}'
    task = asyncio.create_task(collect(desk, ask(desk, script, tokens=100)))
    await at_gate(desk, task)
    purse = purse_of(desk)
    assert 100 * TOKEN < purse.reserved < 200 * TOKEN
    assert purse.lease >= purse.reserved
    spent, leased = (await rows(desk))["key"]
    assert (spent, leased) == (0, purse.lease)  # nothing is promised that is not in the table
    desk.fake.gate("gate").open()
    await task
    (entry,) = await desk.ledger.entries()
    assert entry.cost == (entry.input_tokens + entry.output_tokens) * TOKEN
    assert (purse.reserved, purse.unreported) == (0, entry.cost)
    await desk.gateway.budget.leases.report()
    assert (await rows(desk))["key"] == (entry.cost, purse.lease)


async def test_a_call_that_does_not_fit_is_refused(desk: Desk, limit: SetLimit) -> None:
    await limit(100 * TOKEN)
    await collect(desk, ask(desk, tokens=50))
    error = await refused(desk, ask(desk, tokens=100))
    assert (error.status, error.code) == (402, "budget_exceeded")
    details = error.details
    assert details["subject_kind"], details["subject_id"] == ("key", desk.principal.key_id)
    assert (details["period"], details["amount"], details["currency"]) == ("day", 100 * TOKEN, "USD")
    assert (details["spent"], details["reserved"]) == (6 * TOKEN, 0)
    assert details["wanted"] > 94 * TOKEN
    assert 0 < details["resets_at"] - now_ms() <= 86_400_000
    assert error.message.startswith("the daily budget of this API key does not suffice for this call: of 0.0001 USD")
    assert error.retry_after is not None
    assert abs(error.retry_after - (details["resets_at"] - now_ms()) / 1000) < 5
    assert len(desk.fake.jobs) == 1
    await collect(desk, ask(desk, tokens=50))


async def test_what_is_promised_to_others_is_not_there(desk: Desk, limit: SetLimit) -> None:
    await limit(200 * TOKEN)
    script = '{"steps": [{"text": "one"}, {"wait": "gate"}]}'
    task = asyncio.create_task(collect(desk, ask(desk, script, tokens=120)))
    await at_gate(desk, task)
    error = await refused(desk, ask(desk, tokens=100))
    assert error.retry_after == 1
    assert "try again when other calls have ended" in error.message
    assert error.details["reserved"] > 120 * TOKEN
    desk.fake.gate("gate").open()
    await task
    await collect(desk, ask(desk, tokens=100))


async def test_no_parallel_calls_overspend(desk: Desk, limit: SetLimit) -> None:
    await limit(50 * 30 * TOKEN)
    results = await asyncio.gather(
        *(collect(desk, ask(desk, "x", tokens=20)) for _ in range(200)), return_exceptions=True
    )
    served = [result for result in results if not isinstance(result, BaseException)]
    assert {type(result) for result in results if isinstance(result, BaseException)} == {BudgetExceeded}
    assert len(served) >= 50  # what each does not use of its promise is there for the next
    await desk.gateway.budget.leases.report()
    spent, leased = (await rows(desk))["key"]
    costs = [entry.cost for entry in await desk.ledger.entries(limit=1000)]
    assert spent == sum(cost or 0 for cost in costs)
    assert spent + leased <= 50 * 30 * TOKEN


async def test_all_purses_of_the_stack_pay(desk: Desk, limit: SetLimit) -> None:
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[desk.principal.user_id])
    subjects = [None, ("user", desk.principal.user_id), ("group", group.id), ALL_TOGETHER]
    for place, subject in enumerate(subjects):
        await limit(1_000_000 + place, subject, amount_per_month=9_000_000)
    await collect(desk, ask(desk, tokens=50))
    browser = desk.accounts.snapshot.principal_for_user(desk.principal.user_id)
    await collect(desk, ask(desk, tokens=50, credential=None, principal=browser))
    await desk.gateway.budget.leases.report()
    for subject, calls in zip(subjects, (1, 2, 2, 2), strict=True):
        for period in ("day", "month"):
            assert purse_of(desk, subject, period).spent == calls * 6 * TOKEN


@pytest.mark.parametrize("tight", ["key", "user", "group", "everyone"])
async def test_the_tightest_purse_decides(desk: Desk, limit: SetLimit, tight: str) -> None:
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[desk.principal.user_id])
    subjects = [("key", desk.principal.key_id), EACH_USER, ("group", group.id), ALL_TOGETHER]
    kinds = ["key", "user", "group", "everyone"]
    for kind, subject in zip(kinds, subjects, strict=True):
        await limit(10 * TOKEN if kind == tight else 1_000_000, subject)  # type: ignore[arg-type]
    error = await refused(desk, ask(desk, tokens=50))
    assert error.details["subject_kind"] == tight
    for purse in desk.gateway.budget.leases._purses.values():
        assert purse.reserved == 0


async def test_each_user_has_the_default_for_themselves(desk: Desk, limit: SetLimit) -> None:
    await desk.accounts.snapshot.write(lambda session: add_user(session, CONSOLE, "bob", "!", Role.MEMBER))
    other = (await desk.accounts.create_key("bob", "k")).encode()
    await limit(60 * TOKEN, EACH_USER)
    for credential in (desk.key.encode(), other):
        await collect(desk, ask(desk, tokens=30, credential=credential))
    await refused(desk, ask(desk, tokens=50))
    await refused(desk, ask(desk, tokens=50, credential=other))


async def test_an_answer_is_as_long_as_the_purse_affords(desk: Desk, limit: SetLimit) -> None:
    await limit(60 * TOKEN)
    events = await collect(desk, ask(desk, model="long"))
    assert events[-1] == Finished("length")
    (job,) = desk.fake.jobs
    request = job.request
    assert isinstance(request, ChatRequest)
    assert request.sampling.max_tokens is not None
    assert 30 < request.sampling.max_tokens < 60
    assert len(text_of(events).split()) == request.sampling.max_tokens
    await desk.gateway.budget.leases.report()
    assert (await rows(desk))["key"][0] <= 60 * TOKEN


async def test_where_there_is_plenty_nobody_is_held_back(desk: Desk, limit: SetLimit) -> None:
    await limit(5_000_000)
    events = await collect(desk, ask(desk, model="long"))
    assert events[-1] == Finished("stop")
    (job,) = desk.fake.jobs
    assert job.request.sampling.max_tokens is None  # type: ignore[union-attr]


async def test_near_the_end_one_call_does_not_take_it_all(desk: Desk, limit: SetLimit) -> None:
    for entry in desk.shelf.entries():
        entry.facts.output_length = 100_000
    await limit(20_000 * TOKEN)
    script = '{"steps": [{"text": "one"}, {"wait": "gate"}]}'
    tasks = [asyncio.create_task(collect(desk, ask(desk, script))) for _ in range(3)]
    await at_gate(desk, *tasks)
    while len(desk.fake.jobs) < 3:  # noqa: ASYNC110 - each of them is through in a few turns of the loop
        await asyncio.sleep(0)
    caps = [job.request.sampling.max_tokens for job in desk.fake.jobs]  # type: ignore[union-attr]
    assert all(cap is not None and 2000 < cap <= 5000 for cap in caps)
    desk.fake.gate("gate").open()
    await asyncio.gather(*tasks)


async def test_of_an_answer_without_an_end_a_guess_is_promised(desk: Desk, limit: SetLimit) -> None:
    for entry in desk.shelf.entries():
        entry.facts.output_length = entry.facts.context_length = 0
    await limit(1_000_000 * TOKEN)
    await collect(desk, ask(desk))
    (job,) = desk.fake.jobs
    assert job.request.sampling.max_tokens == 16_384  # type: ignore[union-attr]


async def test_a_limit_the_caller_set_is_left_alone(desk: Desk, limit: SetLimit) -> None:
    await limit(200 * TOKEN)
    await collect(desk, ask(desk, model="long", tokens=50))
    (job,) = desk.fake.jobs
    assert job.request.sampling.max_tokens == 50  # type: ignore[union-attr]
    await refused(desk, ask(desk, tokens=500))


@pytest.mark.parametrize("model", ["error-429", "cut"])
async def test_a_call_that_fails_is_settled(desk: Desk, limit: SetLimit, model: str) -> None:
    await limit(1_000_000)
    with pytest.raises(UpstreamFailed if model == "cut" else Exception):
        await collect(desk, ask(desk, model=model))
    purse = purse_of(desk)
    (entry,) = await desk.ledger.entries()
    assert (purse.reserved, purse.unreported) == (0, entry.cost)
    assert entry.cost if model == "cut" else entry.cost == 0


async def test_a_reader_who_leaves_pays_for_what_came(desk: Desk, limit: SetLimit) -> None:
    await limit(1_000_000)
    script = '{"steps": [{"text": "one two three four"}, {"wait": "gate"}]}'
    async with aclosing(desk.gateway.call(ask(desk, script, tokens=100))) as events:
        async for event in events:
            if isinstance(event, TextDelta) and event.text.strip() == "four":
                break
    (entry,) = await desk.ledger.entries()
    assert (entry.status, entry.estimated) == ("cancelled", True)
    purse = purse_of(desk)
    assert (purse.reserved, purse.unreported) == (0, entry.cost)
    assert entry.cost is not None
    assert entry.cost >= (entry.input_tokens + 4) * TOKEN


async def test_who_leaves_while_waiting_for_a_lease_is_promised_nothing(desk: Desk, limit: SetLimit) -> None:
    await limit(1_000_000)
    tasks = [asyncio.create_task(collect(desk, ask(desk, tokens=10))) for _ in range(20)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 10
    assert not [result for result in results if isinstance(result, Exception)]
    purse = purse_of(desk)
    assert (purse.reserved, purse.waiting) == (0, 0)


async def test_models_without_a_price_cost_nothing_unless_they_are_forbidden(desk: Desk, limit: SetLimit) -> None:
    await limit(10 * TOKEN)
    desk.shelf.resolve("echo").prices = None
    await collect(desk, ask(desk, tokens=500))
    (entry,) = await desk.ledger.entries()
    assert entry.cost is None
    await desk.accounts.settings.put(CONSOLE, "budgets", {"unpriced": "refuse"})
    with pytest.raises(Unpriced, match="'echo' costs is not known"):
        await collect(desk, ask(desk))
    desk.shelf.resolve("echo").local = True  # what runs here is paid for
    await collect(desk, ask(desk))
    await desk.accounts.limits.remove(CONSOLE, ("key", desk.principal.key_id or ""))
    desk.shelf.resolve("echo").local = False
    await collect(desk, ask(desk))  # without a budget nobody asks


async def test_other_currencies_are_paid_in_ours(desk: Desk, limit: SetLimit) -> None:
    await desk.accounts.settings.put(CONSOLE, "billing", {"currency": "CNY", "rates": {"USD": 7.0}})
    await limit(1_000_000)
    await collect(desk, ask(desk, tokens=10))
    await desk.gateway.budget.leases.report()
    assert purse_of(desk).spent == 6 * 7 * TOKEN
    assert purse_of(desk).key.currency == "CNY"


async def test_a_budget_set_in_the_middle_knows_what_was_spent(desk: Desk, limit: SetLimit) -> None:
    for _ in range(3):
        await collect(desk, ask(desk))
    browser = desk.accounts.snapshot.principal_for_user(desk.principal.user_id)
    await collect(desk, ask(desk, credential=None, principal=browser))
    await limit(30 * TOKEN)
    await limit(1_000_000, ("user", desk.principal.user_id))
    await limit(1_000_000, ALL_TOGETHER)
    error = await refused(desk, ask(desk, tokens=20))
    assert error.details["spent"] == 18 * TOKEN
    assert purse_of(desk, ("user", desk.principal.user_id)).spent == 24 * TOKEN
    assert purse_of(desk, ALL_TOGETHER).spent == 24 * TOKEN


async def test_a_limit_that_is_changed_holds_at_once(desk: Desk, limit: SetLimit) -> None:
    await limit(100 * TOKEN)
    await collect(desk, ask(desk, tokens=50))
    await limit(10 * TOKEN)
    await refused(desk, ask(desk, tokens=50))
    await limit(1_000_000)
    await collect(desk, ask(desk, tokens=50))
    assert purse_of(desk).limit == 1_000_000


async def test_a_new_day_begins_anew(desk: Desk, limit: SetLimit) -> None:
    await limit(100 * TOKEN, amount_per_month=1_000_000)
    await collect(desk, ask(desk, tokens=80))
    await refused(desk, ask(desk, tokens=80))
    stack = desk.gateway.budget._stacks[desk.principal.key_id or ""]
    yesterday = stack.purses[0]
    assert stack.until == yesterday.end
    call = ask(desk, tokens=80)
    from inglenook.gateway.call import Exchange

    exchange = Exchange(call=call, principal=desk.principal, started_at=yesterday.end)
    desk.gateway._route.open(exchange)
    waiting = desk.gateway.budget.open(exchange)
    assert waiting is not None
    await waiting
    assert exchange.reservations.purses[0].key.start == yesterday.end
    assert exchange.reservations.purses[1] is stack.purses[1]
    desk.gateway.budget.close(exchange, None)  # type: ignore[arg-type]


async def test_a_team_pays_with_its_own_key(desk: Desk, limit: SetLimit) -> None:
    group = await desk.accounts.groups.create(CONSOLE, "Kitchen", members=[])
    made = await desk.accounts.keys.create(CONSOLE, group.id, "kettle")
    await limit(40 * TOKEN, ("group", group.id))
    await collect(desk, ask(desk, tokens=20, credential=made.secret.encode()))
    error = await refused(desk, ask(desk, tokens=40, credential=made.secret.encode()))
    assert error.message.startswith("the daily budget of the team Kitchen")
    await collect(desk, ask(desk, tokens=400))  # nobody else pays with it


async def test_what_is_held_is_given_back(desk: Desk, limit: SetLimit) -> None:
    await limit(1_000_000)
    await collect(desk, ask(desk, tokens=100))
    await desk.gateway.budget.leases.report()
    assert (await rows(desk))["key"][1] >= 0
    await desk.gateway.stop()
    assert (await rows(desk))["key"] == (6 * TOKEN, 0)
    assert await desk.store.read(lambda s: s.scalars(select(BudgetLease)).all()) == []


async def test_when_the_database_is_away_calls_fail_and_nothing_is_forgotten(
    desk: Desk, limit: SetLimit, caplog: pytest.LogCaptureFixture
) -> None:
    async def sql(statement: str) -> None:
        await desk.store.write(lambda session: session.execute(text(statement)))

    await limit(1_000_000)
    await collect(desk, ask(desk, tokens=100))
    await sql("ALTER TABLE budgets RENAME TO elsewhere")
    with pytest.raises(Unavailable, match="cannot be checked"):
        await collect(desk, ask(desk, tokens=900))  # more than is drawn
    await collect(desk, ask(desk, tokens=50))  # what is drawn is there
    await desk.gateway.budget.leases.report()
    assert "budgets cannot be read or written" in caplog.text
    assert purse_of(desk).unreported == 12 * TOKEN
    await sql("ALTER TABLE elsewhere RENAME TO budgets")
    await collect(desk, ask(desk, tokens=900))
    await desk.gateway.budget.leases.report()
    assert (await rows(desk))["key"][0] == 18 * TOKEN


def _spent_or_held(session: Session) -> int:
    return session.scalar(select(func.sum(BudgetRow.spent + BudgetRow.leased))) or 0


async def test_of_very_many_purses_some_are_reported_in_turn(
    desk: Desk, limit: SetLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "REPORTED", 3)
    monkeypatch.setattr(leases, "REPORT_EVERY", 1000.0)  # the test says when
    mine = desk.gateway.budget.leases
    keys = [(await desk.accounts.create_key("ada", f"k{number}")).encode() for number in range(7)]
    for key in keys:
        principal = desk.accounts.snapshot.principal_for_key(key)
        assert principal is not None
        await limit(1_000_000, ("key", principal.key_id or ""))
    await asyncio.gather(*(collect(desk, ask(desk, tokens=10, credential=key)) for key in keys))
    purses = list(mine._purses.values())
    waiting = [7]
    for _ in range(3):
        mine._tick()
        assert mine._working is not None
        await mine._working
        waiting.append(sum(purse.unreported > 0 for purse in purses))
        # What nobody has written down yet is held, so that a crash does not forget it.
        assert (await desk.store.read(_spent_or_held)) >= 7 * 6 * TOKEN
    assert waiting == [7, 4, 1, 0]
    await asyncio.gather(*(collect(desk, ask(desk, tokens=10, credential=key)) for key in keys))
    await mine.report()
    assert not any(purse.unreported for purse in purses)
