"""The error tree. Each leaf says what its caller does.

::

    CuelineError
    ├── BadEvent            -> 4xx at the API, dead letter on the stream
    ├── BadBatch            -> one dead letter for the record batch
    ├── BadRule             -> keep the old rulebook, show the fault
    ├── BadRequest          -> 4xx that names the field
    │   ├── NotAuthorised   -> 401
    │   ├── Forbidden       -> 403
    │   └── NotFound        -> 404
    ├── RateLimited         -> 429 with Retry-After: this caller slows down
    ├── Overloaded          -> 503 with Retry-After: slow down
    ├── Unavailable         -> a service we depend on is away: fall back, retry
    ├── Fenced              -> another worker owns the partition: drop its rows
    ├── LostLog             -> stop the worker until an operator confirms that the log is gone
    ├── Stuck               -> end the process: only a restart recovers
    ├── BadState            -> what is stored is not of a layout we know: stop
    └── BadSettings         -> say what to change, exit
"""

from __future__ import annotations


class CuelineError(Exception):
    """Root of every error that Cueline raises on purpose."""


class BadEvent(CuelineError):
    """An event that cannot be applied.

    ``code`` is from the closed list of dead-letter reasons (``malformed``, ``unknown_type``,
    ``missing_id``, ``missing_customer``, ``too_large``, ``bad_time``, ``bad_record_time``, ``bad_number``,
    ``bad_field``, ``reserved_id``, ``unknown_source``; ``placeholder_id``, ``misspelt_event``,
    ``missing_amount`` and ``address_alone`` are reasons for warnings alone, ``not_allowed`` one of the API's);
    ``field`` is the path of the offending field in the sender's own shape, or empty.
    """

    def __init__(self, code: str, detail: str, field: str = "") -> None:
        #: the detail behind its field, for where the code stands apart
        self.sentence = f"{field}: {detail}" if field else detail
        super().__init__(f"{code}: {self.sentence}")
        self.code = code
        self.detail = detail
        self.field = field


class BadBatch(CuelineError):
    """A record batch on Kafka that cannot be read: damaged, or of a codec or format that is not known."""


class BadRule(CuelineError):
    """A rule file that does not compile; ``faults`` are ``file:line:col: name: reason`` lines."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class BadRequest(CuelineError):
    """A caller's mistake; ``field`` names what to correct."""

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotAuthorised(BadRequest):
    """No key, or a key that is not ours."""


class Forbidden(BadRequest):
    """A key of ours that does not open this."""


class NotFound(BadRequest):
    """The thing named does not exist (or no longer)."""


class RateLimited(CuelineError):
    """More than this caller may; ``retry_after`` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Overloaded(CuelineError):
    """Too much at once; ``retry_after`` is in seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(CuelineError):
    """Kafka or Redis did not answer."""


class BadReply(Unavailable):
    """Redis answered a command with an error that is that command's own: tried again, it would most likely fail
    again."""


class Fenced(CuelineError):
    """A commit was refused: the partition's epoch or offset in the store is not ours."""


class LostLog(CuelineError):
    """The topic begins again below what the store has applied: it is another log, or lost its records."""


class Stuck(CuelineError):
    """A partition has lag and has made no progress for too long."""


class BadState(CuelineError):
    """A stored row has an unknown version or size, or a stored offset is no number."""


class BadSettings(CuelineError):
    """The settings contradict each other or the deployment."""
