"""Recorded files: opening them, the clocks inside them, and an account of what was found there."""
