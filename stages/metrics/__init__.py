"""Figures by which motion and pictures are judged."""
