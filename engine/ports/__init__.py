"""What the edges promise one another: Protocols of a few methods, and the values that pass through them.

Each has an in-memory form and one on Redis or Kafka, under the same contract tests.
"""
