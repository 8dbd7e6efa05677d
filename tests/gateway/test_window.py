"""What there was in the last minute."""

import random

from inglenook.gateway.window import SPAN, Window


def test_no_sixty_seconds_hold_more_than_the_window_let_in() -> None:
    rnd = random.Random(7)
    limit, window, let_in = 10, Window(), []
    now = 0.0
    for _ in range(3000):
        now += rnd.choice([0.01, 0.5, 1.0, 3.0, 20.0])
        window.look(int(now))
        if window.calls < limit:
            window.add(1)
            let_in.append(now)
    for first, last in zip(let_in, let_in[limit:], strict=False):
        assert last - first >= 60
    assert len(let_in) > 500


def test_it_is_what_came_in_the_seconds_that_count() -> None:
    rnd = random.Random(3)
    window, came = Window(), []
    second = 0
    for _ in range(2000):
        second += rnd.choice([0, 0, 0, 1, 2, 5, 30, 59, 60, 61, 62, 200])
        window.look(second)
        tokens = rnd.randrange(50)
        window.add(tokens)
        came.append((second, tokens))
        counted = [tokens for at, tokens in came if at > second - SPAN]
        assert (window.calls, window.tokens) == (len(counted), sum(counted))


def test_it_tells_when_there_is_room_again() -> None:
    window = Window()
    for second, calls in ((0, 3), (10, 4)):
        window.look(second)
        for _ in range(calls):
            window.add(5)
    window.look(20)
    assert (window.calls, window.tokens) == (7, 35)
    for frees, unit in ((window.frees_calls, 1), (window.frees_tokens, 5)):
        assert frees(3 * unit) == SPAN - 20
        assert frees(4 * unit) == 10 + SPAN - 20
        assert frees(8 * unit) == 0
    window.look(SPAN)
    assert window.calls == 4
    window.look(10 + SPAN)
    assert window.calls == window.tokens == 0


def test_what_turns_out_otherwise_is_corrected_where_it_was_counted() -> None:
    window = Window()
    window.look(0)
    window.add(10)
    window.look(30)
    window.add(1)
    window.correct(0, -4, 40)
    assert (window.calls, window.tokens) == (2, 7)
    window.look(SPAN)
    assert window.tokens == 1
    window.correct(0, -6, SPAN)  # what is forgotten cannot become less
    assert window.tokens == 1
    window.correct(0, 5, SPAN)  # but what came in the meantime was used
    assert window.tokens == 6
    window.look(SPAN + SPAN)
    assert window.tokens == 0
