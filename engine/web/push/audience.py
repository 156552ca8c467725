"""Who listens: which cues a stream gives, and in which form.

=====================================  ======================================  ==================================
who listens                            which cues                              in which form
=====================================  ======================================  ==================================
an agent's stream                      for the channel agent                   all of it
a customer's, by a secret key          all                                     all of it
a customer's, by that visitor's token  for the channel web                     `say` for the web, no `why`
a customer's, by a bare public key     of these, those of an anonymous id      `say` for the web, no `why`
=====================================  ======================================  ==================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.customer_id import CustomerId
from engine.events import Cue
from engine.web.auth.principal import Principal
from engine.web.push.frames import CueFrame


@dataclass(frozen=True, slots=True)
class Audience:
    """Which cues it is given, in which form, and whether it is an agent's: then the visitor has not seen them."""

    wants: Callable[[Cue], bool]
    form: Callable[[CueFrame], bytes]
    agent: bool = False


def audience_of(caller: Principal, customer: CustomerId) -> Audience:
    """Whoever opens the stream of `customer`."""
    if not caller.public:
        return EVERYTHING
    return VISITOR if caller.vouches_for(customer) else ANYBODY


def _for_web(cue: Cue) -> bool:
    return "web" in cue.channels


EVERYTHING = Audience(lambda cue: True, lambda frame: frame.full)
AGENTS = Audience(lambda cue: "agent" in cue.channels, lambda frame: frame.full, agent=True)
VISITOR = Audience(_for_web, lambda frame: frame.web)
ANYBODY = Audience(lambda cue: cue.anonymous and _for_web(cue), lambda frame: frame.web)
