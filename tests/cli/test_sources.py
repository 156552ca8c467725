"""`cueline sources`: mapping files are checked, and a payload is tried on them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from engine.cli.app import app

ROOT = Path(__file__).parents[2]
SHIPPED = str(ROOT / "config" / "sources")
QUEUED = {
    "topicName": "v2.detail.events.conversation.c-1.acd.start",
    "eventBody": {"conversationId": "c-1", "mediaType": "VOICE", "queueId": "billing"},
}


def ran(*arguments: str, given: str | None = None, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["sources", *arguments], input=given)
    assert result.exit_code == code, result.output
    return result


def test_the_shipped_mapping_files_are_good() -> None:
    assert "genesys, twilio, zendesk" in ran("check", "--mappings", SHIPPED).output
    found = json.loads(ran("check", "--mappings", SHIPPED, "--json").output)
    assert (found["ok"], "cloudevents" in found["sources"]) == (True, True)


def test_a_fault_is_said_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("source: shop\ncontcat: id\n")
    place = f"{tmp_path}/shop.yaml:2:1: shop: unknown key 'contcat'; did you mean contact?"
    assert place in ran("check", "--mappings", str(tmp_path), code=1).output
    assert place in json.loads(ran("check", "--mappings", str(tmp_path), "--json", code=1).output)["faults"]
    assert place in ran("read", "shop", "-", "--mappings", str(tmp_path), given="{}", code=1).output


def test_a_payload_is_tried(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text(json.dumps([QUEUED, {"topicName": "channel.metadata"}]))
    shown = ran("read", "genesys", str(file), "--mappings", SHIPPED).output.splitlines()
    assert shown[0].startswith("0: result taken, kind contact_queued, customer contact:c-1, at ")
    assert "queue billing" in shown[0]
    assert shown[1].startswith("1: result passed, reason unknown_type, field topicName")
    odd = {**QUEUED, "eventBody": {"eventTime": int(time.time() * 1_000)}}
    refused = ran("read", "genesys", "-", "--mappings", SHIPPED, "--json", given=json.dumps(odd), code=1)
    assert json.loads(refused.output)["events"] == [
        {
            "result": "refused",
            "reason": "missing_id",
            "field": "conversationId",
            "detail": "the contact's id is needed",
        }
    ]


@pytest.mark.parametrize(("body", "reason"), [("{", "malformed"), ("", "malformed")])
def test_what_is_no_payload_is_refused(body: str, reason: str) -> None:
    assert reason in ran("read", "genesys", "-", "--mappings", SHIPPED, given=body, code=1).output


def test_a_source_that_is_not_there_is_said() -> None:
    assert "nobody is no source; there are" in " ".join(
        ran("read", "nobody", "-", "--mappings", SHIPPED, given="{}", code=2).output.split()
    )


def test_the_directory_is_the_one_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.yaml").write_text("source: shop\nkinds: 7\n")
    monkeypatch.setenv("CUELINE_CONTACTS__MAPPINGS", str(tmp_path))
    result = CliRunner().invoke(app, ["sources", "check"])
    assert (result.exit_code, "shop.yaml:2" in result.output) == (1, True)


def test_a_directory_that_is_not_there_is_not_good() -> None:
    result = CliRunner().invoke(app, ["sources", "check", "--mappings", "nowhere"])
    assert (result.exit_code, "does not exist" in result.output) == (2, True)


def test_of_addresses_it_is_shown_where_they_stand() -> None:
    body = json.dumps({"event": "unsubscribe", "email": "ann@home.example"})
    (event,) = json.loads(ran("read", "email", "-", "--mappings", SHIPPED, "--json", given=body).output)["events"]
    assert (event["result"], event["customer"]) == ("taken", "email:…")
    called = {
        "type": "StasisStart",
        "channel": {"id": "1.2", "caller": {"number": "030 1234567"}},
    }
    given = json.dumps(called)
    (event,) = json.loads(
        ran("read", "asterisk", "-", "--mappings", SHIPPED, "--region", "DE", "--json", given=given).output
    )["events"]
    assert (event["customer"], event["addresses"]) == ("contact:1.2", "channel.caller.number")
