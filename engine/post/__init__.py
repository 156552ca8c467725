"""Numbered, signed mail between partitions: what it is made of, without any I/O."""
