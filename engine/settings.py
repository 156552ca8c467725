"""Every setting, its default and its meaning. Read from the environment (``CUELINE_…``, nested with
``__``: ``CUELINE_REDIS__URL``), then from the TOML file named by ``CUELINE_CONFIG``, then the defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

PREFIX = "CUELINE_"

#: variables that are no settings: of the command line, of config/compose.yaml, of benchmarks and tests
OTHERS = ("config", "write_key", "api_key", "kafka_jars", "data")

#: what Kubernetes sets beside a service whose name begins with "cueline"; its CUELINE_…PORT is an address
_OF_KUBERNETES = re.compile(r"(\w+_)?(service_(host|port\w*)|port_\d+_(tcp|udp|sctp)\w*)")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class Section(BaseModel):
    """A group of settings; a name that is not one is an error, not silence."""

    model_config = ConfigDict(extra="forbid")


class Kafka(Section):
    """Kafka and the topics of one deployment."""

    brokers: str = Field("127.0.0.1:9092", description="host:port, several with commas")
    partitions: int = Field(16, ge=1, le=4096, description="of cueline.events; fixed for the life of a deployment")
    replication: int = Field(1, ge=1)
    events_topic: str = "cueline.events"
    outcomes_topic: str = "cueline.outcomes"
    deadletters_topic: str = "cueline.deadletters"
    group: str = Field("cueline", description="consumer group of the workers")
    session_timeout_s: float = Field(8.0, gt=0, description="a silent worker loses its partitions after this")
    rebalance_timeout_s: float = Field(6.0, gt=0)
    heartbeat_s: float = Field(1.0, gt=0)
    fetch_wait_ms: int = Field(
        50, ge=1, description="how long a broker may hold an empty fetch; some hold it even when records arrive"
    )
    idempotent: bool = Field(
        True, description="idempotent producer; off for brokers without it, repeats are then dropped by message id"
    )


class Redis(Section):
    """Redis 7+ or Valkey."""

    url: str = "redis://127.0.0.1:6379/0"
    timeout_s: float = Field(2.0, gt=0, description="a command not answered by then counts as Unavailable")
    cue_stream_length: int = Field(10_000, ge=1, description="cues kept per partition for resuming readers")


class Stream(Section):
    """The worker."""

    rows_in_memory: int = Field(
        400_000, ge=1, description="rows held by one worker; least recently used ones leave"
    )
    rows_per_commit: int = Field(
        2_048,
        ge=1,
        description="bounds how long one commit occupies Redis: 2,048 rows about 5 ms, in a backlog only",
    )
    lateness_ms: int = Field(5_000, ge=0, description="silence is judged this much behind the clock")
    dead_letter_ratio: float = Field(
        0.2, ge=0, le=1, description="above this share of bad records the worker stops"
    )
    dead_letter_window: int = Field(1_000, ge=1)
    lag_watchdog_s: float = Field(60.0, gt=0, description="lag that does not move for this long ends the process")
    lost_log: Literal["stop", "restart"] = Field(
        "stop", description="when the topic begins again below what was applied: stop, or go on from there"
    )
    clock: Literal["wall", "replay"] = Field("wall", description="replay: follow the clock a replay sets in Redis")
    metrics_port: int = Field(9109, ge=0, le=65_535, description="0 picks a free one")


class Web(Section):
    """The HTTP process."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65_535, description="callers have to know it, so none is picked")
    write_keys: list[SecretStr] = Field(default_factory=list, description="for events; several while rotating")
    api_keys: list[SecretStr] = Field(default_factory=list, description="for decisions, customers, cues, rulebook")
    max_event_bytes: int = Field(32 * 1024, ge=1)
    max_batch_bytes: int = Field(500 * 1024, ge=1)
    max_batch_events: int = Field(2_500, ge=1)
    max_in_flight: int = Field(512, ge=1, description="requests at once; more get 503 with Retry-After")
    deadline_ms: int = Field(50, ge=1, description="a decision not ready by then is the fallback")
    demo_page: bool = Field(
        False, description="serve the live page at /; it gives browsers of this machine an API key"
    )


class Rules(Section):
    """The rulebook."""

    directory: Path = Path("rules")
    currency: str = "€"


class Settings(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid")

    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    stream: Stream = Stream()
    web: Web = Web()
    rules: Rules = Rules()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def load(cls, file: Path | None = None) -> Settings:
        """Settings from environment, then `file` (TOML), then defaults.

        Raises pydantic's ValidationError, which names each field, and each variable that is none.
        """
        refuse_unknown(os.environ)

        class WithFile(cls):  # type: ignore[valid-type, misc]
            @classmethod
            def settings_customise_sources(
                cls_,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                sources = (init_settings, env_settings)
                return (*sources, TomlConfigSettingsSource(settings_cls, file)) if file else sources

        return WithFile()


def refuse_unknown(environment: Mapping[str, str]) -> None:
    """Refuse variables of ours that name no setting; the names within a section are pydantic's to judge.

    Raises ValidationError, which names each and the closest that is known.
    """
    unknown = [name for name, value in _ours(environment) if not _known(name, value)]
    if unknown:
        raise ValidationError.from_exception_data("Settings", [_fault(name) for name in unknown])


def _ours(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names without the prefix, in lower case, and their values."""
    for name, value in environment.items():
        if name.upper().startswith(PREFIX):
            yield name[len(PREFIX) :].lower(), value


def _known(name: str, value: str) -> bool:
    section = name.partition("__")[0]
    return (
        name in OTHERS
        or name in Settings.model_fields
        or section in _sections()
        or _OF_KUBERNETES.fullmatch(name) is not None
        or (name.endswith("port") and _ADDRESS.match(value) is not None)
    )


def _fault(name: str) -> InitErrorDetails:
    closest = get_close_matches(name, [*_names(), *OTHERS], n=1, cutoff=0)[0]
    context = {"closest": PREFIX + closest.upper()}
    told = PydanticCustomError("no_setting", "is no setting; the closest is {closest}", context)
    # the value may be a secret, so it is not told
    return InitErrorDetails(type=told, loc=tuple(name.split("__")), input=name)


def _sections() -> dict[str, type[Section]]:
    fields = Settings.model_fields.items()
    return {name: type(field.default) for name, field in fields if isinstance(field.default, Section)}


def _names() -> Iterator[str]:
    """Every setting as the environment names it, without the prefix."""
    sections = _sections()
    for name in Settings.model_fields:
        yield from (f"{name}__{inner}" for inner in sections[name].model_fields) if name in sections else (name,)
