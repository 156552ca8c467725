"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="CUELINE_CONFIG", exists=True, dir_okay=False, help="TOML file of settings."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]
