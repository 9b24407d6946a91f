"""Judging what was rendered or trained: evaluate jobs, and the tables of the paper."""
