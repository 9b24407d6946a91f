"""Judging any system's video against the true one, file against file."""
