"""The command line of the farm."""

from __future__ import annotations

from farm.cli.app import main

__all__ = ["main"]
