"""The function library that runs inside Redis."""
