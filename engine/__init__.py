"""Cueline: a real-time decision engine over customer behaviour."""

__version__ = "0.1.0"
