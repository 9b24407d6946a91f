"""How late, damped and noisy tracks are, and how far they lie beside the pixels."""
