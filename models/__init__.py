"""Models that learn from what customers do; each has a card (`.md`) beside it."""
