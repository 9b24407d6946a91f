"""Encoding: frames to segments, segments to a master."""
