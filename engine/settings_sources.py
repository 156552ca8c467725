"""Where settings come from: the environment (``CUELINE_…``, nested with ``__``: ``CUELINE_REDIS__URL``), then the
TOML file named by ``CUELINE_CONFIG``, then the defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource

from engine.errors import BadSettings
from engine.settings import PREFIX, Section, Settings
from engine.settings_faults import Schema, faults_of_document, faults_of_variables, read_toml

#: variables that are no settings: of the command line, of config/compose.yaml, of benchmarks and tests
OTHERS = ("config", "write_key", "api_key", "redis_password", "kafka_jars", "data")


def read_settings(file: Path | None = None) -> Settings:
    """Settings from environment, then `file` (TOML), then defaults.

    Raises `BadSettings` with a line for each that is wrong. No line holds a value, which may be a secret.
    """
    document = read_toml(file) if file else {}
    faults = [
        *faults_of_variables(os.environ, schema := _schema()),
        *faults_of_document(document, schema, str(file)),
    ]
    if faults:
        raise BadSettings("\n".join(faults))

    class WithDocument(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, document)

    try:
        return WithDocument()
    except ValidationError as error:
        wrong = [f"{_written(fault['loc'], schema, file)}: {fault['msg']}" for fault in error.errors()]
        raise BadSettings("\n".join(wrong)) from None


def _written(location: tuple[int | str, ...], schema: Schema, file: Path | None) -> str:
    """Where a setting's value comes from: the variable, or the file's key."""
    name = ".".join(str(part) for part in location[:2])
    variables = {schema.variable(name), schema.variable(str(location[0]))}
    by_variable = file is None or any(given.upper() in variables for given in os.environ)
    return schema.variable(name) if by_variable else f"{file}: {name}"


def _schema() -> Schema:
    fields = {name: (field.default, field.annotation) for name, field in Settings.model_fields.items()}
    inner = {
        f"{name}.{key}": field.annotation
        for name, (default, _) in fields.items()
        if isinstance(default, Section)
        for key, field in type(default).model_fields.items()
    }
    plain = {
        name: annotation for name, (default, annotation) in fields.items() if not isinstance(default, Section)
    }
    every = inner | plain
    lists = frozenset(name for name, kind in every.items() if get_origin(kind) is list)
    texts = frozenset(name for name in lists if get_args(every[name])[0] in (str, SecretStr))
    return Schema(PREFIX, tuple(every), texts, lists - texts, OTHERS)
