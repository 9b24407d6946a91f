"""Lip-sync judges: how well lips and speech fit, and by how much one lags the other."""
