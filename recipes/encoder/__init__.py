"""Distilling the second layer of Whisper into the compact speech encoder."""
