"""MODA: from speech to motion."""
