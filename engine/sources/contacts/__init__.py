"""What vendors of contact centres send: each in its own shape, all to the same kinds of event."""
