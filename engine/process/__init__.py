"""The processes: composition, life cycle, health and readiness."""
