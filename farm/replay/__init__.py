"""Replay bundles: all that is needed to render one segment again, far from the farm that gave it up."""
