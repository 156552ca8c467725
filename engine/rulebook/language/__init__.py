"""Conditions and texts as people write them."""
