"""Training the judge of lip-sync."""
