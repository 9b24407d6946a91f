"""Judging rendered segments: what was drawn, held against what was commanded."""
