"""What the Redis store does when Redis is away, slow, empty, locked or of another release."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path

import pytest
import redis

from engine.customer_id import customer_id
from engine.errors import BadReply, BadSettings, Fenced, Unavailable
from engine.ports.cue_store import TakenCue
from engine.ports.decision_store import Candidate, Taking
from engine.ports.lesson_store import Lessons
from engine.ports.stream_store import Commit, Position
from engine.settings import Redis
from engine.store.functions import library
from engine.store.keys import HISTORY
from engine.store.redis import RedisStore
from tests.contracts.builders import (
    PARTITIONS,
    change,
    choice,
    customers_of,
    outcome,
    reservation,
)
from tests.patience import PATIENCE_S
from tests.services import Valkey


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey of the test's own that keeps an append-only file."""
    server = Valkey(tmp_path, appendonly=True)
    yield server
    server.kill()


@pytest.fixture
async def own_store(own: Valkey) -> AsyncIterator[RedisStore]:
    await own.start()
    store = RedisStore(Redis(url=own.url, timeout_s=20), PARTITIONS)
    yield store
    await store.close()


async def every_verb(store: RedisStore) -> list[object]:
    """Each method once; the result of each."""
    (customer,) = customers_of(1, 1)
    commands: list[Awaitable[object]] = [
        store.claim(1),
        store.position(1),
        store.read(1, [b"a"]),
        store.commit(change(9, 9, 10)),
        store.due(1, 5, 5),
        store.views([customer]),
        store.reserve([reservation(customer)]),
        store.decision("1-x"),
        store.learn(outcome("1-x"), True),
        store.propensities(),
        store.since(None, ""),
        store.tallies(),
        store.name([(1, "x")]),
        store.names([1]),
        store.clock(),
        store.set_clock(None),
    ]
    return await asyncio.gather(*commands, return_exceptions=True)


async def test_every_verb_says_that_redis_is_away(tmp_path: Path) -> None:
    store = RedisStore(Redis(url=f"unix://{tmp_path}/nobody.sock", timeout_s=1), PARTITIONS)
    assert {type(result) for result in await every_verb(store)} == {Unavailable}
    with pytest.raises(Unavailable):
        await store.open()
    await store.close()


async def test_every_verb_ends_when_redis_hangs(own: Valkey, own_store: RedisStore) -> None:
    await own_store.open()
    store = RedisStore(Redis(url=own.url, timeout_s=1), PARTITIONS)
    await store.open()
    os.kill(own.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert {type(result) for result in await every_verb(store)} == {Unavailable}
            # the next connection is accepted by the kernel alone
            assert {type(result) for result in await every_verb(store)} == {Unavailable}
    finally:
        os.kill(own.pid, signal.SIGCONT)
    claim = await own_store.claim(0)
    async with asyncio.timeout(PATIENCE_S):  # its own patience is too short for a machine under load
        while True:
            try:
                position = await store.position(0)
            except Unavailable:
                continue
            break
    assert position == Position(claim.epoch, 0)
    await store.close()


async def test_after_kill_and_restart_it_goes_on_where_it_was(own: Valkey, own_store: RedisStore) -> None:
    (customer,) = customers_of(1, 1)
    epoch = (await own_store.claim(1)).epoch
    await own_store.commit(change(epoch, 0, 5, rows={b"a": b"1"}, timers={b"a": 9}, cues=[choice(customer)]))
    own.kill()
    results = await asyncio.gather(
        *(own_store.commit(change(epoch, 5 + i, 6 + i, rows={b"a": b"2"})) for i in range(5)),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {Unavailable}
    await own.start()
    assert await own_store.position(1) == Position(epoch, 5)
    assert await own_store.read(1, [b"a"]) == [b"1"]
    assert await own_store.due(1, 9, 9) == [b"a"]
    assert await own_store.commit(change(epoch, 5, 6, rows={b"a": b"3"}, cues=[choice(customer)])) == [[0]]
    assert await own_store.read(1, [b"a"]) == [b"3"]
    assert len(await own_store.since(customer, "")) == 2


async def test_killed_at_any_moment_a_commit_is_whole_or_absent(own: Valkey, own_store: RedisStore) -> None:
    """Commits in flight while Redis is killed: rows, timers, cues and offset are consistent after."""
    (customer,) = customers_of(1, 1)
    epoch, at = (await own_store.claim(1)).epoch, 0
    for _ in range(4):
        flight = [
            asyncio.ensure_future(
                own_store.commit(
                    change(
                        epoch,
                        at + i,
                        at + i + 1,
                        rows={b"r%d" % j: b"%d" % (at + i + 1) for j in range(50)},
                        timers={b"t": at + i + 1},
                        cues=[choice(customer)],
                        tallies={"events": 1},
                    )
                )
            )
            for i in range(200)
        ]
        await flight[50]
        own.kill()
        results = await asyncio.gather(*flight, return_exceptions=True)
        assert {type(result) for result in results} <= {list, Unavailable}
        await own.start()
        at = (await own_store.position(1)).offset
        assert at >= sum(result == [[0]] for result in results)
        assert set(await own_store.read(1, [b"r%d" % j for j in range(50)])) == {b"%d" % at}
        assert (await own_store.due(1, at, 1), await own_store.due(1, at - 1, 1)) == ([b"t"], [])
        tallies = await own_store.tallies()
        assert tallies["events"] == tallies["cues"] == len(await own_store.since(None, "")) == at


async def test_an_empty_redis_gets_its_functions_and_refuses_the_old_owner(
    own: Valkey, own_store: RedisStore, tmp_path: Path
) -> None:
    (customer,) = customers_of(1, 1)
    epoch = (await own_store.claim(1)).epoch
    await own_store.commit(change(epoch, 0, 5))
    own.kill()
    for file in (tmp_path / "appendonlydir").iterdir():
        file.unlink()
    await own.start()
    with pytest.raises(Fenced):
        await own_store.commit(change(epoch, 5, 6))
    again = await own_store.claim(1)
    assert (again.offset, again.previous) == (0, 0)
    assert again.epoch > epoch
    assert await own_store.reserve([reservation(customer, Candidate("chat", 1, 9))]) == [[Taking.TAKEN]]


async def test_lessons_of_a_redis_that_came_back_older_are_read_anew(
    own: Valkey, own_store: RedisStore, tmp_path: Path
) -> None:
    (customer,) = customers_of(1, 1)
    for offer in ("chat", "call"):
        await own_store.reserve([reservation(customer)])
        await own_store.learn(outcome("1-x", offer), True)
        assert await own_store.propensities() == {(offer, "web"): Lessons(1, 0)}
        own.kill()
        for file in (tmp_path / "appendonlydir").iterdir():
            file.unlink()
        await own.start()
        with contextlib.suppress(Unavailable):
            await own_store.clock()


async def test_lost_functions_come_back(redis_store: RedisStore, look: redis.Redis) -> None:
    (customer,) = customers_of(1, 1)
    await redis_store.open()
    look.function_flush()
    with pytest.raises(Unavailable, match="not found"):
        await redis_store.reserve([reservation(customer)])
    assert await redis_store.reserve([reservation(customer)]) == [[]]


async def test_the_library_is_replaced_only_when_it_differs(redis_settings: Redis, look: redis.Redis) -> None:
    code = library.code().decode()

    async def loads() -> int:
        store = RedisStore(redis_settings, PARTITIONS)
        await store.open()
        await store.close()
        calls: int = look.info("commandstats").get("cmdstat_function|load", {}).get("calls", 0)
        return calls

    look.config_resetstat()
    assert [await loads(), await loads()] == [1, 1]
    look.function_load(code.replace(f"local HISTORY = {HISTORY}", "local HISTORY = 5"), replace=True)
    assert [await loads(), await loads()] == [3, 3]  # the test's own and the store's
    assert look.function_list(library.LIBRARY, withcode=True)[0][7].decode() == code


async def committed(store: RedisStore, commit: Commit) -> None:
    """As a worker does it: what was Unavailable may have happened, and the position shows it."""
    try:
        await store.commit(commit)
    except Unavailable:
        if (await store.position(commit.partition)).offset == commit.expected:
            await store.commit(commit)


async def test_tail_goes_on_after_an_outage(
    own: Valkey, own_store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.cue_streams.RETRY_S", 0.01)
    customer, epoch = customers_of(1, 1)[0], (await own_store.claim(1)).epoch
    tail, found = own_store.tail(), []
    for round_ in range(3):
        await own_store.commit(change(epoch, 2 * round_, 2 * round_ + 1, cues=[choice(customer)]))
        found.append(await asyncio.wait_for(anext(tail), PATIENCE_S))
        waiting = asyncio.ensure_future(anext(tail))
        await own_store.position(1)  # lets the tail send its read
        own.kill()
        await own.start()
        await committed(own_store, change(epoch, 2 * round_ + 1, 2 * round_ + 2, cues=[choice(customer)]))
        found.append(await asyncio.wait_for(waiting, PATIENCE_S))
    assert [entry.id for entry in found] == [entry.id for entry in await own_store.since(customer, "")]
    await tail.aclose()


async def test_tail_waits_for_a_redis_that_is_not_there_yet(own: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.cue_streams.RETRY_S", 0.01)
    store = RedisStore(Redis(url=own.url), PARTITIONS)
    tail = store.tail()
    waiting = asyncio.ensure_future(anext(tail))
    with pytest.raises(Unavailable):
        await store.open()
    await own.start()
    epoch = (await store.claim(1)).epoch
    offset = 0
    while not waiting.done():
        await store.commit(change(epoch, offset, offset + 1, cues=[choice(customers_of(1, 1)[0])]))
        offset += 1
    assert waiting.result().id.startswith("1-")
    await tail.aclose()
    await store.close()


async def test_close_ends_what_is_under_way(redis_store: RedisStore) -> None:
    tail = redis_store.tail()
    waiting = asyncio.ensure_future(anext(tail))
    command = asyncio.ensure_future(redis_store.position(0))
    await asyncio.sleep(0)
    await redis_store.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, PATIENCE_S)
    for late in (command, redis_store.position(0)):
        with pytest.raises(Unavailable, match="closed"):
            await late


async def test_a_connection_that_breaks_after_the_handshake_is_made_again() -> None:
    """The server answers all that a new connection asks, and what follows in the same packet is no protocol."""
    dials = 0

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal dials
        dials += 1
        while (asked := await reader.read(1 << 16)) and b"FUNCTION" not in asked:
            writer.write(b"+OK\r\n")
        code = library.code()
        writer.write(b"*1\r\n$%d\r\n%b\r\n" % (len(code), code) + b"nonsense\r\n")
        await reader.read()  # until the store hangs up
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    store = RedisStore(
        Redis(url=f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=10 * PATIENCE_S), PARTITIONS
    )
    async with asyncio.timeout(PATIENCE_S):  # long before a call would be given up
        for wanted in (1, 2):
            with pytest.raises(Unavailable):
                await store.open()
            assert dials == wanted
    await store.close()
    server.close()


async def test_a_caller_that_gives_up_disturbs_nobody(redis_store: RedisStore) -> None:
    await redis_store.open()
    commands = [asyncio.ensure_future(redis_store.name([(i, str(i))])) for i in range(10)]
    await asyncio.sleep(0)
    for command in commands[::2]:
        command.cancel()
    assert await redis_store.names([0, 9]) == {0: "0", 9: "9"}
    await asyncio.gather(*commands[1::2])


async def test_calls_made_while_connecting_keep_their_order(redis_store: RedisStore, look: redis.Redis) -> None:
    for i in range(3):
        look.client_kill_filter(_type="normal", skipme=True)
        with contextlib.suppress(Unavailable):
            await redis_store.clock()
        commands = [redis_store.name([(100 * i + j, f"{i}-{j}")]) for j in range(20)]
        words = [redis_store.names([100 * i + 19]) for _ in range(2)]
        results = await asyncio.gather(*commands, *words)
        assert results[-2:] == [{100 * i + 19: f"{i}-19"}] * 2


async def test_user_password_and_database_of_the_url_are_used(own: Valkey) -> None:
    await own.start()
    host = own.url.removeprefix("redis://").removesuffix("/0")
    with redis.Redis.from_url(own.url) as admin:
        admin.acl_setuser("worker", enabled=True, passwords=["+se:cret"], keys=["*"], categories=["+@all"])
        admin.config_set("requirepass", "p@ss/word")
    for login, database in (("worker:se%3Acret", 3), (":p%40ss%2Fword", 5)):
        store = RedisStore(Redis(url=f"redis://{login}@{host}/{database}"), PARTITIONS)
        claim = await store.claim(2)
        await store.close()
        with redis.Redis.from_url(f"redis://{login}@{host}/{database}") as client:
            assert client.hgetall("{p2}:o") == {b"epoch": b"%d" % claim.epoch}
    for wrong in (f"redis://{host}/0", f"redis://worker:wrong@{host}/0"):
        store = RedisStore(Redis(url=wrong), PARTITIONS)
        with pytest.raises(Unavailable, match=r"NOAUTH|WRONGPASS"):
            await store.open()
        await store.close()


async def test_out_of_memory_nothing_is_changed(redis_store: RedisStore, look: redis.Redis) -> None:
    epoch = (await redis_store.claim(1)).epoch
    await redis_store.commit(change(epoch, 0, 1, rows={b"a": b"1"}))
    look.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(Unavailable, match=r"OOM|EXECABORT"):
            await redis_store.commit(change(epoch, 1, 2, rows={b"a": b"2"}))
    finally:
        look.config_set("maxmemory", "0")
    assert await redis_store.position(1) == Position(epoch, 1)
    assert await redis_store.read(1, [b"a"]) == [b"1"]


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "redis://x?db=y",
        "redis://x?nonsense=1",
        "rediss://x?ssl_cert_reqs=bad",
        "rediss://x?ssl_ca_certs=/nowhere",
    ],
)
def test_a_url_that_cannot_be_is_told_at_once(url: str) -> None:
    with pytest.raises(BadSettings, match=r"redis\.url"):
        RedisStore(Redis(url=url), PARTITIONS)


async def test_who_waits_for_a_connection_hears_of_any_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore(Redis(url=f"unix://{tmp_path}/nobody.sock", timeout_s=10 * PATIENCE_S), PARTITIONS)

    async def odd(self: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("engine.store.connection.Connection._open_socket", odd)
    for _ in range(2):  # and so does the next
        with pytest.raises(Unavailable):
            await asyncio.wait_for(store.position(0), PATIENCE_S)
    assert "ZeroDivisionError" in caplog.text
    await store.close()


def test_nothing_connects_at_construction(tmp_path: Path) -> None:
    RedisStore(Redis(url=f"unix://{tmp_path}/nobody.sock"), PARTITIONS)


async def test_a_tally_that_is_no_number_stops_no_commit(
    redis_store: RedisStore, look: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    (customer,) = customers_of(1, 1)
    at = await redis_store.claim(1)
    look.hset("{p1}:n", mapping={"events": "rubbish", "cues": "rubbish"})
    for offset in (1, 2):
        commit = change(at.epoch, offset - 1, offset, cues=[choice(customer)], tallies={"events": 1, "applied": 1})
        assert await redis_store.commit(commit) == [[0]]
    assert redis_store.connections == 1
    assert (await redis_store.position(1)).offset == 2
    assert len(await redis_store.since(customer, "")) == 2
    assert dict(await redis_store.tallies()) == {"applied": 2}
    assert sum("'events' of '{p1}:n'" in said for said in caplog.messages) == 2  # who writes, and who reads


async def test_a_lesson_that_is_no_number_keeps_no_outcome_waiting(
    redis_store: RedisStore, look: redis.Redis
) -> None:
    look.hset("{p1}:m", mapping={"chat|web|s": "rubbish", "version": "rubbish"})
    assert await redis_store.propensities() == {}
    (customer,) = customers_of(1, 1)
    await redis_store.reserve([reservation(customer)])
    assert await redis_store.learn(outcome("1-x"), True)
    assert await redis_store.learn(outcome("1-x", "call"), True)
    assert await redis_store.propensities() == {("call", "web"): Lessons(1, 0)}
    assert redis_store.connections == 1


async def test_an_error_of_a_command_is_told_from_one_of_the_server(own: Valkey, own_store: RedisStore) -> None:
    """Who sends it again and again must know which of the two it is."""
    taken = TakenCue(customer_id("ann"), "offer", 1, "")
    await own_store.open()
    client = redis.Redis.from_url(own.url)
    key = own_store._keys.history_prefix[own_store._keys.of_customer(b"ann")] + b"ann"
    client.set(key, "no hash")
    with pytest.raises(BadReply, match="history"):
        await own_store.take_cues([taken])
    client.delete(key)
    client.config_set("maxmemory", 1)
    with pytest.raises(Unavailable, match="OOM") as told:
        await own_store.take_cues([taken])
    assert type(told.value) is Unavailable
    client.config_set("maxmemory", 0)
    assert await own_store.take_cues([taken]) == 0
