"""Training runs: Ray Train places the workers; the run itself is its checkpoints in the store."""
