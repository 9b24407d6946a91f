"""One process that serves many jobs: it takes them in, feeds the scheduler and the pools, and finishes the masters."""
