"""Fitting the limits of the inspection to a subject."""
