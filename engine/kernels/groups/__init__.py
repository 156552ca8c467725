"""The groups of fields that the second layout of a row is composed of, one module a group."""
