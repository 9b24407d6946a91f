"""Pools of replicas that serve whatever job comes."""
