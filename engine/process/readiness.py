"""Readiness of each kind of process, and the gauge that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.errors import Stuck
from engine.kafka.producer import KafkaLog
from engine.meter import PrometheusMeter
from engine.process.health import HealthMonitor
from engine.process.heartbeat import LoopLiveness
from engine.stream.watchdog import LagWatchdog
from engine.stream.worker import Worker

ALIVE_S = 10.0  # a drain loop without an iteration for this long is not ready


def api_problems(kafka: KafkaLog, monitor: HealthMonitor, whole: bool) -> Mapping[str, str]:
    """Why an api process is not ready: the store. Without Kafka each event is refused but decisions continue, and
    they continue without a worker. `whole`: the process represents the whole deployment, as the demo's does, so
    it is ready only when every part is.

    There always is a rulebook: a process without one does not start, and a bad file does not replace it.
    """
    health = monitor.health()
    asked = {"store": health.redis}
    if whole:
        asked |= {"kafka": health.kafka, "worker": health.worker}
    problems = {name: part.reason for name, part in asked.items() if part.state != "ok"}
    if not kafka.is_open:
        problems["kafka"] = "the producer is not open"
    return problems


def worker_problems(worker: Worker, watch: LagWatchdog, loop_liveness: LoopLiveness) -> Mapping[str, str]:
    problems = {}
    if not watch.seen:
        problems["assignment"] = "no partitions have been assigned yet, or their ends are not known"
    if loop_liveness.seconds_ago > ALIVE_S:
        problems["drain"] = f"the drain loop has made no iteration for {loop_liveness.seconds_ago:.0f} s"
    if paused := worker.paused:
        problems["intake"] = "; ".join(
            f"partition {partition} takes no records: {reason} (`cueline resume` lets them go)"
            for partition, reason in sorted(paused.items())
        )
    failed = [str(state.partition) for state in worker.states.values() if state.failed]
    if failed:
        problems["store"] = f"partitions {', '.join(failed)} wait for the store"
    return problems


def exposition(meter: PrometheusMeter, problems: Callable[[], Mapping[str, str]]) -> tuple[bytes, str]:
    meter.set("process_ready", 0 if problems() else 1)
    return meter.render()


async def watch_liveness(loop_liveness: LoopLiveness, limit_s: float) -> None:
    """Check liveness from outside the drain loop, since a blocked loop cannot. Raises `Stuck`."""
    if loop_liveness.seconds_ago > limit_s:
        raise Stuck(f"the drain loop has made no iteration for {loop_liveness.seconds_ago:.0f} s")
