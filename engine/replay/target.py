"""Where a replay goes, as it is asked for and as it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from engine.replay.run import SetClock
from engine.replay.sender import Sender

To = Literal["http", "kafka"]


class ReplayTarget(msgspec.Struct, frozen=True):
    """Where it goes and whose clock it sets."""

    sender: Sender
    set_clock: SetClock | None


class ReplayDestination(msgspec.Struct, frozen=True):
    """What the command line says of the target; None: the settings (of the file ``config``) are to say."""

    to: To
    url: str | None = None
    write_key: str | None = None
    config: Path | None = None
