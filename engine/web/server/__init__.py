"""The HTTP server: application, protocol, limits and errors."""
