"""The shipped settings files load, and say what the code says."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from engine.settings import Settings

CONFIG = Path(__file__).parent.parent.parent / "config"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine at hand is set to must not be judged."""
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
    assert Settings.load(file).model_dump() == Settings.load().model_dump()
    assert leaves(tomllib.loads(file.read_text())) == leaves(Settings.load().model_dump())


def test_the_production_file_loads_and_the_environment_wins_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(CONFIG / "production.toml")
    assert (settings.kafka.replication, settings.web.host, settings.web.port) == (3, "0.0.0.0", 8080)
    monkeypatch.setenv("CUELINE_KAFKA__REPLICATION", "1")
    monkeypatch.setenv("CUELINE_WEB__WRITE_KEYS", '["one", "two"]')
    settings = Settings.load(CONFIG / "production.toml")
    assert settings.kafka.replication == 1
    assert [key.get_secret_value() for key in settings.web.write_keys] == ["one", "two"]


def test_a_misspelt_setting_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cueline.toml"
    for text, name in (("[kafka]\npartition = 8", "kafka.partition"), ("[keys]", "keys")):
        file.write_text(text)
        with pytest.raises(ValidationError) as refused:
            Settings.load(file)
        assert [".".join(map(str, fault["loc"])) for fault in refused.value.errors()] == [name]


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUELINE_KAFKA__PARTITION", "8")
    with pytest.raises(ValidationError, match=r"kafka\.partition"):
        Settings.load()


def test_the_composed_processes_are_given_settings_that_exist() -> None:
    services = yaml.safe_load((CONFIG / "compose.yaml").read_text())["services"]
    known = {f"CUELINE_{leaf.upper().replace('.', '__')}" for leaf in leaves(Settings.load().model_dump())}
    for name in ("api", "worker"):
        assert set(services[name]["environment"]) - {"CUELINE_CONFIG"} <= known
    assert {"kafka", "valkey", "api", "worker", "prometheus"} <= set(services)
