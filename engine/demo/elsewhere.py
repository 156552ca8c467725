"""How other commands reach the demo's services, and what of the environment the demo takes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from engine.errors import BadSettings

#: names another file of settings, which could lead the demo's processes to services that are not its own
SETTINGS_FILE = "CUELINE_CONFIG"


def refuse_settings_file() -> None:
    """Raises `BadSettings` where the environment names a file of settings."""
    if file := os.environ.get(SETTINGS_FILE):
        raise BadSettings(
            f"{SETTINGS_FILE} is {file}, and the demo, which has Kafka and Redis of its own, takes no such file: "
            "unset it, and give single settings by variables (CUELINE_WEB__TOKEN_KEYS)"
        )


def services(brokers: str, redis_url: str, partitions: int) -> Mapping[str, str]:
    """Variables of whatever uses the demo's Kafka and Redis."""
    return {
        "CUELINE_REDIS__URL": redis_url,
        "CUELINE_KAFKA__BROKERS": brokers,
        "CUELINE_KAFKA__PARTITIONS": str(partitions),
        "CUELINE_KAFKA__IDEMPOTENT": "false",  # tansu has no idempotent producers
    }


def export(variables: Mapping[str, str]) -> str:
    """A line for a shell.

    >>> export({"A": "1", "B": "x y"})
    "export A=1 B='x y'"
    """
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
