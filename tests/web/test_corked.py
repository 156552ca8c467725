"""Writes of one turn of the event loop leave together, in order, and before the connection closes."""

from __future__ import annotations

import asyncio
import socket

import pytest

from engine.web.server.corked import AT_ONCE, Corked
from tests.patience import PATIENCE_S


class Recorded(asyncio.Transport):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__({"peername": "somebody"})
        self.done: list[bytes | str] = []
        self.gone = False

    def is_closing(self) -> bool:
        return self.gone

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("closed")

    def get_write_buffer_size(self) -> int:
        return 0


async def corked() -> tuple[Recorded, Corked]:
    transport = Recorded()
    return transport, Corked(transport, asyncio.get_running_loop())


async def test_a_head_and_its_body_leave_as_one() -> None:
    transport, cork = await corked()
    cork.write(b"head ")
    cork.write(b"body")
    assert transport.done == []
    await asyncio.sleep(0)
    assert transport.done == [b"head body"]


async def test_much_is_not_kept_back_for_the_turn_is_long() -> None:
    transport, cork = await corked()
    for _ in range(3):
        cork.write(b"x" * (AT_ONCE // 2))
    assert transport.done == [b"x" * AT_ONCE]
    await asyncio.sleep(0)
    assert transport.done == [b"x" * AT_ONCE, b"x" * (AT_ONCE // 2)]


async def test_what_comes_a_turn_later_is_not_kept_back() -> None:
    transport, cork = await corked()
    for part in (b"one", b"two"):
        cork.write(part)
        await asyncio.sleep(0)
    assert transport.done == [b"one", b"two"]


async def test_what_was_written_leaves_before_the_end_and_once() -> None:
    transport, cork = await corked()
    cork.write(b"last words")
    cork.close()
    await asyncio.sleep(0)
    assert transport.done == [b"last words", "closed"]


async def test_nothing_is_sent_to_who_hung_up() -> None:
    transport, cork = await corked()
    cork.write(b"answer")
    transport.gone = True
    await asyncio.sleep(0)
    assert transport.done == []


async def test_everything_else_is_the_transports() -> None:
    _, cork = await corked()
    assert cork.get_extra_info("peername") == "somebody"


async def test_a_real_socket_gets_everything_in_order() -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    cork = Corked(transport, loop)
    reader, writer = await asyncio.open_connection(sock=theirs)
    for turn in range(50):
        for part in range(turn % 4):
            cork.write(b"%d.%d;" % (turn, part))
        if turn % 3:
            await asyncio.sleep(0)
    cork.close()
    expected = b"".join(b"%d.%d;" % (turn, part) for turn in range(50) for part in range(turn % 4))
    assert await asyncio.wait_for(reader.read(), PATIENCE_S) == expected
    writer.close()


class Ended(asyncio.Protocol):
    """Notes that its connection is no more."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


async def test_who_does_not_read_what_was_left_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.web.server.corked.TAKEN_WITHIN_S", 0.05)
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(Ended, sock=ours)
    cork = Corked(transport, loop)
    cork.write(b"x" * 10_000_000)
    cork.close()
    assert transport.get_write_buffer_size()
    await asyncio.wait_for(protocol.lost.wait(), PATIENCE_S)
    theirs.close()
