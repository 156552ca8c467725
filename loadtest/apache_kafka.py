"""Apache Kafka itself in one process: KRaft, broker and controller combined, started from plain jars.

The jars come from Maven Central (``make kafka``: ``tests/kafka/pom.xml``). The log directory stays, so a
killed broker started again holds what it held.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from engine.errors import BadSettings
from engine.local.loopback import HOST, free_port
from loadtest.servers import Broker

ROOT = Path(__file__).parent.parent
CLUSTER_ID = "Y3VlbGluZS10ZXN0cy0xMg"
FORMAT_WITHIN_S = 60

#: Start quickly and stay small: short-lived, one client.
JVM = ("-Xms256m", "-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN")


def apache_kafka(
    directory: Path,
    listeners: Mapping[str, int] = MappingProxyType({}),
    properties: Mapping[str, object] = MappingProxyType({}),
    scram: Sequence[str] = (),
) -> Broker:
    """A broker on a free port with an empty log in `directory`; not started. Raises `BadSettings`.

    Beside the plain one it has `listeners` (name -> port), a name being its protocol unless `properties` map it to
    another. `scram`: its users, as ``kafka-storage format --add-scram`` takes them.
    """
    port, java = free_port(), [*_java(), *JVM, "-cp", f"{_jars()}/*"]
    file = directory / "server.properties"
    settings = _settings({"PLAINTEXT": port, **listeners}, free_port(), directory / "log") | dict(properties)
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    users = [word for user in scram for word in ("--add-scram", user)]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(file), *users],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=FORMAT_WITHIN_S,
    )
    return Broker([*java, "kafka.Kafka", str(file)], directory / "kafka.log", port, durable=True)


def _java() -> list[str]:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if not found:
        raise BadSettings("Apache Kafka needs Java 17 or later: install a JRE")
    return [found]


def _jars() -> Path:
    jars = Path(os.environ.get("CUELINE_KAFKA_JARS", ROOT / ".cueline" / "kafka" / "jars"))
    if not any(jars.glob("kafka_*.jar")):
        raise BadSettings(f"no Apache Kafka in {jars}: `make kafka` fetches it (needs Maven)")
    return jars


def _settings(ports: Mapping[str, int], controller: int, log: Path) -> dict[str, object]:
    listeners = [f"{name}://{HOST}:{port}" for name, port in ports.items()]
    protocols = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": ",".join([*listeners, f"CONTROLLER://{HOST}:{controller}"]),
        "advertised.listeners": ",".join(listeners),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(
            ["CONTROLLER:PLAINTEXT", *(f"{one}:{one}" for one in protocols)]
        ),
        "log.dirs": log,
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # a killed broker may register again once its last session is over
        "broker.session.timeout.ms": 1000,
        "broker.heartbeat.interval.ms": 250,
        # a dead worker leaves the group after seconds, and a rebalance does not wait for more members
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 500,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.segment.bytes": 64 << 20,
        "log.retention.hours": 24,
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "num.recovery.threads.per.data.dir": 2,
    }
