"""The rule language: conditions and texts."""
