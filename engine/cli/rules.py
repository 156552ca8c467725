"""``cueline rules check | test | features``: what an operator asks about rule files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from engine.cli.output import print_json, refuse
from engine.errors import BadRule
from engine.rulebook.cases import load_cases, run
from engine.rulebook.directory import Checked, is_rule_file
from engine.rulebook.directory import check as checked_rules
from engine.rulebook.model import Rulebook
from engine.state.catalogue import CATALOGUE

app = typer.Typer(name="rules", help="Check rule files, run their cases, list the features.", no_args_is_help=True)

Directory = Annotated[
    Path, typer.Argument(envvar="CUELINE_RULES__DIRECTORY", help="the directory of the rule files")
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.command()
def check(directory: Directory = Path("rules"), json: Json = False) -> None:
    """Compile the rule files: every fault and exit code 1, or one line, after what is good and probably a slip."""
    checked = _checked(directory, json)
    rulebook = checked.rulebook
    if json:
        print_json({"ok": True, "faults": [], "warnings": checked.warnings, **_content(rulebook)})
        return
    for warning in checked.warnings:
        typer.echo(warning, err=True)
    files = _count(sum(map(is_rule_file, directory.iterdir())), "file")
    indicators, offers = _count(len(rulebook.indicators), "indicator"), _count(len(rulebook.offers), "offer")
    typer.echo(f"{directory}: good: {files}, {indicators}, {offers}, revision {rulebook.revision}")


@app.command()
def show(directory: Directory = Path("rules"), json: Json = False) -> None:
    """List the indicators and offers of the rule files."""
    rulebook = _checked(directory, json).rulebook
    if json:
        print_json(_content(rulebook))
    else:
        Console().print(_indicators(rulebook), _offers(rulebook))
        if rulebook.traits:
            Console().print(f"Traits: {', '.join(_traits(rulebook))}")


@app.command("test")
def run_cases(directory: Directory = Path("rules"), json: Json = False) -> None:
    """Run the cases beside the rule files; exit with 1 when one fails or there is none."""
    checked = _checked(directory, json)
    rulebook = checked.rulebook
    try:
        verdicts = run(rulebook, load_cases(directory, rulebook), checked.places)
    except BadRule as bad:
        refuse(bad, json)
    failed = [verdict for verdict in verdicts if verdict.misses]
    ok = bool(verdicts) and not failed
    if json:
        print_json({"ok": ok, "cases": len(verdicts), "failed": failed, "revision": rulebook.revision})
    else:
        for verdict in failed:
            for miss in verdict.misses:
                typer.echo(f"{verdict.spot}: {verdict.name}: {miss}")
        typer.echo(f"{len(verdicts) - len(failed)} of {len(verdicts)} cases pass" if verdicts else "no cases")
    raise typer.Exit(0 if ok else 1)


@app.command()
def features(json: Json = False) -> None:
    """List what a condition may name."""
    if json:
        print_json({"features": [{"name": f.name, "unit": f.unit, "meaning": f.meaning} for f in CATALOGUE]})
        return
    table = _table("Features", "feature", "unit", "meaning")
    for feature in CATALOGUE:
        table.add_row(feature.name, feature.unit, feature.meaning)
    table.add_row('trait.plan, trait["any name"]', "", "a trait: text, number, version, true or false")
    table.add_row("member.newsletter", "", "whether the customer belongs to that segment or list")
    Console().print(table)


def _checked(directory: Path, json: bool) -> Checked:
    try:
        return checked_rules(directory)
    except BadRule as bad:
        refuse(bad, json)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _content(rulebook: Rulebook) -> dict[str, object]:
    return {
        "revision": rulebook.revision,
        "indicators": rulebook.indicators,
        "offers": rulebook.offers,
        "traits": _traits(rulebook),
    }


def _traits(rulebook: Rulebook) -> list[str]:
    """Those that rules name, as they write them."""
    return sorted({trait.written for trait in rulebook.traits})


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")  # a name cut short cannot be copied
    return table


def _indicators(rulebook: Rulebook) -> Table:
    table = _table("Indicators", "indicator", "when", "description")
    for indicator in rulebook.indicators:
        table.add_row(indicator.name, indicator.when, indicator.description)
    return table


def _offers(rulebook: Rulebook) -> Table:
    table = _table("Offers", "offer", "kind", "channels", "when", "value", "propensity")
    for offer in rulebook.offers:
        channels = ", ".join(offer.channels)
        table.add_row(offer.id, offer.kind, channels, offer.when, f"{offer.value:g}", f"{offer.propensity:g}")
    return table
