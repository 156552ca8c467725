"""``cueline doctor``: the checks of a deployment, as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.cli.execution import load_settings
from engine.cli.options import AsJson, ConfigFile
from engine.cli.output import print_json
from engine.process.doctor.examine import examine
from engine.process.doctor.finding import Finding, State

_MARKS: Mapping[State, str] = {"good": "[green]ok[/]", "warning": "[yellow]warning[/]", "bad": "[bold red]bad[/]"}


def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Check settings, rules, Kafka and Redis, and that they agree; exit code 1 when a check fails."""
    findings = asyncio.run(examine(load_settings(config)))
    show(findings, as_json)
    if any(not finding.good for finding in findings):
        raise typer.Exit(1)


def show(findings: Sequence[Finding], as_json: bool) -> None:
    """Print them as a table, or as one JSON object ``{good, findings: [{name, state, detail}]}``."""
    if as_json:
        report = {"good": all(finding.good for finding in findings), "findings": findings}
        print_json(report)
        return
    table = Table("", "what", "found", show_header=False, box=None)
    for finding in findings:
        table.add_row(_MARKS[finding.state], escape(finding.name), escape(finding.detail))
    Console(highlight=False).print(table)
