"""The advice at a replay's end fits what went wrong."""

from __future__ import annotations

import pytest

from engine.errors import BadRequest, CuelineError, Forbidden, NotAuthorised, Overloaded, Unavailable
from engine.kernels.wire import EARLIEST_MS
from engine.replay.advice import on_error, on_refusals
from engine.replay.sender import _AHEAD, _OUTSIDE
from engine.sources.times import DAY, kept, within


def reason(at: int, now: int) -> str:
    """Why an API whose clock says `now` refuses an event of `at`."""
    with pytest.raises(CuelineError) as refused:
        kept(within(at, now, "timestamp"), EARLIEST_MS, 2 * now, "timestamp")
    return str(refused.value)


NOW = EARLIEST_MS + 5_000 * DAY


@pytest.mark.parametrize(
    ("reasons", "shifted", "words"),
    [
        ([reason(NOW - 401 * DAY, NOW)], False, ["--shift-to-now with --speed 1", "CUELINE_STREAM__CLOCK=replay"]),
        ([reason(NOW + 2 * DAY, NOW)], False, ["behind the log", "--shift-to-now with --speed 1"]),
        ([reason(NOW + 2 * DAY, NOW)], True, ["at another speed than 1", "CUELINE_STREAM__CLOCK=replay"]),
        ([reason(EARLIEST_MS - 1, EARLIEST_MS)], False, ["before 2000", "--shift-to-now"]),
        ([f"m1: bad_time: {_OUTSIDE}"], False, ["before 2000", "--shift-to-now"]),
        ([f"m1: bad_time: {_AHEAD}"], True, ["at another speed than 1"]),
        (["too_large: more than 32768 bytes"], False, ["web.max_event_bytes"]),
    ],
)
def test_refusals(reasons: list[str], shifted: bool, words: list[str]) -> None:
    advice = on_refusals(["log:1: missing_id: messageId is needed", *reasons], shifted)
    assert [word for word in words if word not in advice] == []
    assert ("--shift-to-now" in advice) <= (not shifted)


def test_refusals_that_say_it_themselves_need_no_advice() -> None:
    assert on_refusals(["bad_number: properties.price: not a number"], False) == ""
    assert on_refusals([], True) == ""


@pytest.mark.parametrize(
    ("error", "sent", "word"),
    [
        (NotAuthorised("401: the write key was refused", "--write-key"), 0, "--write-key"),
        (Forbidden("403: the write key was refused: this key lacks it", "--write-key"), 0, "events:write"),
        (Overloaded("503"), 10, "/health/ready"),
        (Unavailable("nothing answers"), 0, "cueline api"),
        (Unavailable("gone"), 10, "repeat the command"),
        (BadRequest("404 from http://x"), 0, "--url"),
    ],
)
def test_errors(error: CuelineError, sent: int, word: str) -> None:
    advice = on_error(error, sent)
    assert word in advice
    assert "--shift-to-now" not in advice


def test_a_mistake_on_the_command_line_says_itself_what_it_is() -> None:
    assert on_error(BadRequest("log.csv: empty", "FILE"), 0) == ""
