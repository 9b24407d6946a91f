"""Face points, canonical space and its inverse."""
