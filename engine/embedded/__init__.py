"""A Kafka-compatible broker, Valkey and our own processes as children of this one: a laptop needs Python alone.

`Embedded` starts the two services; its `Supervisor` keeps them, and whatever else is given to it, running.
"""

from engine.embedded.services import Embedded as Embedded
from engine.embedded.supervisor import Change as Change
from engine.embedded.supervisor import State as State
from engine.embedded.supervisor import Supervisor as Supervisor
