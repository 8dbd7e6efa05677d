"""Asking and being answered: through real routes, runs and gateway, by the fake provider."""

import asyncio

import pytest
from sqlalchemy import delete

from inglenook.accounts.principal import CONSOLE, Thing, Verb
from inglenook.accounts.tables import Grant
from inglenook.chat import prompt
from tests.support.chat import PATIENCE, Person, Refused, Rooms
from tests.support.routing import route


def said(rooms: Rooms) -> list[tuple[str, str]]:
    """What the model was last given."""
    return [(message.role, message.text) for message in rooms.fake.jobs[-1].request.messages]  # type: ignore[union-attr]


async def test_a_question_is_answered(ada: Person) -> None:
    chat = await ada.begin(model="echo")
    sent = await ada.send(chat, "the quick brown fox")
    question, answer = sent["question"], sent["answer"]
    assert (question["role"], question["text"], question["parent_id"]) == ("user", "the quick brown fox", None)
    assert (answer["role"], answer["parent_id"], answer["run_id"]) == ("assistant", question["id"], sent["run_id"])
    assert answer["status"] == "streaming"

    watch = await ada.follow(sent["run_id"])
    assert (watch.text, watch.status) == ("the quick brown fox", "finished")

    shown = await ada.conversation(chat)
    assert shown["title"] == "the quick brown fox"
    assert shown["leaf_id"] == answer["id"]
    kept = shown["messages"][1]
    assert (kept["status"], kept["text"], kept["finish_reason"]) == ("complete", "the quick brown fox", "stop")
    assert kept["model"] == "echo"
    assert (kept["usage"]["input"], kept["usage"]["output"]) == (4, 4)
    assert kept["usage"]["tokens_per_second"] > 0
    assert kept["usage"]["ttft_ms"] <= kept["usage"]["duration_ms"]
    assert (kept["error"], kept["notices"], kept["reasoning"]) == (None, [], "")


async def test_text_streams_while_the_model_writes_and_a_late_watcher_gets_the_whole(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    await rooms.fake.gate("more").reached()
    async with ada.watching(sent["run_id"]) as watch:
        await watch.until_text("three")
        assert watch.text == "one two three"
        rooms.fake.gate("more").open()
        await watch.to_end()
        assert watch.text == "one two three four five"
        assert watch.payload("chat.usage")["output"] == 5
    late = await ada.follow(sent["run_id"])
    assert (late.text, late.events, late.resets) == ("one two three four five", [], 1)
    assert late.state["model"] == "gated"
    assert late.state["reasons"] == [{"step": "route", "why": "named"}]
    assert late.state["finish_reason"] == "stop"


async def test_thinking_is_kept_apart(ada: Person, rooms: Rooms) -> None:
    rooms.fake.gate("thought").open()
    chat = await ada.begin(model="thinker")
    answer = await ada.ask(chat, "well?")
    assert (answer["reasoning"], answer["text"]) == ("hm hm", "Yes.")
    watch = await ada.follow(answer["run_id"])
    assert (watch.reasoning, watch.text) == ("hm hm", "Yes.")
    rooms.fake.gate("thought").open()
    await ada.ask(chat, "and now?")
    assert said(rooms) == [("user", "well?"), ("assistant", "Yes."), ("user", "and now?")]


async def test_notices_are_shown_and_kept(ada: Person) -> None:
    chat = await ada.begin(model="notice")
    answer = await ada.ask(chat, "a very long story")
    assert answer["notices"][0]["kind"] == "truncated"
    assert answer["notices"][0]["details"]["context_length"] == 4096
    assert answer["text"] == "I read the rest."


async def test_history_settings_and_system_prompt_reach_the_model(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="echo", system_prompt="Be kind.", sampling={"temperature": 0.25, "seed": 3})
    await ada.ask(chat, "one")
    await ada.ask(chat, "two")
    assert said(rooms) == [("system", "Be kind."), ("user", "one"), ("assistant", "one"), ("user", "two")]
    sampling = rooms.fake.jobs[-1].request.sampling  # type: ignore[union-attr]
    assert (sampling.temperature, sampling.seed) == (0.25, 3)


async def test_a_second_watcher_sees_the_same(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    async with ada.watching(sent["run_id"]) as first:
        await first.until_text("three")
        async with ada.watching(sent["run_id"]) as second:
            await second.until_text("three")
            assert second.text == first.text == "one two three"
            rooms.fake.gate("more").open()
            await asyncio.gather(first.to_end(), second.to_end())
    assert first.text == second.text == "one two three four five"


async def test_a_lost_connection_goes_on_where_it_was(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    async with ada.watching(sent["run_id"]) as first:
        await first.until_text("three")
    rooms.fake.gate("more").open()
    async with ada.watching(sent["run_id"], after=first.id) as second:
        await second.to_end()
    # The rest alone, or (when the run had ended by then) the whole.
    assert (first.text if not second.resets else "") + second.text == "one two three four five"


async def test_the_answer_goes_on_when_nobody_watches(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    async with ada.watching(sent["run_id"]) as watch:
        await watch.until_text("one")
    rooms.fake.gate("more").open()
    await ada.follow(sent["run_id"])
    assert (await ada.message(chat, sent["answer"]["id"]))["text"] == "one two three four five"


async def test_stopping_keeps_what_had_arrived(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    async with ada.watching(sent["run_id"]) as watch:
        await watch.until_text("three")
        await ada.call("POST", f"conversations/{chat}/messages/{sent['answer']['id']}/stop")
        await watch.to_end()
    assert watch.status == "cancelled"
    answer = await ada.message(chat, sent["answer"]["id"])
    assert (answer["status"], answer["text"], answer["error"]) == ("stopped", "one two three", None)
    assert rooms.fake.cancelled == 1, "the model was told to stop"
    await ada.call("POST", f"conversations/{chat}/messages/{sent['answer']['id']}/stop")


async def test_stopping_through_the_run_is_the_same(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    await rooms.fake.gate("more").reached()
    await ada.call("POST", f"runs/{sent['run_id']}/inputs", {"kind": "cancel", "payload": {}})
    await ada.follow(sent["run_id"])
    answer = await ada.message(chat, sent["answer"]["id"])
    assert (answer["status"], answer["text"]) == ("stopped", "one two three")


@pytest.mark.parametrize("model", ["cut", "silent-cut"])
async def test_a_broken_answer_keeps_its_text_and_says_why(ada: Person, model: str) -> None:
    chat = await ada.begin(model=model)
    answer = await ada.ask(chat, "count")
    assert (answer["status"], answer["text"]) == ("failed", "one two three four five")
    assert answer["error"] == "the line broke" if model == "cut" else "before it was whole" in answer["error"]
    assert (answer["error_code"], answer["error_details"]) == ("upstream_failed", {})
    late = await ada.follow(answer["run_id"])
    assert late.state["error"]["code"] == "upstream_failed"


async def test_a_refused_call_fails_with_the_providers_message(ada: Person) -> None:
    chat = await ada.begin(model="error-429")
    answer = await ada.ask(chat, "count")
    assert (answer["status"], answer["text"]) == ("failed", "")
    assert "429" in answer["error"]
    assert answer["error_code"] == "too_many"
    # The failed answer is no part of what comes next, the question is.
    again = await ada.ask(chat, "again", model="echo")
    assert (again["status"], again["text"]) == ("complete", "count\n\nagain")


async def test_a_failed_answer_tells_code_and_details_for_other_languages_until_it_is_continued(ada: Person) -> None:
    chat = await ada.begin(model="too-long")
    answer = await ada.ask(chat, "go")
    assert answer["error_code"] == "bad_input"
    assert answer["error_details"] == {"prompt_tokens": 9000, "context_length": 4096}
    again = (await ada.call("POST", f"conversations/{chat}/messages/{answer['id']}/continue"))["answer"]
    assert (again["error"], again["error_code"], again["error_details"]) == (None, None, {})


async def test_regenerating_adds_a_sibling_and_shows_it(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="echo")
    first = await ada.ask(chat, "hello")
    done = await ada.call("POST", f"conversations/{chat}/messages/{first['id']}/regenerate", {"model": "think"})
    await ada.follow(done["run_id"])
    second = await ada.message(chat, done["answer"]["id"])
    assert second["parent_id"] == first["parent_id"]
    assert (second["model"], second["text"]) == ("think", "I have thought about it.")
    assert await ada.branch(chat) == ["hello", "I have thought about it."]
    assert (await ada.message(chat, first["id"]))["text"] == "hello"
    assert (await ada.conversation(chat))["settings"]["model"] == "echo", "another model this time only"
    # By the question's id, without a body.
    done = await ada.call("POST", f"conversations/{chat}/messages/{first['parent_id']}/regenerate")
    await ada.follow(done["run_id"])
    assert done["answer"]["parent_id"] == first["parent_id"]
    assert said(rooms) == [("user", "hello")]


async def test_editing_is_sending_below_the_same_parent(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="echo")
    first = await ada.ask(chat, "one")
    await ada.ask(chat, "two")
    edited = await ada.ask(chat, "two, edited", parent_id=first["id"])
    assert await ada.branch(chat) == ["one", "one", "two, edited", "two, edited"]
    assert said(rooms) == [("user", "one"), ("assistant", "one"), ("user", "two, edited")]
    root = await ada.ask(chat, "one, edited", parent_id=None)
    assert await ada.branch(chat) == ["one, edited", "one, edited"]
    assert said(rooms) == [("user", "one, edited")]
    assert len((await ada.conversation(chat))["messages"]) == 8
    assert (await ada.conversation(chat))["leaf_id"] == root["id"] != edited["id"]


async def test_switching_branches(ada: Person) -> None:
    chat = await ada.begin(model="echo")
    first = await ada.ask(chat, "one")
    await ada.ask(chat, "two")
    await ada.ask(chat, "other", parent_id=None)
    changed = await ada.call("PATCH", f"conversations/{chat}", {"leaf_id": first["id"]})
    assert await ada.branch(chat) == ["one", "one", "two", "two"]
    assert changed["leaf_id"] == (await ada.conversation(chat))["leaf_id"]
    await ada.ask(chat, "three")
    assert await ada.branch(chat) == ["one", "one", "two", "two", "three", "three"]


async def test_two_branches_may_be_written_at_once(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    first = await ada.send(chat, "go")
    second = await ada.call("POST", f"conversations/{chat}/messages/{first['question']['id']}/regenerate")
    rooms.fake.gate("more").open()
    await asyncio.gather(ada.follow(first["run_id"]), ada.follow(second["run_id"]))
    texts = [m["text"] for m in (await ada.conversation(chat))["messages"] if m["role"] == "assistant"]
    assert texts == ["one two three four five"] * 2


async def test_a_question_cannot_follow_an_unfinished_answer(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    with pytest.raises(Refused, match="still being written") as caught:
        await ada.send(chat, "and?")
    assert caught.value.status == 409
    with pytest.raises(Refused) as caught:
        await ada.send(chat, "and?", parent_id=sent["question"]["id"])
    assert (caught.value.status, caught.value.error["field"]) == (400, "parent_id")
    rooms.fake.gate("more").open()
    await ada.follow(sent["run_id"])
    assert len((await ada.conversation(chat))["messages"]) == 2


async def test_continuing_in_words(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    sent = await ada.send(chat, "go")
    await rooms.fake.gate("more").reached()
    await ada.call("POST", f"conversations/{chat}/messages/{sent['answer']['id']}/stop")
    await ada.follow(sent["run_id"])
    rooms.fake.gate("more").open()
    done = await ada.call("POST", f"conversations/{chat}/messages/{sent['answer']['id']}/continue")
    assert (done["answer"]["id"], done["answer"]["status"]) == (sent["answer"]["id"], "streaming")
    assert done["answer"]["text"] == "one two three"
    assert done["run_id"] != sent["run_id"]
    watch = await ada.follow(done["run_id"])
    assert watch.text == "one two threeone two three four five", "the run's text is the message's whole text"
    answer = await ada.message(chat, sent["answer"]["id"])
    assert (answer["status"], answer["text"], answer["run_id"]) == ("complete", watch.text, done["run_id"])
    assert said(rooms) == [("user", "go"), ("assistant", "one two three"), ("user", prompt.CONTINUE)]
    assert len((await ada.conversation(chat))["messages"]) == 2


async def test_continuing_from_its_own_words(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="scribe", sampling={"max_tokens": 4})
    rooms.fake.gate("more").open()
    answer = await ada.ask(chat, "colours?")
    assert answer["text"] == "The rainbow is"
    await ada.call("PATCH", f"conversations/{chat}", {"settings": {"sampling": None}})
    done = await ada.call("POST", f"conversations/{chat}/messages/{answer['id']}/continue")
    watch = await ada.follow(done["run_id"])
    assert said(rooms) == [("user", "colours?"), ("assistant", "The rainbow is")]
    answer = await ada.message(chat, answer["id"])
    assert answer["text"] == watch.text == "The rainbow isThe rainbow is red,  \n"


async def test_an_answer_cut_at_its_limit_can_be_continued(ada: Person) -> None:
    chat = await ada.begin(model="long", sampling={"max_tokens": 3})
    answer = await ada.ask(chat, "go")
    assert (answer["text"], answer["finish_reason"], answer["status"]) == ("word0 word1 word2", "length", "complete")
    done = await ada.call("POST", f"conversations/{chat}/messages/{answer['id']}/continue")
    await ada.follow(done["run_id"])
    assert (await ada.message(chat, answer["id"]))["text"] == "word0 word1 word2word0 word1 word2"


async def test_an_answer_cut_while_thinking_begins_afresh(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="thinker")
    sent = await ada.send(chat, "well?")
    await rooms.fake.gate("thought").reached()
    await ada.call("POST", f"conversations/{chat}/messages/{sent['answer']['id']}/stop")
    await ada.follow(sent["run_id"])
    stopped = await ada.message(chat, sent["answer"]["id"])
    assert (stopped["status"], stopped["reasoning"], stopped["text"]) == ("stopped", "hm hm", "")
    rooms.fake.gate("thought").open()
    done = await ada.call("POST", f"conversations/{chat}/messages/{sent['answer']['id']}/continue")
    await ada.follow(done["run_id"])
    answer = await ada.message(chat, sent["answer"]["id"])
    assert (answer["reasoning"], answer["text"]) == ("hm hm", "Yes.")
    assert said(rooms) == [("user", "well?")]


async def test_what_cannot_be_continued(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="echo")
    answer = await ada.ask(chat, "hello")
    for message_id, status in ((answer["id"], 409), (answer["parent_id"], 400), ("msg_none", 404)):
        with pytest.raises(Refused) as caught:
            await ada.call("POST", f"conversations/{chat}/messages/{message_id}/continue")
        assert caught.value.status == status
    cut = await ada.ask(chat, "count", model="cut")
    await ada.ask(chat, "next", model="echo")
    with pytest.raises(Refused, match="gone on") as caught:
        await ada.call("POST", f"conversations/{chat}/messages/{cut['id']}/continue")
    assert caught.value.status == 409


async def test_the_default_model_is_the_one_used_last(ada: Person) -> None:
    chat = await ada.begin()
    first = await ada.ask(chat, "hello", model="think")
    assert first["model"] == "think"
    assert (await ada.ask(chat, "again"))["model"] == "think", "the conversation keeps it"
    assert (await ada.call("GET", "chat/defaults"))["model"] == "think"
    other = await ada.begin()
    assert (await ada.ask(other, "hello"))["model"] == "think"


async def test_an_unknown_model_is_refused_before_anything_is_written(ada: Person) -> None:
    chat = await ada.begin()
    with pytest.raises(Refused) as caught:
        await ada.send(chat, "hello", model="nobody")
    assert (caught.value.status, caught.value.error["field"]) == (404, "model")
    with pytest.raises(Refused) as caught:
        await ada.send(chat, "hello", model="embed")
    assert caught.value.status == 400
    shown = await ada.conversation(chat)
    assert (shown["messages"], shown["title"]) == ([], "")
    with pytest.raises(Refused) as caught:
        await ada.begin(model="nobody")
    assert caught.value.status == 404


async def test_a_model_one_may_not_use_is_not_there(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin()
    admin = await rooms.accounts.create_user("root", "correct horse battery", "admin")
    principal = rooms.accounts.snapshot.principal_for_user(admin)
    assert principal is not None
    (everyone,) = await rooms.accounts.grants.everything()
    await rooms.accounts.grants.remove(principal, everyone.id)
    with pytest.raises(Refused) as caught:
        await ada.send(chat, "hello", model="echo")
    assert caught.value.status == 404
    with pytest.raises(Refused) as caught:
        await ada.send(chat, "hello")
    assert caught.value.status == 409
    assert (await ada.call("GET", "chat/defaults")) == {"model": None}


async def test_deleting_a_conversation_stops_its_answers(ada: Person, rooms: Rooms) -> None:
    chat = await ada.begin(model="gated")
    done = await ada.ask(chat, "quick", model="echo")
    sent = await ada.send(chat, "go", model="gated")
    async with ada.watching(sent["run_id"]) as watch:
        await watch.until_text("three")
        await ada.call("DELETE", f"conversations/{chat}")
        await watch.to_end()
    assert watch.status == "cancelled"
    assert rooms.fake.cancelled == 1
    with pytest.raises(Refused) as caught:
        await ada.conversation(chat)
    assert caught.value.status == 404
    # What was said is gone from the journals too.
    for run_id in (done["run_id"], sent["run_id"]):
        assert (await ada.follow(run_id)).text == ""
        details = await ada.call("GET", f"runs/{run_id}")
        assert "quick" not in str(details)


async def test_deleting_a_user_deletes_their_conversations(ada: Person, bob: Person, rooms: Rooms) -> None:
    mine = await ada.begin(model="gated")
    theirs = await bob.begin(model="echo")
    await bob.ask(theirs, "hello")
    sent = await ada.send(mine, "go")
    await rooms.fake.gate("more").reached()
    user = await rooms.accounts.users.find("ada")
    root = await rooms.accounts.create_user("root", "correct horse battery", "admin")
    principal = rooms.accounts.snapshot.principal_for_user(root)
    assert principal is not None
    await rooms.accounts.users.delete(principal, user.id)
    async with asyncio.timeout(PATIENCE):
        frames = [frame async for frame in rooms.runs.watch(sent["run_id"])]
    assert frames[-1].data == {"status": "cancelled"}
    left = await rooms.store.read(lambda s: s.connection().exec_driver_sql("SELECT id FROM conversations").all())
    assert [row[0] for row in left] == [theirs]


async def test_a_route_answers_and_goes_on_as_its_target_can(ada: Person, rooms: Rooms) -> None:
    rooms.gateway.routes.show(1, [route("smart", "scribe")])
    await rooms.accounts.snapshot.write(lambda session: session.execute(delete(Grant)))
    (user_id,) = rooms.accounts.snapshot.now.users
    await rooms.accounts.grants.add(CONSOLE, ("user", user_id), Verb.USE, Thing("model", "smart"))
    chat = await ada.begin(model="smart", sampling={"max_tokens": 4})
    rooms.fake.gate("more").open()
    answer = await ada.ask(chat, "colours?")
    assert (answer["text"], answer["model"]) == ("The rainbow is", "scribe")
    # It may not be asked by its own name; and it, not the route, says how an answer is continued.
    done = await ada.call("POST", f"conversations/{chat}/messages/{answer['id']}/continue")
    await ada.follow(done["run_id"])
    assert said(rooms) == [("user", "colours?"), ("assistant", "The rainbow is")]
    assert (await ada.message(chat, answer["id"]))["model"] == "scribe"
