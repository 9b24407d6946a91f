"""The command line: `farm render`, `farm plan`, `farm train`, `farm doctor`."""

from __future__ import annotations

from farm.cli.app import main

__all__ = ["main"]
