"""What to dispatch next, decided from plain data: no Ray, no clock, no arrays."""
