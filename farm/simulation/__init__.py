"""The shared farm on a virtual clock: made-up replicas and faults under the real scheduler."""
