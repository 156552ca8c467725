"""Which ids are one customer's: ranks, links, and what becomes of a key that was linked. Without any I/O."""
