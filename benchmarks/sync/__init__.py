"""How far the judge of lip-sync may be trusted, and what it says of our motion."""
