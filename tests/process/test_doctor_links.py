"""What `cueline doctor` says of links between ids: whether they may be on while older processes are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from engine.identity.link import RULES
from engine.ports.health import ApiReport, WorkerReport
from engine.process.doctor.links import Seen, link_findings
from engine.settings import Settings

SECRET = "0123456789abcdef0123456789abcdef"
NEW, OLD = WorkerReport("a", 1, 1, 0, (), (), RULES), WorkerReport("b", 1, 1, 0, (), ())
OLDER = msgspec.structs.replace(NEW, links=RULES - 1)


def settings(links: bool, post: bool = True, secret: str = SECRET) -> Settings:
    identity: dict[str, Any] = {"links": links, "secret": secret}
    return Settings.model_validate({"post": {"on": post}, "identity": identity})


def seen(
    workers: Sequence[WorkerReport | None] = (NEW, NEW),
    apis: int = 2,
    listeners: int = 2,
    mailing: Sequence[bool] = (True, True),
    rules: int = RULES,
    on: int = 0,
) -> Seen:
    """``on`` of the apis announce links."""
    reports = [ApiReport(f"api-{one}", rules, one < on) for one in range(apis)]
    return Seen(workers, reports, listeners, mailing)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (seen(), "off; every process follows links"),
        (seen(listeners=1), "off; every process follows links"),  # one api process comes back to Redis just now
        (seen([None, None]), "no worker is running"),
        (seen([NEW, OLD]), "partitions 1 have workers of a release that does not follow links"),
        (seen([OLDER, OLD]), "partitions 0, 1 have workers of a release that does not follow links"),
        (seen(listeners=3), "1 of those who listen for cues are no api processes of this release"),
        (seen(rules=RULES - 1), "2 of those who listen"),
        (seen(mailing=[False, True]), "partitions 0 do not mail yet"),
    ],
)
def test_while_they_are_off_it_says_what_they_wait_for(found: Seen, said: str) -> None:
    (finding,) = link_findings(settings(False), found)
    assert (finding.name, finding.state) == ("links", "good")
    assert said in finding.detail
    assert ("stays so for now" in finding.detail) == ("every process" not in finding.detail)


@pytest.mark.parametrize(
    ("found", "states", "said"),
    [
        (seen(on=2), ["good"], "on; 2 api processes"),
        (seen([NEW, None], on=2), ["good"], "on; 2 api processes"),  # that a worker is missing others say
        (seen([NEW, OLD], on=2), ["bad"], "partitions 1 have workers of a release"),
        (seen(mailing=[True, False], on=2), ["bad"], "partitions 1 do not mail yet"),
        (seen(listeners=3, on=2), ["warning"], "1 of those who listen"),
        (seen([OLD], listeners=3, mailing=[False], on=2), ["bad", "bad", "warning"], "dead letters there"),
        (
            seen(on=1),
            ["warning"],
            "1 of 2 api processes have them off: the ids of what comes in there are not linked",
        ),
        (seen(on=0), ["warning"], "2 of 2 api processes have them off"),
    ],
)
def test_while_they_are_on_an_older_process_is_a_fault(found: Seen, states: list[str], said: str) -> None:
    findings = list(link_findings(settings(True), found))
    assert [finding.state for finding in findings] == states
    assert said in findings[0].detail


@pytest.mark.parametrize(("on", "said"), [(1, "1 of 2 api processes have them on"), (2, "2 of 2 api processes")])
def test_processes_that_are_set_otherwise_are_said_while_they_are_off_here(on: int, said: str) -> None:
    (finding,) = link_findings(settings(False), seen(on=on))
    assert (finding.state, finding.detail.startswith(f"off here, but {said}")) == ("warning", True)
    assert "Give all the same identity.links" in finding.detail


@pytest.mark.parametrize(("post", "secret"), [(False, SECRET), (True, "")])
def test_they_are_not_on_without_what_they_need(post: bool, secret: str) -> None:
    found = list(link_findings(settings(True, post, secret), seen(on=2)))
    assert [(one.name, one.state) for one in found] == [("links", "bad")]
    assert not any(SECRET in one.detail for one in found)


def test_a_report_of_a_worker_of_before_follows_no_links() -> None:
    before = b'{"worker":"a","connection":1,"beat":1,"lag":0,"problems":[],"mailKeys":[]}'
    assert msgspec.json.decode(before, type=WorkerReport).links is None
    assert msgspec.json.decode(msgspec.json.encode(NEW), type=WorkerReport).links == RULES
