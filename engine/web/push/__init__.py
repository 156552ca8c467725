"""Cues pushed to browsers and agents."""
