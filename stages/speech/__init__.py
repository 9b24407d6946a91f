"""Speech: reading recordings and turning them into one feature row per video frame."""
