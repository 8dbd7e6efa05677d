"""What there was in the last minute."""

import random

from inglenook.gateway.window import SPAN, Window


def test_no_sixty_seconds_hold_more_than_the_window_let_in() -> None:
    rnd = random.Random(7)
    limit, window, let_in = 10, Window(), []
    now = 0.0
    for _ in range(3000):
        now += rnd.choice([0.01, 0.5, 1.0, 3.0, 20.0])
        if window.look(int(now)) < limit:
            window.add(int(now), 1)
            let_in.append(now)
    for first, last in zip(let_in, let_in[limit:], strict=False):
        assert last - first >= 60
    assert len(let_in) > 500


def test_it_tells_when_there_is_room_again() -> None:
    window = Window()
    window.add(0, 3)
    window.add(10, 4)
    assert window.look(20) == 7
    assert window.frees(20, 3) == SPAN - 20
    assert window.frees(20, 4) == 10 + SPAN - 20
    assert window.frees(20, 8) == 0
    assert window.look(SPAN) == 4
    assert window.look(10 + SPAN) == 0


def test_what_turns_out_otherwise_is_corrected_where_it_was_counted() -> None:
    window = Window()
    bucket = window.add(0, 10)
    window.add(30, 1)
    window.correct(bucket, -4, 40)
    assert window.look(40) == 7
    assert window.look(SPAN) == 1
    window.correct(bucket, -6, SPAN)  # what is forgotten cannot become less
    assert window.look(SPAN) == 1
    window.correct(bucket, 5, SPAN)  # but what came in the meantime was used
    assert window.look(SPAN) == 6
