"""The log formats that a replay reads, one a file."""
