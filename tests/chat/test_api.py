"""The routes of conversations: whose they are, what they take, how they list."""

import time
from typing import Any

import pytest

from inglenook.conversations import service
from inglenook.conversations.schemas import ConversationDetail, ConversationPage
from inglenook.kit.ids import new_id
from inglenook.kit.time import now_ms
from tests.support.chat import Person, Refused, Rooms, build_app
from tests.support.permissions import undeclared_routes

HELLO = {"content": "hello"}


async def refused(person: Person, method: str, path: str, body: Any = None, **params: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await person.call(method, path, body, **params)
    return caught.value


async def test_every_route_says_who_may_take_it(rooms: Rooms) -> None:
    assert undeclared_routes(build_app(rooms)) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "conversations/{c}", None),
        ("PATCH", "conversations/{c}", {"title": "mine now"}),
        ("DELETE", "conversations/{c}", None),
        ("POST", "conversations/{c}/messages", HELLO),
        ("POST", "conversations/{c}/messages/{m}/regenerate", None),
        ("POST", "conversations/{c}/messages/{m}/continue", None),
        ("POST", "conversations/{c}/messages/{m}/stop", None),
        ("GET", "runs/{r}", None),
        ("GET", "runs/{r}/events", None),
        ("POST", "runs/{r}/inputs", {"kind": "cancel", "payload": {}}),
    ],
)
async def test_others_conversations_do_not_exist(ada: Person, bob: Person, method: str, path: str, body: Any) -> None:
    chat = await ada.begin(model="echo")
    answer = await ada.ask(chat, "secret")
    path = path.format(c=chat, m=answer["id"], r=answer["run_id"])
    caught = await refused(bob, method, path, body)
    assert caught.status == 404
    assert "secret" not in str(caught.error)
    assert len((await ada.conversation(chat))["messages"]) == 2


async def test_messages_of_another_conversation_are_not_found(ada: Person, bob: Person) -> None:
    theirs = await bob.begin(model="echo")
    foreign = await bob.ask(theirs, "secret")
    mine = await ada.begin(model="echo")
    for method, path, body in (
        ("POST", f"conversations/{mine}/messages", {**HELLO, "parent_id": foreign["id"]}),
        ("PATCH", f"conversations/{mine}", {"leaf_id": foreign["id"]}),
        ("POST", f"conversations/{mine}/messages/{foreign['id']}/regenerate", None),
        ("POST", f"conversations/{mine}/messages/{foreign['id']}/continue", None),
    ):
        assert (await refused(ada, method, path, body)).status == 404
    assert (await ada.conversation(mine))["messages"] == []


async def test_nobody_else_lists_or_finds_them(ada: Person, bob: Person) -> None:
    await ada.call("POST", "conversations", {"title": "secret plans"})
    assert (await bob.call("GET", "conversations"))["conversations"] == []
    assert (await bob.call("GET", "conversations", q="secret"))["conversations"] == []
    assert len((await ada.call("GET", "conversations", q="SECRET"))["conversations"]) == 1


async def test_without_a_key_nothing_is_told(ada: Person) -> None:
    del ada.http.headers["authorization"]
    assert (await refused(ada, "GET", "conversations")).status == 401


async def test_listing_pages_and_searches(ada: Person) -> None:
    for n in range(7):
        await ada.call("POST", "conversations", {"title": f"茶 number {n}"})
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3, "q": "茶"}
    while True:
        page = await ada.call("GET", "conversations", **params)
        ConversationPage.model_validate(page)
        seen += [c["title"] for c in page["conversations"]]
        if page["next"] is None:
            break
        params["before"] = page["next"]
    assert seen == [f"茶 number {n}" for n in reversed(range(7))]
    assert (await refused(ada, "GET", "conversations", before="x")).status == 400
    assert (await refused(ada, "GET", "conversations", limit=0)).status == 400


async def test_renaming_and_settings(ada: Person) -> None:
    chat = await ada.begin(model="echo", sampling={"temperature": 0.5, "top_p": 0.9})
    changed = await ada.call("PATCH", f"conversations/{chat}", {"title": " Tea  time "})
    assert (changed["title"], changed["title_source"]) == ("Tea time", "user")
    changed = await ada.call("PATCH", f"conversations/{chat}", {"settings": {"sampling": {"top_p": None, "seed": 1}}})
    assert changed["settings"] == {"model": "echo", "sampling": {"temperature": 0.5, "seed": 1}}
    await ada.ask(chat, "What now?")
    assert (await ada.conversation(chat))["title"] == "Tea time"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"settings": {"temperature": 1}}, "settings.temperature"),
        ({"settings": {"sampling": {"temperature": 3}}}, "settings.sampling.temperature"),
        ({"settings": {"sampling": {"seed": "7"}}}, "settings.sampling.seed"),
        ({"title": "x" * 201}, "title"),
        ({"title": ""}, "title"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_what_will_not_do_is_named(ada: Person, body: dict[str, Any], field: str) -> None:
    chat = await ada.begin()
    for method, path in (("PATCH", f"conversations/{chat}"), ("POST", "conversations")):
        caught = await refused(ada, method, path, body)
        assert (caught.status, caught.error["field"]) == (400, field)
    assert len((await ada.call("GET", "conversations"))["conversations"]) == 1


async def test_messages_have_limits(ada: Person) -> None:
    chat = await ada.begin(model="echo")
    path = f"conversations/{chat}/messages"
    assert (await refused(ada, "POST", path, {"content": " "})).error["field"] == "content"
    caught = await refused(ada, "POST", path, {"content": "x" * (service.TEXT_LIMIT + 1)})
    assert (caught.status, caught.error["code"]) == (413, "too_large")
    assert "1,000,000" in caught.error["message"]
    assert (await refused(ada, "POST", path, {"content": "x", "temperature": 1})).status == 400
    assert (await ada.conversation(chat))["messages"] == []


async def test_answers_match_their_schemas(ada: Person) -> None:
    chat = await ada.begin(model="notice", sampling={"stop": ["x"]}, system_prompt="p")
    await ada.ask(chat, "go")
    await ada.ask(chat, "go", model="cut")
    shown = await ada.conversation(chat)
    detail = ConversationDetail.model_validate(shown)
    assert set(detail.model_dump()) == set(shown)
    assert set(detail.messages[1].model_dump()) == set(shown["messages"][1])
    assert set(shown["messages"][1]["usage"]) <= set(detail.messages[1].usage.model_dump())  # type: ignore[union-attr]


async def test_a_long_conversation_is_read_quickly(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin()

    def fill(session: Any) -> None:
        row = session.get(service.ConversationRow, chat)
        parent = None
        for n in range(2000):
            parent = new_id("msg")
            role = "assistant" if n % 2 else "user"
            session.add(
                service.MessageRow(
                    id=parent, conversation_id=row.id, parent_id=row.leaf_id, role=role, text=f"line {n}\n" * 40,
                    reasoning="", status="complete", usage={}, notices=[], created_at=now_ms(),
                )
            )  # fmt: skip
            row.leaf_id = parent

    await rooms.store.write(fill)
    await ada.conversation(chat)
    began = time.perf_counter()
    shown = await ada.conversation(chat)
    took = time.perf_counter() - began
    assert len(shown["messages"]) == 2000
    assert [m["id"] for m in shown["messages"]] == sorted(m["id"] for m in shown["messages"])
    assert took < 1.0
    answer = await ada.ask(chat, "and now?", model="echo")
    assert answer["text"] == "and now?"
