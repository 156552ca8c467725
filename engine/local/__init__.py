"""A Kafka-compatible broker, Valkey and our own processes as children of this one: a laptop needs Python alone.

`LocalServices` starts the two services; its `Supervisor` keeps them, and whatever else is given to it, running.
"""

from engine.local.services import LocalServices as LocalServices
from engine.local.supervisor import Change as Change
from engine.local.supervisor import State as State
from engine.local.supervisor import Supervisor as Supervisor
