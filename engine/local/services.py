"""The two services of a laptop's deployment: tansu for Kafka, Valkey for Redis."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from engine.errors import BadSettings
from engine.kafka.topics import make_topics, topics_of
from engine.local import binaries
from engine.local.loopback import HOST, free_port
from engine.local.probes import kafka_answers, redis_answers
from engine.local.supervisor import Change, Supervisor
from engine.settings import Kafka

#: The longest path of a Unix socket that every system takes.
SOCKET_PATH_BYTES = 100

APPEND_ONLY = "appendonlydir"  # Valkey's name for the folder of its append-only file

#: What a worker's environment says of its group on tansu, which keeps a dead member, be it the leader, for its
#: whole session, and lets every follower that joins wait for 3 s. Two workers, one killed: up to 16.7 s with a
#: session of 6 s, up to 5.7 s with one of 3 s. Apache Kafka by default accepts none under 6 s.
TANSU_GROUP: Mapping[str, str] = {
    "CUELINE_KAFKA__SESSION_TIMEOUT_S": "3",
    "CUELINE_KAFKA__REBALANCE_TIMEOUT_S": "2",
    "CUELINE_KAFKA__HEARTBEAT_S": "0.7",
}


def tansu_command(port: int) -> list[str]:
    """Broker on `port` with its log in memory: what it held is gone with the process."""
    url = f"tcp://{HOST}:{port}"
    listen = ["--listener-url", url, "--advertised-listener-url", url]
    return [str(binaries.tansu()), "broker", *listen, "--storage-engine", "memory://tansu/", "--silent"]


def valkey_command(
    port: int, directory: Path, socket: Path | None = None, appendonly: bool = False, most_bytes: int = 0
) -> list[str]:
    """Server on `port` (and `socket`) that keeps its files in `directory`; `appendonly`: synced every second.
    Above `most_bytes` (0: no bound) it lets go of what would expire first; what never expires stays."""
    options = {
        "--bind": HOST,
        "--port": str(port),
        "--dir": str(directory),
        "--save": "",
        "--appendonly": "yes" if appendonly else "no",
        "--appendfsync": "everysec",
    }
    if most_bytes:
        options |= {"--maxmemory": str(most_bytes), "--maxmemory-policy": "volatile-ttl"}
    if socket:
        options |= {"--unixsocket": str(socket), "--unixsocketperm": "700"}
    return [str(binaries.valkey()), *(word for option in options.items() for word in option)]


class LocalServices:
    """Kafka and Redis as child processes on free loopback ports, for as long as ``async with`` lasts.

    Both are restarted on the same port when they die: the broker empty, with its topics made again; Valkey
    empty too, or from its append-only file when `appendonly`. An earlier one's file counts unless `fresh`, which
    also removes it at the end. `redis_bytes` bounds Valkey's memory (`valkey_command`). Logs and files are kept in
    `directory`, which one `LocalServices` has at a time. Raises `BadSettings` when the platform has no binary or
    the directory is in use, `Unavailable` when a service does not start.
    """

    def __init__(
        self,
        directory: Path,
        partitions: int = 16,
        kafka: bool = True,
        redis: bool = True,
        appendonly: bool = False,
        fresh: bool = False,
        redis_bytes: int = 0,
        topics: Mapping[str, int] | None = None,
        on_change: Callable[[Change], None] = lambda change: None,
    ) -> None:
        self.directory = directory.absolute()
        self.topics = topics_of(Kafka(partitions=partitions)) if topics is None else topics
        self.appendonly = appendonly
        self._fresh = fresh
        self._redis_bytes = redis_bytes
        self.supervisor = Supervisor(self.directory / "logs", on_change)
        self._kafka_port = free_port() if kafka else 0
        self._redis_port = free_port() if redis else 0
        self._lock: IO[str] | None = None

    @property
    def brokers(self) -> str:
        """For ``CUELINE_KAFKA__BROKERS``; empty when Kafka was not asked for."""
        return f"{HOST}:{self._kafka_port}" if self._kafka_port else ""

    @property
    def redis_url(self) -> str:
        """For ``CUELINE_REDIS__URL``; empty when Redis was not asked for."""
        return f"redis://{HOST}:{self._redis_port}/0" if self._redis_port else ""

    @property
    def redis_socket_url(self) -> str:
        """The same by Unix socket, some 5 % cheaper a command; `redis_url` where the path is too long for one."""
        socket = self._socket()
        return f"unix://{socket}?db=0" if socket and self._redis_port else self.redis_url

    async def __aenter__(self) -> LocalServices:
        self._take_directory()
        wanted = [self._run_kafka()] if self._kafka_port else []
        wanted += [self._run_redis()] if self._redis_port else []
        try:
            for failure in await asyncio.gather(*wanted, return_exceptions=True):
                if failure is not None:
                    raise failure
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop_all()
        if self._lock:
            self._forget()
            self._lock.close()
            self._lock = None

    async def _run_kafka(self) -> None:
        await self.supervisor.run("kafka", tansu_command(self._kafka_port), ready=self._kafka_ready)

    async def _run_redis(self) -> None:
        data = self.directory / "valkey"
        data.mkdir(exist_ok=True)
        self._forget()
        command = valkey_command(self._redis_port, data, self._socket(), self.appendonly, self._redis_bytes)
        await self.supervisor.run("redis", command, ready=lambda: redis_answers(HOST, self._redis_port))

    def _forget(self) -> None:
        if self._fresh:
            shutil.rmtree(self.directory / "valkey" / APPEND_ONLY, ignore_errors=True)

    async def _kafka_ready(self) -> bool:
        if not await kafka_answers(HOST, self._kafka_port):
            return False
        if self.topics:
            await make_topics(Kafka(brokers=self.brokers), self.topics)
        return True

    def _socket(self) -> Path | None:
        path = self.directory / "valkey" / "valkey.sock"
        return path if len(bytes(path)) <= SOCKET_PATH_BYTES else None

    def _take_directory(self) -> None:
        self._lock = take(self.directory)
        if self._lock is None:
            raise BadSettings(f"{self.directory} is in use by another cueline: stop it or name another directory")


def take(directory: Path) -> IO[str] | None:
    """The lock of `directory`, made where it is missing; held until it is closed. None: another has it."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def in_use(directory: Path) -> bool:
    """Whether an `LocalServices` has `directory` now."""
    if not (directory / "lock").exists():
        return False
    lock = take(directory)
    if lock is not None:
        lock.close()
    return lock is None
