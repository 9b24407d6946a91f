"""From posed faces to pictures."""
