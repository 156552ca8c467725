"""What is wrong with settings as they are written, in sentences that say what to write. No sentence holds a value,
which may be a secret. Pure but for the file that is read."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import BadSettings

#: what Kubernetes sets beside a service whose name begins with "cueline"; its CUELINE_…PORT is an address
_OF_KUBERNETES = re.compile(r"(\w+_)?(service_(host|port\w*)|port_\d+_(tcp|udp|sctp)\w*)")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class Schema(NamedTuple):
    """Which settings there are: dotted names (``web.port``, ``log_level``), those that hold a list of texts, those
    that hold one of objects, and the variables that belong to others."""

    prefix: str
    names: Sequence[str]
    lists: frozenset[str]
    objects: frozenset[str]
    others: Sequence[str]

    @property
    def sections(self) -> set[str]:
        """``web`` of ``web.port``."""
        return {name.partition(".")[0] for name in self.names if "." in name}

    def variable(self, name: str) -> str:
        """The variable of a dotted name: ``CUELINE_WEB__PORT``."""
        return self.prefix + name.replace(".", "__").upper()


def read_toml(file: Path) -> dict[str, Any]:
    """The document in `file`. Raises `BadSettings`."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadSettings(f"{file}: not a text in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{file} is no TOML: {error}") from None


def faults_of_variables(environment: Mapping[str, str], schema: Schema) -> Iterator[str]:
    """A sentence for each variable of ours that names no setting, or is not the JSON that it should be."""
    for given, value in environment.items():
        if not given.upper().startswith(schema.prefix):
            continue
        name = given[len(schema.prefix) :].lower()
        dotted = name.replace("__", ".")
        if name in schema.sections:
            yield from _faults_of_section(given.upper(), name, value, schema)
        elif dotted in schema.lists:
            yield from _faults_of_list(given.upper(), value)
        elif dotted in schema.objects:
            yield from _faults_of_objects(given.upper(), value)
        elif dotted not in schema.names and not _of_others(name, value, schema):
            variables = [schema.variable(known) for known in (*schema.names, *schema.others)]
            yield f"{given.upper()} is no setting; the closest is {_closest(given.upper(), variables)}"


def faults_of_document(document: Mapping[str, Any], schema: Schema, where: str) -> Iterator[str]:
    """A sentence for each key of `document` (TOML read from `where`) that names no setting."""
    for key, value in document.items():
        if key in schema.sections:
            if not isinstance(value, dict):
                yield f"{where}: {key} is a section of settings and begins with [{key}]"
                continue
            yield from _unknown([f"{key}.{inner}" for inner in value], schema, where)
        elif isinstance(value, dict) and value:
            yield from _unknown([f"{key}.{inner}" for inner in value], schema, where)
        else:
            yield from _unknown([key], schema, where)


def _faults_of_section(variable: str, section: str, value: str, schema: Schema) -> Iterator[str]:
    content = _json(value)
    if isinstance(content, dict):
        yield from _unknown([f"{section}.{inner}" for inner in content], schema, variable)
        return
    first = next(name for name in schema.names if name.startswith(f"{section}."))
    yield f"{variable} names a section: set each by itself, as {schema.variable(first)}=…, or all as a JSON object"


def _faults_of_list(variable: str, value: str) -> Iterator[str]:
    content = _json(value)
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        yield f"""{variable} has to be a JSON list of texts: {variable}='["…"]', or '["…", "…"]' for several"""


def _faults_of_objects(variable: str, value: str) -> Iterator[str]:
    content = _json(value)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        yield f"""{variable} has to be a JSON list of objects: {variable}='[{{"…": "…"}}]'"""


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _unknown(names: Sequence[str], schema: Schema, where: str) -> Iterator[str]:
    for name in names:
        if name not in schema.names:
            yield f"{where}: {name} is no setting; the closest is {_closest(name, schema.names)}"


def _of_others(name: str, value: str, schema: Schema) -> bool:
    return (
        name in schema.others
        or _OF_KUBERNETES.fullmatch(name) is not None
        or (name.endswith("port") and _ADDRESS.match(value) is not None)
    )


def _closest(name: str, known: Sequence[str]) -> str:
    return get_close_matches(name, known, n=1, cutoff=0)[0]
