"""Adapters between the farm and the world: stores, inputs, outputs, cluster, hardware and environment."""
