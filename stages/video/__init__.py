"""Video: reading frames out of recorded clips."""
