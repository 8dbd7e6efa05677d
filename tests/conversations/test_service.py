"""Conversations in a real database."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inglenook.conversations import service
from inglenook.conversations.schemas import ConversationSettings
from inglenook.conversations.tables import ConversationRow, MessageRow
from inglenook.kit.errors import BadInput, NotFound, TooLarge
from inglenook.store.database import Store

ME, YOU = "usr_me", "usr_you"


def exchange(session: Session, row: ConversationRow, parent_id: str | None, text: str) -> MessageRow:
    """A question with its whole answer; the answer."""
    question = service.add_question(session, row, parent_id, text)
    answer = service.add_answer(session, row, question.id, model="m", run_id=f"run_{question.id[4:]}")
    answer.status, answer.text = "complete", f"re: {text}"
    return answer


async def make(store: Store, *titles: str, owner: str = ME) -> list[str]:
    return [(await store.write(lambda s, t=title: service.create(s, owner, title=t))).id for title in titles]


async def titles(store: Store, q: str = "", owner: str = ME) -> list[str]:
    rows, _ = await store.read(lambda s: service.page(s, owner, q=q))
    return [row.title for row in rows]


async def test_the_list_is_the_owners_latest_first(store: Store) -> None:
    first, _, _ = await make(store, "one", "two", "three")
    await make(store, "other", owner=YOU)
    assert await titles(store) == ["three", "two", "one"]

    def ask(session: Session) -> None:
        row = service.get(session, ME, first)
        row.updated_at += 10_000
        exchange(session, row, None, "hello")

    await store.write(ask)
    assert await titles(store) == ["one", "three", "two"]
    assert await titles(store, owner=YOU) == ["other"]


async def test_pages_join_without_gap_or_overlap_even_at_equal_times(store: Store) -> None:
    def fill(session: Session) -> None:
        for n in range(25):
            service.create(session, ME, title=f"c{n:02}").updated_at = 1000 + n // 10

    await store.write(fill)
    seen: list[str] = []
    cursor, sizes = None, []
    while True:
        rows, cursor = await store.read(lambda s, c=cursor: service.page(s, ME, before=c, limit=10))
        seen += [row.title for row in rows]
        sizes.append(len(rows))
        if cursor is None:
            break
    assert seen == [f"c{n:02}" for n in reversed(range(25))]
    assert sizes == [10, 10, 5]


async def test_a_last_full_page_has_no_next(store: Store) -> None:
    await make(store, "a", "b")
    _, cursor = await store.read(lambda s: service.page(s, ME, limit=2))
    assert cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "12", "12.", ".conv", "²5.conv", "9" * 30 + ".conv"])
async def test_a_bad_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadInput, match="before"):
        await store.read(lambda s: service.page(s, ME, before=cursor))


async def test_search_by_title(store: Store) -> None:
    await make(
        store, "Tea in Hangzhou", "怎么煮一壶好茶？", "100% wool", "100 sheep", "a_b", "axb", "Привет", r"back\slash"
    )
    assert await titles(store, "tea") == ["Tea in Hangzhou"]
    assert await titles(store, "好茶") == ["怎么煮一壶好茶？"]
    assert await titles(store, "ПРИ") == ["Привет"]
    assert await titles(store, "ｔｅａ") == ["Tea in Hangzhou"]
    assert await titles(store, "100%") == ["100% wool"]
    assert await titles(store, "a_b") == ["a_b"]
    assert await titles(store, "\\s") == [r"back\slash"]
    assert await titles(store, "nothing") == []
    assert len(await titles(store, "  ")) == 8


async def test_others_conversations_do_not_exist(store: Store) -> None:
    (mine,) = await make(store, "mine")
    with pytest.raises(NotFound):
        await store.read(lambda s: service.get(s, YOU, mine))
    with pytest.raises(NotFound):
        await store.read(lambda s: service.get(s, ME, "conv_none"))


async def test_the_first_question_names_an_untitled_conversation(store: Store) -> None:
    def talk(session: Session) -> ConversationRow:
        row = service.create(session, ME)
        answer = exchange(session, row, None, "What is fire?\nplease")
        exchange(session, row, answer.id, "And water?")
        return row

    row = await store.write(talk)
    assert (row.title, row.title_source) == ("What is fire?", "auto")
    assert await titles(store, "FIRE") == ["What is fire?"]


async def test_a_title_of_ones_own_stays(store: Store) -> None:
    def talk(session: Session) -> ConversationRow:
        row = service.create(session, ME, title=" My   title\n")
        exchange(session, row, None, "What is fire?")
        return row

    row = await store.write(talk)
    assert (row.title, row.title_source) == ("My title", "user")


@pytest.mark.parametrize("title", ["", "  \n", "\0", "x" * 201])
async def test_titles_have_limits(store: Store, title: str) -> None:
    with pytest.raises(BadInput) as caught:
        await store.write(lambda s: service.create(s, ME, title=title))
    assert caught.value.field == "title"


async def test_messages_have_limits(store: Store) -> None:
    def say(text: str):
        return lambda s: service.add_question(s, service.create(s, ME), None, text)

    with pytest.raises(BadInput, match="empty"):
        await store.write(say(" \n"))
    with pytest.raises(TooLarge, match="1,000,001"):
        await store.write(say("x" * 1_000_001))
    assert (await store.write(say("a\0b"))).text == "ab"
    assert await titles(store) == ["ab"]


async def test_branches(store: Store) -> None:
    def talk(session: Session) -> tuple[str, list[list[str]]]:
        row = service.create(session, ME)
        first = exchange(session, row, None, "one")
        exchange(session, row, first.id, "two")
        edited = exchange(session, row, first.id, "two, edited")
        seen = [[m.text for m in service.path_to(session, row.id, row.leaf_id or "")]]
        assert row.leaf_id == edited.id
        second = service.messages(session, row.id)[2]
        service.look_at(session, row, second.id)
        seen.append([m.text for m in service.path_to(session, row.id, row.leaf_id or "")])
        return row.id, seen

    conversation_id, (edited, original) = await store.write(talk)
    assert edited == ["one", "re: one", "two, edited", "re: two, edited"]
    assert original == ["one", "re: one", "two", "re: two"]
    (other,) = await make(store, "other")
    foreign = (await store.read(lambda s: service.messages(s, conversation_id)))[0].id
    with pytest.raises(NotFound):
        await store.write(lambda s: service.look_at(s, service.get(s, ME, other), foreign))
    with pytest.raises(NotFound):
        await store.read(lambda s: service.message(s, other, foreign))
    with pytest.raises(NotFound):
        await store.read(lambda s: service.path_to(s, other, foreign))


async def test_removing_takes_the_messages_along(store: Store) -> None:
    def talk(session: Session) -> tuple[str, str]:
        rows = [service.create(session, owner) for owner in (ME, ME, YOU)]
        for row in rows:
            exchange(session, row, None, "hello")
        service.remove(session, rows[0].id)
        return rows[1].id, rows[2].id

    kept, yours = await store.write(talk)

    def left(session: Session) -> tuple[set[str], int]:
        ids = set(session.scalars(select(ConversationRow.id)))
        return ids, session.scalar(select(func.count()).select_from(MessageRow)) or 0

    assert await store.read(left) == ({kept, yours}, 4)
    await store.write(lambda s: service.remove_all_of(s, ME))
    assert await store.read(left) == ({yours}, 2)


async def test_runs_of_answers(store: Store) -> None:
    def talk(session: Session) -> tuple[str, str]:
        row = service.create(session, ME)
        done = exchange(session, row, None, "done")
        question = service.add_question(session, row, None, "going on")
        service.add_answer(session, row, question.id, model="m", run_id="run_1")
        return row.id, done.run_id or ""

    conversation_id, done = await store.write(talk)
    assert set(await store.read(lambda s: service.runs(s, conversation_id=conversation_id))) == {done, "run_1"}
    assert await store.read(lambda s: service.runs(s, conversation_id=conversation_id, unfinished=True)) == ["run_1"]
    assert await store.read(lambda s: service.runs(s, owner_id=ME, unfinished=True)) == ["run_1"]
    assert await store.read(lambda s: service.runs(s, owner_id=YOU)) == []
    assert (await store.read(lambda s: service.message_of_run(s, "run_1"))).status == "streaming"  # type: ignore[union-attr]


def test_changes_of_settings_are_merge_patches() -> None:
    def patch(settings: dict[str, object], change: dict[str, object]) -> dict[str, object]:
        return service.merged(settings, service.checked_settings(change))

    settings = patch({}, {"model": "m", "sampling": {"temperature": 0.5, "seed": 7}})
    assert settings == {"model": "m", "sampling": {"temperature": 0.5, "seed": 7}}
    settings = patch(settings, {"sampling": {"temperature": None, "top_p": 0.9}})
    assert settings == {"model": "m", "sampling": {"seed": 7, "top_p": 0.9}}
    settings = patch(settings, {"model": None, "system_prompt": "Be kind."})
    assert settings == {"sampling": {"seed": 7, "top_p": 0.9}, "system_prompt": "Be kind."}
    settings = patch(settings, {"sampling": {"seed": None, "top_p": None}})
    assert settings == {"system_prompt": "Be kind."}
    assert patch({"sampling": {"seed": 1}}, {"sampling": None}) == {}
    assert ConversationSettings.model_validate(settings).system_prompt == "Be kind."


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"temprature": 1}, "settings.temprature"),
        ({"sampling": {"temperature": 2.1}}, "settings.sampling.temperature"),
        ({"sampling": {"temperature": float("nan")}}, "settings.sampling.temperature"),
        ({"sampling": {"top_p": 0}}, "settings.sampling.top_p"),
        ({"sampling": {"max_tokens": 0}}, "settings.sampling.max_tokens"),
        ({"sampling": {"seed": -1}}, "settings.sampling.seed"),
        ({"sampling": {"stop": [""]}}, "settings.sampling.stop.0"),
        ({"sampling": {"stop": ["x"] * 9}}, "settings.sampling.stop"),
        ({"sampling": {"wild": True}}, "settings.sampling.wild"),
        ({"system_prompt": "x" * 100_001}, "settings.system_prompt"),
        ({"model": ""}, "settings.model"),
    ],
)
def test_settings_are_strict(settings: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        service.checked_settings(settings)
    assert caught.value.field == field
