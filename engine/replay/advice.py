"""Advice for a failed replay, by its errors. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import BadRequest, CuelineError, Forbidden, NotAuthorised, Overloaded, Unavailable

_TO_NOW = "--shift-to-now with --speed 1 lets the log begin now"
_REPLAY_CLOCK = "processes started with CUELINE_STREAM__CLOCK=replay run on the log's time"

_KEY = "a secret key with the scope events:write (public ones, as in web.write_keys, are held to [rates])"

Advice = tuple[tuple[str, ...], str]

#: words in the reason of a refusal -> advice; the first match counts
_ON_REFUSALS: tuple[Advice, ...] = (
    (("before 2000", "not between"), f"no time before 2000 is kept, whatever the clock: {_TO_NOW}"),
    (("days ago",), f"the engine's clock is far past the log: {_TO_NOW}, or {_REPLAY_CLOCK}"),
    (("in the future",), f"the engine's clock is behind the log: {_TO_NOW}, or {_REPLAY_CLOCK}"),
    (("bad_time",), "the times of these events cannot be used: see the reasons above"),
    (("too_large",), "these events are larger than web.max_event_bytes of the engine allows"),
)
#: the same for a log whose times were shifted, which then drift away from a clock that does not follow
_ON_SHIFTED: tuple[Advice, ...] = (
    (("in the future", "days ago"), f"at another speed than 1 the engine's clock has to follow: {_REPLAY_CLOCK}"),
)


def on_refusals(reasons: Iterable[str], shifted: bool) -> str:
    """Advice for refusals with `reasons`, of a log `shifted` to now or not; empty where they say enough."""
    text = "\n".join(reasons)
    for words, advice in (*(_ON_SHIFTED if shifted else ()), *_ON_REFUSALS):
        if any(word in text for word in words):
            return advice
    return ""


def on_error(error: CuelineError, sent: int) -> str:
    """Advice for the error that ended a replay after `sent` events; empty where the error says enough."""
    match error:
        case NotAuthorised():
            return f"give {_KEY} in --write-key or CUELINE_WRITE_KEY; a demo prints its"
        case Forbidden():
            return f"give {_KEY}; `cueline keys list` shows what each opens"
        case Overloaded():
            return "its /health/ready says whether Kafka or Redis is away; if neither is, a lower --speed helps"
        case Unavailable() if sent:
            return "start it again and repeat the command: what had arrived is recognised by its message ids"
        case Unavailable():
            return "start it (`cueline api`; with --to kafka the broker), or name its address in --url"
        case BadRequest(field=""):
            return "is --url the address of `cueline api` itself, and that of the same version?"
        case _:
            return ""
