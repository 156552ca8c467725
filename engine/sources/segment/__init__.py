"""Segment's tracking API."""
