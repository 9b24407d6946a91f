"""From a clip to what the farm knows of its speaker."""
