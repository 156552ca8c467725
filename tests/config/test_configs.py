"""The shipped settings files load, and say what the code says."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import BadSettings
from engine.settings import Settings
from engine.settings_sources import OTHERS, read_settings

CONFIG = Path(__file__).parent.parent.parent / "config"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of this machine must not take part."""
    for name in [name for name in os.environ if name.startswith("CUELINE_")]:
        monkeypatch.delenv(name)


def leaves(table: dict[str, Any], path: str = "") -> set[str]:
    """Dotted names of all values."""
    return {
        leaf
        for name, value in table.items()
        for leaf in (leaves(value, f"{path}{name}.") if isinstance(value, dict) else {path + name})
    }


def test_the_default_file_names_every_setting_with_its_default() -> None:
    file = CONFIG / "default.toml"
    assert read_settings(file).model_dump() == read_settings().model_dump()
    assert leaves(tomllib.loads(file.read_text())) == leaves(read_settings().model_dump())


def test_the_production_file_loads_and_the_environment_wins_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read_settings(CONFIG / "production.toml")
    assert (settings.kafka.replication, settings.web.host, settings.web.port) == (3, "0.0.0.0", 8080)
    monkeypatch.setenv("CUELINE_KAFKA__REPLICATION", "1")
    monkeypatch.setenv("CUELINE_WEB__WRITE_KEYS", '["one", "two"]')
    settings = read_settings(CONFIG / "production.toml")
    assert settings.kafka.replication == 1
    assert [key.get_secret_value() for key in settings.web.write_keys] == ["one", "two"]


def test_a_misspelt_setting_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cueline.toml"
    for text, name, closest in (
        ("[kafka]\npartition = 8", "kafka.partition", "kafka.partitions"),
        ("[wbe]\nport = 8080", "wbe.port", "web.port"),
        ("[web]\nwrite_key = ['hush']", "web.write_key", "web.write_keys"),
        ("loglevel = 'INFO'", "loglevel", "log_level"),
        ("[keys]", "keys", "web.keys"),
    ):
        file.write_text(text)
        with pytest.raises(BadSettings) as refused:
            read_settings(file)
        assert str(refused.value) == f"{file}: {name} is no setting; the closest is {closest}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[web", " is no TOML: Expected ']'"),
        (b"x = hush", " is no TOML: Invalid value"),
        (b"\xff", ": not a text in UTF-8"),
        (b"web = 3", ": web is a section of settings and begins with [web]"),
        (b"[web]\nport = 'hush'", ": web.port: Input should be a valid integer"),
        (b"[web]\nwrite_keys = 'hush'", ": web.write_keys: Input should be a valid list"),
        (b"[web]\nwrite_keys = ['hush', 5]", ": web.write_keys: Input should be a valid string"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_words(tmp_path: Path, text: bytes, said: str) -> None:
    file = tmp_path / "cueline.toml"
    file.write_bytes(text)
    with pytest.raises(BadSettings) as refused:
        read_settings(file)
    assert str(refused.value).startswith(f"{file}{said}")
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused_in_words(tmp_path: Path) -> None:
    for file, why in ((tmp_path, "Is a directory"), (tmp_path / "missing", "No such file or directory")):
        with pytest.raises(BadSettings) as refused:
            read_settings(file)
        assert str(refused.value) == f"{file}: {why}"


A_LIST = (
    "CUELINE_WEB__WRITE_KEYS has to be a JSON list of texts: "
    """CUELINE_WEB__WRITE_KEYS='["…"]', or '["…", "…"]' for several"""
)


@pytest.mark.parametrize(
    "value", ["hush", "hush,more", "", '"hush"', '{"hush": 1}', '["hush", 1]', "[hush]", "[" * 9_999]
)
def test_a_list_that_is_none_says_what_to_write(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CUELINE_WEB__WRITE_KEYS", value)
    result = CliRunner().invoke(app, ["doctor"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"setting {A_LIST}\n")


@pytest.mark.parametrize("name", ["KEYS", "TOKEN_KEYS"])
@pytest.mark.parametrize(
    "value", ["hush", "", '"hush"', '{"secret": "hush"}', '[{"secret": "hush"}, 1]', '["hush"]']
)
def test_a_list_of_objects_that_is_none_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(variable := f"CUELINE_WEB__{name}", value)
    result = CliRunner().invoke(app, ["doctor"])
    said = f"""setting {variable} has to be a JSON list of objects: {variable}='[{{"…": "…"}}]'\n"""
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", said)


def test_keys_of_visitor_tokens_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_WEB__TOKEN_KEYS", '[{"kid": "shop", "algorithm": "HS256", "secret": "hush"}]')
    (key,) = read_settings().web.token_keys
    assert (key.kid, key.secret.get_secret_value()) == ("shop", "hush")
    assert "hush" not in repr(read_settings())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "hush",
            "CUELINE_WEB names a section: set each by itself, as CUELINE_WEB__HOST=…, or all as a JSON object",
        ),
        (
            '["hush"]',
            "CUELINE_WEB names a section: set each by itself, as CUELINE_WEB__HOST=…, or all as a JSON object",
        ),
        ('{"prot": "hush"}', "CUELINE_WEB: web.prot is no setting; the closest is web.port"),
        (
            '{"port": "hush"}',
            "CUELINE_WEB__PORT: Input should be a valid integer, unable to parse string as an integer",
        ),
    ],
)
def test_a_section_in_a_variable(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    monkeypatch.setenv("CUELINE_WEB", '{"port": 81}')
    assert read_settings().web.port == 81
    monkeypatch.setenv("CUELINE_WEB", value)
    with pytest.raises(BadSettings) as refused:
        read_settings()
    assert str(refused.value) == said


def test_every_fault_is_named_and_where_its_value_comes_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cueline.toml"
    file.write_text("log_level = 'hush'\n[web]\nport = 'hush'\ndeadline_ms = 0")
    monkeypatch.setenv("CUELINE_WEB__PORT", "hush")
    result = CliRunner().invoke(app, ["doctor", "--config", str(file)])
    assert result.exit_code == 2
    assert [line.split(": Input")[0] for line in result.stderr.splitlines()] == [
        "setting CUELINE_WEB__PORT",
        f"setting {file}: web.deadline_ms",
        f"setting {file}: log_level",
    ]
    assert "hush" not in result.stderr


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_KAFKA__PARTITION", "8")
    with pytest.raises(BadSettings, match=r"CUELINE_KAFKA__PARTITION is no setting; the closest is .*PARTITIONS"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("CUELINE_REDS__URL", "CUELINE_REDIS__URL"),
        ("CUELINE_WEBB__PORT", "CUELINE_WEB__PORT"),
        ("CUELINE_REDIS_URL", "CUELINE_REDIS__URL"),
        ("cueline_loglevel", "CUELINE_LOG_LEVEL"),
        ("CUELINE_LOG_LEVEL__ROOT", "CUELINE_LOG_LEVEL"),
        ("CUELINE_CONFIGG", "CUELINE_CONFIG"),
        ("CUELINE_WEB_PORT", "CUELINE_WEB__PORT"),
    ],
)
def test_a_variable_that_is_no_setting_is_told_with_the_closest(
    monkeypatch: pytest.MonkeyPatch, name: str, closest: str
) -> None:
    monkeypatch.setenv(name, "secret")
    ran = CliRunner().invoke(app, ["doctor"])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr == f"setting {name.upper()} is no setting; the closest is {closest}\n"


def test_a_misspelt_name_in_a_section_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_KAFKA__BROKRS", "kafka:9092")
    ran = CliRunner().invoke(app, ["doctor"])
    assert ran.exit_code == 2
    assert "CUELINE_KAFKA__BROKRS" in ran.stderr


def test_a_variable_that_is_no_setting_does_not_tell_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_WEB_WRITE_KEYS", '["hush"]')
    with pytest.raises(BadSettings) as refused:
        read_settings()
    assert "hush" not in str(refused.value)


def test_variables_that_are_not_for_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    of_kubernetes = {
        "SERVICE_HOST": "10.0.0.1",
        "API_SERVICE_PORT_HTTP": "8080",
        "API_PORT": "tcp://10.0.0.1:8080",
        "API_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    for name, value in {**dict.fromkeys(map(str.upper, OTHERS), "x"), **of_kubernetes, "KAFKA": "{}"}.items():
        monkeypatch.setenv(f"CUELINE_{name}", value)
    monkeypatch.setenv("OTHER_CUELINE_WEBB__PORT", "1")
    assert read_settings().model_dump() == Settings().model_dump()


#: the least and the most that is allowed
BOUNDS: dict[str, tuple[float, float | None]] = {
    "redis.cue_stream_length": (1, None),
    "stream.rows_in_memory": (1, None),
    "stream.lateness_ms": (0, None),
    "stream.dead_letter_ratio": (0, 1),
    "stream.dead_letter_window": (1, None),
    "stream.metrics_port": (0, 65_535),
    "web.port": (1, 65_535),
    "web.max_event_bytes": (1, None),
    "web.max_batch_bytes": (1, None),
    "web.max_batch_events": (1, None),
    "web.max_in_flight": (1, None),
    "web.max_streams": (1, None),
    "web.deadline_ms": (1, None),
}
ABOVE_ZERO = (
    "kafka.session_timeout_s",
    "kafka.rebalance_timeout_s",
    "kafka.heartbeat_s",
    "redis.timeout_s",
    "stream.lag_watchdog_s",
)


def variable(setting: str) -> str:
    return f"CUELINE_{setting.upper().replace('.', '__')}"


@pytest.mark.parametrize("setting", BOUNDS)
def test_the_bounds_are_allowed_and_what_lies_beyond_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    least, most = BOUNDS[setting]
    for value in (least, *([] if most is None else [most])):
        monkeypatch.setenv(variable(setting), str(value))
        read_settings()
    for value in (least - 1, *([] if most is None else [most + 1])):
        monkeypatch.setenv(variable(setting), str(value))
        with pytest.raises(BadSettings, match=variable(setting)):
            read_settings()


@pytest.mark.parametrize("setting", ABOVE_ZERO)
def test_a_time_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    monkeypatch.setenv(variable(setting), "0.001")
    read_settings()
    for value in ("0", "-1", "nan"):
        monkeypatch.setenv(variable(setting), value)
        with pytest.raises(BadSettings, match=variable(setting)):
            read_settings()


def test_the_composed_processes_are_given_settings_that_exist() -> None:
    services = yaml.safe_load((CONFIG / "compose.yaml").read_text())["services"]
    known = {f"CUELINE_{leaf.upper().replace('.', '__')}" for leaf in leaves(read_settings().model_dump())}
    for name in ("api", "worker"):
        assert set(services[name]["environment"]) - {"CUELINE_CONFIG"} <= known
    assert {"kafka", "valkey", "api", "worker", "prometheus"} <= set(services)


def test_a_deployment_may_name_placeholders_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_PAYLOADS__PLACEHOLDER_IDS", '["kiosk"]')
    assert read_settings().payloads.placeholder_ids == ["kiosk"]
