"""What a check found."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["good", "warning", "bad"]


class Finding(msgspec.Struct, frozen=True):
    """The result of one check. A ``warning`` may be intended; ``bad`` is not."""

    name: str
    state: State
    detail: str

    @property
    def good(self) -> bool:
        """Whether the deployment can work with it."""
        return self.state != "bad"
