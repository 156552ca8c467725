"""Made-up customers, for the demo and the load tests."""
