"""Benchmarks and the load they need."""
