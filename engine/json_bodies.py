"""A body of JSON as what it should be, or a problem that names the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from engine.errors import BadRequest
from engine.validation_errors import describe_validation_error

T = TypeVar("T")


def read_json(decode: Callable[[bytes], T], body: bytes) -> T:
    """What `decode` makes of `body`. Raises `BadRequest`."""
    try:
        return decode(body)
    except msgspec.ValidationError as fault:
        raise BadRequest(*describe_validation_error(str(fault))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise BadRequest(f"not JSON: {fault}" if body else "the body is empty") from None
