"""Writes of one turn of the event loop go out together, in order, and nothing is lost by closing."""

import asyncio
from typing import Any

import pytest

from inglenook.kit.http.cork import Cork


class Socket(asyncio.Transport):
    """Notes what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.got.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.got.append("close")
        self.closing = True

    def abort(self) -> None:
        self.got.append("abort")
        self.closing = True

    def write_eof(self) -> None:
        self.got.append("eof")

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.fixture
async def socket() -> Socket:
    return Socket()


@pytest.fixture
async def cork(socket: Socket) -> Cork:
    return Cork(socket, asyncio.get_running_loop())


async def turn() -> None:
    """Let the loop end its turn: callbacks made before this returns have run."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


async def test_pieces_of_one_turn_are_one_write(socket: Socket, cork: Cork) -> None:
    cork.write(b"one ")
    cork.write(b"two")
    assert socket.got == []
    assert cork.get_write_buffer_size() == 7
    await turn()
    assert socket.got == [b"one two"]
    cork.write(b"three")
    await turn()
    assert socket.got == [b"one two", b"three"]


async def test_connections_are_written_in_the_order_they_began(socket: Socket, cork: Cork) -> None:
    order: list[str] = []

    class Named(Socket):
        def write(self, data: Any) -> None:
            order.append(data.decode())

    loop = asyncio.get_running_loop()
    first, second = Cork(Named(), loop), Cork(Named(), loop)
    first.write(b"a")
    second.write(b"b")
    first.write(b"c")
    await turn()
    assert order == ["ac", "b"]


@pytest.mark.parametrize(("act", "mark"), [("close", "close"), ("write_eof", "eof")])
async def test_closing_sends_first_what_was_written(socket: Socket, cork: Cork, act: str, mark: str) -> None:
    cork.write(b"last words")
    getattr(cork, act)()
    assert socket.got == [b"last words", mark]
    await turn()
    assert socket.got == [b"last words", mark]


async def test_aborting_forgets_what_was_written(socket: Socket, cork: Cork) -> None:
    cork.write(b"nobody reads this")
    cork.abort()
    await turn()
    assert socket.got == ["abort"]


async def test_much_is_written_at_once(socket: Socket, cork: Cork) -> None:
    cork.write(b"x" * 40_000)
    assert socket.got == []
    cork.write(b"y" * 40_000)
    assert [len(data) for data in socket.got] == [80_000]
    cork.write(b"z")
    await turn()
    assert socket.got[1:] == [b"z"]


async def test_a_connection_that_went_meanwhile_is_not_written_to(socket: Socket, cork: Cork) -> None:
    cork.write(b"too late")
    socket.closing = True
    await turn()
    assert socket.got == []
