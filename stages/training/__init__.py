"""Training loops of the three stages, on prepared clips."""
