"""How long a test waits for what another process, or a machine busy with other things, has to do first."""

#: Seconds. Nothing that comes is ever so late; what does not come fails the test then.
PATIENCE_S = 120.0
